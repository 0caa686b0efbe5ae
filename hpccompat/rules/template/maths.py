"""Arithmetic: int64 that wraps around, and float64 by way of decimals."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal

from hpccompat.rules.template.convert import integer, real
from hpccompat.rules.template.floats import decimal_digits
from hpccompat.rules.template.limits import Limits, failed
from hpccompat.rules.template.values import INTS, Int64, Slice, Value, wrapped

# Sums of float64 have at most some 650 digits, and products of a few stay below this. No traps: what is too large is
# infinite.
_EXACT = Context(prec=2000, rounding=ROUND_HALF_UP, traps=[])
_DIVISION_PLACES = 16


def add(limits: Limits, *values: Value) -> Int64:
    return Int64(wrapped(sum(integer(each) for each in values)))


def add_one(limits: Limits, value: Value) -> Int64:
    return Int64(wrapped(integer(value) + 1))


def subtract(limits: Limits, first: Value, second: Value) -> Int64:
    return Int64(wrapped(integer(first) - integer(second)))


def multiply(limits: Limits, first: Value, *others: Value) -> Int64:
    product = integer(first)
    for each in others:
        product = wrapped(product * integer(each))
    return Int64(product)


def divide(limits: Limits, first: Value, second: Value) -> Int64:
    """Towards zero."""
    dividend, divisor = integer(first), integer(second)
    if not divisor:
        raise failed("integer divide by zero")
    quotient = abs(dividend) // abs(divisor)
    return Int64(wrapped(quotient if (dividend < 0) == (divisor < 0) else -quotient))


def modulo(limits: Limits, first: Value, second: Value) -> Int64:
    """With the sign of the first."""
    dividend, divisor = integer(first), integer(second)
    if not divisor:
        raise failed("integer divide by zero")
    rest = abs(dividend) % abs(divisor)
    return Int64(-rest if dividend < 0 else rest)


def largest(limits: Limits, first: Value, *others: Value) -> Int64:
    return Int64(max(integer(each) for each in (first, *others)))


def smallest(limits: Limits, first: Value, *others: Value) -> Int64:
    return Int64(min(integer(each) for each in (first, *others)))


def largest_float(limits: Limits, first: Value, *others: Value) -> float:
    return _extreme(max, first, others)


def smallest_float(limits: Limits, first: Value, *others: Value) -> float:
    return _extreme(min, first, others)


def _extreme(choose: Callable[..., float], first: Value, others: tuple[Value, ...]) -> float:
    numbers = [real(each) for each in (first, *others)]
    return math.nan if any(map(math.isnan, numbers)) else choose(numbers)


def floor(value: Value) -> float:
    return _whole(math.floor, real(value))


def ceiling(value: Value) -> float:
    return _whole(math.ceil, real(value))


def _whole(to_integer: Callable[[float], int], number: float) -> float:
    if not math.isfinite(number):
        return number
    return math.copysign(float(to_integer(number)), number) if -1 < number < 1 else float(to_integer(number))


def round_to(limits: Limits, value: Value, places: int, *fractions: float) -> float:
    """To decimal places, upwards from a fraction of 0.5 or the one given."""
    limits.step(20)
    power = _power_of_ten(places)
    shifted = power * real(value)
    fraction = math.fmod(shifted, 1) if math.isfinite(shifted) else math.nan
    up = fraction >= (fractions[0] if fractions else 0.5)
    rounded = _whole(math.ceil if up else math.floor, shifted)
    if power == 0:
        return math.nan if not rounded or math.isnan(rounded) else math.copysign(math.inf, rounded)
    return rounded / power


def _power_of_ten(exponent: int) -> float:
    """Go's Pow multiplies, and beyond 10^22 its last bit is not always C's."""
    if abs(exponent) > 400:
        return math.inf if exponent > 0 else 0.0
    mantissa, scale = 1.0, 0
    square, square_scale = 0.625, 4
    for bit in range(abs(exponent).bit_length()):
        if abs(exponent) >> bit & 1:
            mantissa *= square
            scale += square_scale
        square *= square
        square_scale *= 2
        if square < 0.5:
            square += square
            square_scale -= 1
    if exponent < 0:
        mantissa, scale = 1 / mantissa, -scale
    try:
        return math.ldexp(mantissa, scale)
    except OverflowError:
        return math.inf


# Floats, through decimals: 0.1 + 0.2 is 0.3.


def add_float(limits: Limits, *values: Value) -> float:
    return _decimal(limits, Decimal(0), values, _EXACT.add)


def add_one_float(limits: Limits, value: Value) -> float:
    return _decimal(limits, _exact(value), (Int64(1),), _EXACT.add)


def subtract_float(limits: Limits, first: Value, *others: Value) -> float:
    return _decimal(limits, _exact(first), others, _EXACT.subtract)


def multiply_float(limits: Limits, first: Value, *others: Value) -> float:
    return _decimal(limits, _exact(first), others, _EXACT.multiply)


def divide_float(limits: Limits, first: Value, *others: Value) -> float:
    return _decimal(limits, _exact(first), others, _quotient)


def _quotient(first: Decimal, second: Decimal) -> Decimal:
    """To 16 places."""
    if not second:
        raise failed("decimal division by 0")
    return _EXACT.quantize(_EXACT.divide(first, second), Decimal(1).scaleb(-_DIVISION_PLACES))


def _exact(value: Value) -> Decimal:
    number = real(value)
    if not math.isfinite(number):
        raise failed("Cannot create a Decimal from an infinite number, or none")
    sign, digits, exponent = decimal_digits(number)
    return Decimal(f"{sign}{digits}e{exponent - len(digits) + 1}")


def _decimal(
    limits: Limits, result: Decimal, values: tuple[Value, ...], operate: Callable[[Decimal, Decimal], Decimal]
) -> float:
    for each in values:
        limits.step(10)
        result = operate(result, _exact(each))
    # Decimals have no negative zero.
    return float(result) + 0.0


# Rows of integers.


def until(limits: Limits, count: int) -> Slice:
    return until_step(limits, 0, count, -1 if count < 0 else 1)


def until_step(limits: Limits, start: int, stop: int, step: int) -> Slice:
    return Slice(list(_numbers(limits, start, stop, step)), INTS)


def _numbers(limits: Limits, start: int, stop: int, step: int) -> range:
    if step == 0 or (stop < start) != (step < 0):
        return range(0)
    numbers = range(start, stop, step)
    # len() itself would fail on the longest ranges.
    limits.elements(abs(stop - start) // abs(step))
    return numbers


def sequence(limits: Limits, *numbers: int) -> bytes:
    """`seq`: like the shell's, both ends included."""
    if not numbers or len(numbers) > 3:
        return b""
    start, stop = (1, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[-1])
    down = stop < start
    step = -1 if down else 1
    if len(numbers) == 3:
        step = numbers[1]
        if down and step > 0:
            return b""
    return b" ".join([b"%d" % each for each in _numbers(limits, start, stop + (-1 if down else 1), step)])
