"""Emptiness and choice (sprig, "Default Functions"), types (sprig, "Reflection Functions") and flow."""

from __future__ import annotations

from hpccompat.errors import EvaluationError
from hpccompat.rules.template.limits import VALUE_DEPTH, Limits, failed
from hpccompat.rules.template.values import Map, SemVer, Slice, Value, kind_name, runes, truth, type_name


def empty(value: Value) -> bool:
    """0, "", false, nil, and what has no elements; a version never is."""
    return not isinstance(value, SemVer) and not truth(value)


def default(fallback: Value, *given: Value) -> Value:
    return fallback if not given or empty(given[0]) else given[0]


def coalesce(*values: Value) -> Value:
    return next((each for each in values if not empty(each)), None)


def all_of(*values: Value) -> bool:
    return not any(empty(each) for each in values)


def any_of(*values: Value) -> bool:
    return not all(empty(each) for each in values)


def ternary(yes: Value, no: Value, condition: bool) -> Value:
    return yes if condition else no


def fail(message: bytes) -> Value:
    raise failed(runes(message))


def hello() -> bytes:
    return b"Hello!"


def type_of(value: Value) -> bytes:
    return type_name(value).encode()


def kind_of(value: Value) -> bytes:
    return kind_name(value).encode()


def type_is(name: bytes, value: Value) -> bool:
    return name == type_of(value)


def type_is_like(name: bytes, value: Value) -> bool:
    return type_of(value) in (name, b"*" + name)


def kind_is(name: bytes, value: Value) -> bool:
    return name == kind_of(value)


def deep_equal(limits: Limits, first: Value, second: Value) -> bool:
    """reflect.DeepEqual: the same types all the way down; a nil list is not an empty one."""
    return _equal(limits, first, second, 0)


def _equal(limits: Limits, first: Value, second: Value, depth: int) -> bool:
    limits.step(3)
    if depth > VALUE_DEPTH:
        raise EvaluationError("limit", f"a value in a value, more than {VALUE_DEPTH} deep")
    if type(first) is not type(second):
        return False
    if isinstance(first, Slice) and isinstance(second, Slice):
        if first.type != second.type or first.nil != second.nil or len(first.items) != len(second.items):
            return False
        pairs = zip(first.items, second.items, strict=True)
        return all(_equal(limits, mine, other, depth + 1) for mine, other in pairs)
    if isinstance(first, Map) and isinstance(second, Map):
        if first.type != second.type or first.nil != second.nil or first.items.keys() != second.items.keys():
            return False
        return all(_equal(limits, each, second.items[key], depth + 1) for key, each in first.items.items())
    if isinstance(first, bytes):
        limits.step(len(first) >> 10)
    return first == second
