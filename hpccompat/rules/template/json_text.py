"""JSON (sprig's toJson, fromJson ..., which are Go's encoding/json)."""

from __future__ import annotations

import json
import math

from hpccompat.errors import EvaluationError
from hpccompat.rules.template.floats import decimal_digits, plain
from hpccompat.rules.template.limits import VALUE_DEPTH, Limits, failed
from hpccompat.rules.template.literal import parse_float
from hpccompat.rules.template.values import LIST, Map, SemVer, Slice, Value, go_string, runes

_ESCAPES = {
    ord('"'): '\\"', ord("\\"): "\\\\", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r",
    0x2028: "\\u2028", 0x2029: "\\u2029",
}  # fmt: skip
# Bytes that are no characters are written as the one that stands for them.
_ESCAPES = {code: f"\\u{code:04x}" for code in range(32)} | _ESCAPES | dict.fromkeys(range(56448, 56576), "\\ufffd")
_HTML = _ESCAPES | {code: f"\\u{code:04x}" for code in b"<>&"}


class _NoJson(Exception):
    pass


def to_json(limits: Limits, value: Value) -> bytes:
    """ "" for what JSON has no way to say."""
    try:
        return _encoded(limits, value, _HTML, "")
    except _NoJson:
        return b""


def to_pretty_json(limits: Limits, value: Value) -> bytes:
    try:
        return _encoded(limits, value, _HTML, "  ")
    except _NoJson:
        return b""


def must_to_json(limits: Limits, value: Value) -> bytes:
    return _must(limits, value, _HTML, "")


def must_to_pretty_json(limits: Limits, value: Value) -> bytes:
    return _must(limits, value, _HTML, "  ")


def to_raw_json(limits: Limits, value: Value) -> bytes:
    """Without escapes for HTML."""
    return _must(limits, value, _ESCAPES, "")


def _must(limits: Limits, value: Value, escapes: dict[int, str], indent: str) -> bytes:
    try:
        return _encoded(limits, value, escapes, indent)
    except _NoJson as error:
        raise failed(f"json: unsupported value: {error}") from error


def _encoded(limits: Limits, value: Value, escapes: dict[int, str], indent: str) -> bytes:
    out: list[str] = []
    _write(limits, out, value, escapes, indent, 0)
    return "".join(out).encode()


def _write(limits: Limits, out: list[str], value: Value, escapes: dict[int, str], indent: str, depth: int) -> None:
    limits.step(3)
    if depth > VALUE_DEPTH:
        raise EvaluationError("limit", f"a value in a value, more than {VALUE_DEPTH} deep")
    if not isinstance(value, (Slice, Map)) or value.nil:
        out.append(_scalar(value, escapes))
        limits.make(len(out[-1]))
        return
    entries: list[tuple[bytes | None, Value]]
    if isinstance(value, Map):
        entries = [(key, value.items[key]) for key in sorted(value.items)]
    else:
        entries = [(None, each) for each in value.items]
    limits.make(64 + len(indent) * (depth + 2) * len(entries))
    out.append("{" if isinstance(value, Map) else "[")
    for position, (key, each) in enumerate(entries):
        out.append(("," if position else "") + (f"\n{indent * (depth + 1)}" if indent else ""))
        if key is not None:
            out.append(_string(key, escapes) + (": " if indent else ":"))
            limits.make(len(out[-1]))
        _write(limits, out, each, escapes, indent, depth + 1)
    out.append((f"\n{indent * depth}" if indent and entries else "") + ("}" if isinstance(value, Map) else "]"))


def _scalar(value: Value, escapes: dict[int, str]) -> str:
    if isinstance(value, bytes):
        return _string(value, escapes)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, SemVer):
        return _string(value.text, escapes)
    if isinstance(value, complex):
        raise _NoJson("complex128")
    return "null"


def _string(text: bytes, escapes: dict[int, str]) -> str:
    return f'"{text.decode("utf-8", "surrogateescape").translate(escapes)}"'


def _number(value: float) -> str:
    """As JavaScript prints it."""
    if not math.isfinite(value):
        raise _NoJson(str(value))
    sign, digits, exponent = decimal_digits(value)
    if value and not -7 < exponent < 21:
        return f"{sign}{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}e{exponent:+d}".replace("e-0", "e-")
    return sign + plain(digits, exponent)


def must_from_json(limits: Limits, text: bytes) -> Value:
    """Numbers are float64."""
    # A value takes far more room than its text.
    limits.make(32 * len(text))
    limits.step(2 * len(text))
    try:
        return _value(json.loads(runes(text), parse_constant=_refuse, parse_int=_float, parse_float=_float))
    except ValueError as error:
        raise failed(f"fromJson: {error}") from error
    except RecursionError as error:
        raise EvaluationError("limit", "fromJson: nests too deep") from error


def from_json(limits: Limits, text: bytes) -> Value:
    try:
        return must_from_json(limits, text)
    except EvaluationError as error:
        if error.kind == "limit":
            raise
        return None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _float(text: str) -> float:
    number = parse_float(text)
    if number is None:
        raise ValueError(f"{text[:20]} is out of range")
    return number


def _value(found: object) -> Value:
    if isinstance(found, str):
        return go_string(found)
    if isinstance(found, list):
        return Slice([_value(each) for each in found], LIST)
    if isinstance(found, dict):
        return Map({go_string(key): _value(each) for key, each in found.items()})
    assert found is None or isinstance(found, (bool, float))
    return found
