"""Comparison and negation (text/template, "Functions"): two values of different basic types are an error."""

from __future__ import annotations

from hpccompat.rules.template.limits import failed
from hpccompat.rules.template.values import Map, SemVer, Slice, Value, kind_name, truth, type_name

_NONE = ""
_INTEGERS = ("int", "int64", "uint8", "uint64")


def basic_kind(value: Value) -> str:
    """Signed and unsigned integers are compared with each other; what is not of a basic type has none."""
    kind = kind_name(value)
    if kind in _INTEGERS:
        return "integer"
    return kind if kind in ("bool", "float64", "complex128", "string") else _NONE


def equal(first: Value, *others: Value) -> bool:
    """Whether it equals one of the others."""
    if not others:
        raise failed("eq: missing argument for comparison")
    return any(_equal(first, each) for each in others)


def _equal(first: Value, second: Value) -> bool:
    kind = basic_kind(first)
    if kind != basic_kind(second):
        if first is None or second is None:
            return False
        raise failed(f"incompatible types for comparison: {type_name(first)} and {type_name(second)}")
    if kind:
        return first == second
    if first is not None and second is not None and kind_name(first) != kind_name(second):
        raise failed(f"non-comparable types {type_name(first)} and {type_name(second)}")
    if _is_nil(first) or _is_nil(second):
        return _is_nil(first) == _is_nil(second)
    if isinstance(second, (Slice, Map)):
        raise failed(f"non-comparable type {type_name(second)}")
    # Pointers: one and the same.
    return first is second if isinstance(first, SemVer) and first.pointer else first == second


def _is_nil(value: Value) -> bool:
    return value is None or (isinstance(value, (Slice, Map)) and value.nil)


def not_equal(first: Value, second: Value) -> bool:
    return not equal(first, second)


def less(first: Value, second: Value) -> bool:
    kind, other = basic_kind(first), basic_kind(second)
    if not kind or not other:
        raise failed("invalid type for comparison")
    if kind != other:
        raise failed(f"incompatible types for comparison: {type_name(first)} and {type_name(second)}")
    if isinstance(first, bytes) and isinstance(second, bytes):
        return first < second
    if isinstance(first, (bool, complex, bytes)) or isinstance(second, (bool, complex, bytes)):
        raise failed("invalid type for comparison")
    assert isinstance(first, (int, float))
    assert isinstance(second, (int, float))
    return first < second


def less_or_equal(first: Value, second: Value) -> bool:
    return less(first, second) or equal(first, second)


def greater(first: Value, second: Value) -> bool:
    return not less_or_equal(first, second)


def greater_or_equal(first: Value, second: Value) -> bool:
    return not less(first, second)


def negation(value: Value) -> bool:
    return not truth(value)
