"""Conversions, as the library `cast` makes them for sprig: what is no number counts as 0."""

from __future__ import annotations

import math

from hpccompat.rules.template.limits import Limits, failed
from hpccompat.rules.template.literal import int64, parse_float, parse_integer
from hpccompat.rules.template.printing import printed
from hpccompat.rules.template.values import LIST, STRINGS, Int64, SemVer, Slice, Value, runes, wrapped

_LOWEST = -(2**63)
_MOST_DIGITS = 300


def integer(value: Value) -> int:
    """In 64 bits. Texts like Go's literals: "010" is 8, "0x1F" 31; "1.0" is 1, "1.5" and " 5" are 0."""
    if isinstance(value, float):
        if math.isnan(value) or not _LOWEST <= value < 2.0**63:
            return _LOWEST
        return int(value)
    if isinstance(value, int):
        return wrapped(int(value))
    if isinstance(value, bytes):
        number = int64(_without_zero_decimals(runes(value)))
        return 0 if number is None else number
    return 0


def _without_zero_decimals(text: str) -> str:
    whole, point, part = text.rpartition(".")
    return whole if point and part and not part.strip("0") else text


def real(value: Value) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    number = parse_float(runes(value)) if isinstance(value, bytes) else None
    return 0.0 if number is None else number


def to_int(value: Value) -> int:
    return int(integer(value))


def to_int64(value: Value) -> Int64:
    return Int64(integer(value))


def to_float64(value: Value) -> float:
    return real(value)


def atoi(text: bytes) -> int:
    return clamped(runes(text))


def clamped(text: str) -> int:
    """A decimal number; what is beyond 64 bits is the last that is not, and what is no number 0."""
    number = parse_integer(text[:_MOST_DIGITS], 10)
    return 0 if number is None else max(_LOWEST, min(number, 2**63 - 1))


def to_decimal(limits: Limits, value: Value) -> Int64:
    """Reads octal digits."""
    number = int64(runes(b"<nil>" if value is None else printed(limits, value)), 8)
    return Int64(0 if number is None else number)


def to_string(limits: Limits, value: Value) -> bytes:
    return value.text if isinstance(value, SemVer) else printed(limits, value)


def strings(limits: Limits, value: Value) -> Slice:
    """A list of texts as it is; of other lists the elements' texts, without nil; of anything else the text."""
    if value is None:
        return Slice([], STRINGS)
    if not isinstance(value, Slice):
        return Slice([to_string(limits, value)], STRINGS)
    if value.type == STRINGS:
        return value
    limits.elements(len(value.items))
    return Slice([to_string(limits, each) for each in value.items if each is not None], STRINGS)


def items(value: Value, name: str) -> list[Value]:
    """The elements of any list."""
    if not isinstance(value, Slice):
        raise failed(f"{name}: not a list")
    return value.items


def of_list(values: list[Value]) -> Slice:
    return Slice(values, LIST)
