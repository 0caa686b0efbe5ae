"""Dicts (sprig, "Dictionaries and Dict Functions"). They are map[string]interface{}; the maps that come from a node
are of other types, and no dict function takes them."""

from __future__ import annotations

from hpccompat.errors import EvaluationError
from hpccompat.rules.template.convert import of_list, to_string
from hpccompat.rules.template.defaults import empty
from hpccompat.rules.template.limits import VALUE_DEPTH, Limits, failed
from hpccompat.rules.template.values import STRINGS, Map, SemVer, Slice, Value


def new(limits: Limits, *values: Value) -> Map:
    """Keys and values in turn; a last key without a value gets ""."""
    limits.elements(len(values))
    found: dict[bytes, Value] = {}
    for position in range(0, len(values), 2):
        key = b"<nil>" if values[position] is None else to_string(limits, values[position])
        found[key] = values[position + 1] if position + 1 < len(values) else b""
    return Map(found)


def get(found: Map, key: bytes) -> Value:
    return found.items.get(key, b"")


def set_key(limits: Limits, found: Map, key: bytes, value: Value) -> Map:
    if found.nil:
        raise failed("assignment to entry in nil map")
    limits.elements(1)
    found.items[key] = value
    return found


def unset(found: Map, key: bytes) -> Map:
    found.items.pop(key, None)
    return found


def has_key(found: Map, key: bytes) -> bool:
    return key in found.items


def pluck(limits: Limits, key: bytes, *found: Map) -> Slice:
    limits.elements(len(found))
    return of_list([each.items[key] for each in found if key in each.items])


def keys(limits: Limits, *found: Map) -> Slice:
    """Sorted: Go's order is another one each time."""
    limits.elements(sum(len(each.items) for each in found))
    return Slice([key for each in found for key in sorted(each.items)], STRINGS)


def values(limits: Limits, found: Map) -> Slice:
    limits.elements(len(found.items))
    return of_list([found.items[key] for key in sorted(found.items)])


def pick(limits: Limits, found: Map, *wanted: bytes) -> Map:
    limits.elements(len(wanted))
    return Map({key: found.items[key] for key in wanted if key in found.items})


def omit(limits: Limits, found: Map, *unwanted: bytes) -> Map:
    limits.elements(len(found.items) + len(unwanted))
    without = frozenset(unwanted)
    return Map({key: value for key, value in found.items.items() if key not in without})


def dig(*path: Value) -> Value:
    """Keys, then what to return where one is missing, then the dict."""
    if len(path) < 3:
        raise failed("dig needs at least three arguments")
    *names, fallback, found = path
    if any(not isinstance(each, bytes) for each in names):
        raise failed("dig: a key is no string")
    for name in names:
        if not isinstance(found, Map) or found.type != Map().type:
            raise failed("dig: not a dict")
        assert isinstance(name, bytes)
        if name not in found.items:
            return fallback
        found = found.items[name]
    return found


def merge(limits: Limits, into: Map, *others: Map) -> Value:
    """Adds what is missing or empty; dicts in dicts are merged, too."""
    return _merged(limits, into, others, overwrite=False)


def merge_overwrite(limits: Limits, into: Map, *others: Map) -> Value:
    return _merged(limits, into, others, overwrite=True)


def _merged(limits: Limits, into: Map, others: tuple[Map, ...], overwrite: bool) -> Value:
    for each in others:
        if into.nil and not each.nil:
            into = Map()
        _merge(limits, into, each, overwrite, 0)
    return into


def _merge(limits: Limits, into: Map, other: Map, overwrite: bool, depth: int) -> None:
    if depth > VALUE_DEPTH:
        raise EvaluationError("limit", f"a value in a value, more than {VALUE_DEPTH} deep")
    limits.elements(len(other.items))
    for key, value in list(other.items.items()):
        mine = into.items.get(key)
        if value is None:
            if overwrite:
                into.items[key] = None
            continue
        if isinstance(value, Map) and isinstance(mine, Map):
            if mine is not value:
                _merge(limits, mine, value, overwrite, depth + 1)
            if not empty(mine):
                continue
        if isinstance(value, Slice) and not overwrite and mine is not None and not empty(mine):
            continue
        if overwrite or key not in into.items or empty(mine):
            into.items[key] = value


def deep_copy(limits: Limits, value: Value) -> Value:
    if value is None:
        raise failed("deepCopy: nothing to copy")
    return _copied(limits, value, 0)


def _copied(limits: Limits, value: Value, depth: int) -> Value:
    if depth > VALUE_DEPTH:
        raise EvaluationError("limit", f"a value in a value, more than {VALUE_DEPTH} deep")
    if isinstance(value, Slice):
        limits.elements(4 * len(value.items))
        return Slice([_copied(limits, each, depth + 1) for each in value.items], value.type, value.nil)
    if isinstance(value, Map):
        limits.elements(4 * len(value.items))
        found = {key: _copied(limits, each, depth + 1) for key, each in value.items.items()}
        return Map(found, value.type, value.nil)
    if isinstance(value, SemVer):
        # Go's copy leaves out fields that are not exported, which are all.
        return SemVer(0, 0, 0, pointer=value.pointer)
    return value
