"""Texts of floating-point numbers (Go's strconv.FormatFloat)."""

from __future__ import annotations

import math


def format_float(value: float, verb: str, precision: int | None) -> str:
    """`verb` is one of e E f g G b x X; no precision means as many digits as tell the number from its neighbours. The
    sign is only written where it is negative."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if verb == "b":
        return _binary(value)
    if verb in "xX":
        text = _hexadecimal(value, precision)
        return text.upper() if verb == "X" else text
    if precision is None:
        return _shortest(value).upper() if verb == "G" else _shortest(value)
    return f"%.{precision}{verb}" % value


def _shortest(value: float) -> str:
    """%g and %v: with an exponent below 1e-4, and from 1e6 on."""
    sign, digits, exponent = decimal_digits(value)
    if exponent < -4 or exponent >= 6:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return sign + plain(digits, exponent)


def decimal_digits(value: float) -> tuple[str, str, int]:
    """Sign, shortest digits d and exponent e of d.ddd * 10^e."""
    text = repr(abs(value))
    mantissa, _, power = text.partition("e")
    whole, _, part = mantissa.partition(".")
    part = part.rstrip("0")
    sign = "-" if math.copysign(1, value) < 0 else ""
    digits = (whole + part).lstrip("0")
    if not digits:
        return sign, "0", 0
    exponent = int(power or 0) + len(whole) - 1 - (len(whole + part) - len(digits))
    return sign, digits.rstrip("0") or "0", exponent


def plain(digits: str, exponent: int) -> str:
    """d.ddd * 10^exponent without an exponent."""
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    part = digits[exponent + 1 :]
    return whole + ("." + part if part else "")


def _binary(value: float) -> str:
    exponent = max(math.frexp(value)[1], -1021) if value else -1021
    number = int(math.ldexp(abs(value), 53 - exponent))
    return f"{'-' if math.copysign(1, value) < 0 else ''}{number}p{exponent - 53:+d}"


def _hexadecimal(value: float, precision: int | None) -> str:
    sign = "-" if math.copysign(1, value) < 0 else ""
    if value == 0:
        return f"{sign}0x0{'.' + '0' * precision if precision else ''}p+00"
    mantissa, exponent = math.frexp(abs(value))
    # 1.ffff with 13 hexadecimal digits after the point.
    number, exponent = int(math.ldexp(mantissa, 53)), exponent - 1
    if precision is None:
        digits = f"{number:014x}"[1:].rstrip("0")
    else:
        if precision < 13:
            unit = 1 << (4 * (13 - precision))
            number = (number // unit + ((number % unit) * 2 > unit - (number // unit) % 2)) * unit
            if number >> 53:
                number, exponent = number >> 1, exponent + 1
        digits = f"{number:014x}"[1:].ljust(precision, "0")[:precision]
    return f"{sign}0x1{'.' + digits if digits else ''}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
