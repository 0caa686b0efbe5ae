"""YAML 1.1 scalars as go-yaml v2 types them, and as sigs.k8s.io/yaml prints them where Go wants a string."""

from __future__ import annotations

import math
import re
import struct

Value = None | bool | int | float | str

_WORDS: dict[str, Value] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_BASES = {"0x": 16, "0b": 2, "0o": 8}


def plain(text: str) -> Value:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text.replace("_", "")
    # 66 characters hold every 64-bit number in any base; Python refuses to convert very long ones.
    match = _INTEGER.fullmatch(digits) if text[0] != "." and len(digits) <= 67 else None
    if match:
        sign, number = match.groups()
        base = _BASES.get(number[:2].lower(), 8 if number[0] == "0" else 10)
        value = int(number[2:] if number[:2].lower() in _BASES else number, base)
        value = -value if sign == "-" else value
        if -(2**63) <= value < (2**63 if sign else 2**64):
            return value
    # Go takes the underscores out for numbers that begin with a digit or a sign, not for those with a point.
    number = text if text[0] == "." else digits
    if _FLOAT.fullmatch(number) and math.isfinite(float(number)):
        return float(number)
    return text


def as_string(value: Value) -> str:
    """The value where Go wants a string: booleans by name, floats as float32 with %g, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _shortest(value)
    return str(value)


def as_key(value: Value) -> str:
    """The value as the key of a mapping: as a string, but that YAML's own names of infinities are kept."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}[as_string(value)]
    return as_string(value)


def _shortest(value: float) -> str:
    """Go's strconv.FormatFloat(value, 'g', -1, 32)."""
    if value != value:
        return "NaN"
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        single = float("inf") if value > 0 else float("-inf")
    if single in (float("inf"), float("-inf")):
        return "+Inf" if single > 0 else "-Inf"
    for digits in range(9):
        text = f"{single:.{digits}e}"
        if struct.pack("f", float(text)) == struct.pack("f", single):
            break
    mantissa, exponent = text.split("e")
    power = int(exponent)
    # The precision 6 decides, as for the shortest form of FormatFloat; 10^21 is %v's.
    if power < -4 or power >= 6:
        return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return f"{single:.{max(digits - power, 0)}f}"
