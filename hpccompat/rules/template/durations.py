"""Lengths of time (sprig, "Date Functions": those that need no clock), in nanoseconds as Go has them."""

from __future__ import annotations

import re

from hpccompat.rules.template.convert import clamped
from hpccompat.rules.template.limits import Limits
from hpccompat.rules.template.values import Int64, Value, runes, wrapped

_SECOND = 10**9
_UNITS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND,
}  # fmt: skip
_HOUR = _UNITS["h"]
_ROUGH = (
    ("y", 365 * 24 * _HOUR), ("mo", 30 * 24 * _HOUR), ("d", 24 * _HOUR), ("h", _HOUR), ("m", 60 * _SECOND),
    ("s", _SECOND),
)  # fmt: skip
_PART = re.compile(r"([0-9]*)(?:(\.)([0-9]*))?([^0-9.]+)")
_LONGEST = 200


def duration(value: Value) -> bytes:
    """Seconds, as a text or an int64, to a text like 1h1m1s; anything else is none."""
    seconds = clamped(runes(value)) if isinstance(value, bytes) else value if isinstance(value, Int64) else 0
    return _shown(wrapped(seconds * _SECOND)).encode()


def duration_round(limits: Limits, value: Value) -> bytes:
    """A text like 1h1m1s, or nanoseconds as an int64, to the largest unit that it has more than one of."""
    limits.step(_LONGEST)
    length = _parsed(runes(value)) if isinstance(value, bytes) else value if isinstance(value, Int64) else 0
    for unit, size in _ROUGH:
        if abs(length) > size:
            return f"{abs(length) // size}{unit}".encode()
    return b"0s"


def _parsed(text: str) -> int:
    """0 if it is none."""
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if len(unsigned) > _LONGEST:
        return 0
    position, total = 0, 0
    while position < len(unsigned):
        part = _PART.match(unsigned, position)
        if part is None or not (part.group(1) or part.group(3)) or part.group(4) not in _UNITS:
            return 0
        unit = _UNITS[part.group(4)]
        # Go stops counting digits of the fraction where they no longer fit.
        fraction = (part.group(3) or "")[:18]
        total += int(part.group(1) or "0") * unit + int(int(fraction or "0") * (unit / 10 ** len(fraction)))
        position = part.end()
        if total > 2**63:
            return 0
    if text.startswith("-"):
        return -total
    return total if total < 2**63 else 0


def _shown(length: int) -> str:
    sign, rest = "-" if length < 0 else "", abs(length)
    if not rest:
        return "0s"
    if rest < _SECOND:
        unit = next(each for each in ("ms", "µs", "ns") if rest >= _UNITS[each])
        return f"{sign}{_fraction(rest, _UNITS[unit])}{unit}"
    minutes, rest = divmod(rest, 60 * _SECOND)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{f'{hours}h' if hours else ''}{f'{minutes}m' if hours or minutes else ''}{_fraction(rest, _SECOND)}s"


def _fraction(length: int, unit: int) -> str:
    whole, part = divmod(length, unit)
    digits = str(part).rjust(len(str(unit)) - 1, "0")
    return f"{whole}.{digits.rstrip('0')}" if part else str(whole)
