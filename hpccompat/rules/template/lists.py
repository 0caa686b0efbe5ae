"""Lists (sprig, "Lists and List Functions"). A function returns a new []interface{}, whatever list it was given."""

from __future__ import annotations

from hpccompat.rules.template.convert import integer, items, of_list, strings, to_string
from hpccompat.rules.template.defaults import deep_equal, empty
from hpccompat.rules.template.limits import Limits, failed
from hpccompat.rules.template.values import LIST, LISTS, STRINGS, Slice, Value


def new(limits: Limits, *values: Value) -> Slice:
    limits.elements(len(values))
    return of_list(list(values))


def append(limits: Limits, value: Value, added: Value) -> Slice:
    found = items(value, "append")
    limits.elements(len(found) + 1)
    return of_list([*found, added])


def prepend(limits: Limits, value: Value, added: Value) -> Slice:
    found = items(value, "prepend")
    limits.elements(len(found) + 1)
    return of_list([added, *found])


def concat(limits: Limits, *lists: Value) -> Slice:
    found: list[Value] = []
    for each in lists:
        limits.elements(len(items(each, "concat")))
        found += items(each, "concat")
    return Slice(found, LIST, nil=not found)


def first(value: Value) -> Value:
    found = items(value, "first")
    return found[0] if found else None


def last(value: Value) -> Value:
    found = items(value, "last")
    return found[-1] if found else None


def rest(limits: Limits, value: Value) -> Slice:
    found = items(value, "rest")
    limits.elements(len(found))
    return Slice(found[1:], LIST, nil=not found)


def initial(limits: Limits, value: Value) -> Slice:
    found = items(value, "initial")
    limits.elements(len(found))
    return Slice(found[:-1], LIST, nil=not found)


def reverse(limits: Limits, value: Value) -> Slice:
    found = items(value, "reverse")
    limits.elements(len(found))
    return of_list(found[::-1])


def compact(limits: Limits, value: Value) -> Slice:
    found = items(value, "compact")
    limits.elements(len(found))
    return of_list([each for each in found if not empty(each)])


def uniq(limits: Limits, value: Value) -> Slice:
    kept: list[Value] = []
    for each in items(value, "uniq"):
        if not contains(limits, kept, each):
            kept.append(each)
    return of_list(kept)


def without(limits: Limits, value: Value, *omitted: Value) -> Slice:
    return of_list([each for each in items(value, "without") if not contains(limits, list(omitted), each)])


def has(limits: Limits, value: Value, among: Value) -> bool:
    return among is not None and contains(limits, items(among, "has"), value)


def contains(limits: Limits, found: list[Value], value: Value) -> bool:
    return any(deep_equal(limits, value, each) for each in found)


def slice_of(limits: Limits, value: Value, *bounds: Value) -> Value:
    """`slice`: of a list's own type; nil where the list is empty. More than two bounds are not looked at."""
    if not isinstance(value, Slice):
        raise failed("slice: not a list")
    if not value.items:
        return None
    start = integer(bounds[0]) if bounds else 0
    end = integer(bounds[1]) if len(bounds) > 1 else len(value.items)
    if not 0 <= start <= end <= len(value.items):
        raise failed("slice index out of bounds")
    limits.elements(end - start)
    return Slice(value.items[start:end], value.type)


def chunk(limits: Limits, size: int, value: Value) -> Slice:
    found = items(value, "chunk")
    if size <= 0:
        # Go counts the chunks by a division, and fails where it gets a negative number.
        if size == 0 or not found or (len(found) - 1) // size + 1 < 0:
            raise failed("chunk: the size must be positive")
        return Slice([of_list(list(found))] if len(found) == 1 else [], LISTS)
    limits.elements(2 * len(found))
    return Slice([of_list(found[start : start + size]) for start in range(0, len(found), size)], LISTS)


def sort_alpha(limits: Limits, value: Value) -> Slice:
    """Sorts a list of texts where it is, as Go does: other variables that hold it see it sorted."""
    if not isinstance(value, Slice):
        return Slice([to_string(limits, value)], STRINGS)
    found = strings(limits, value)
    limits.elements(2 * len(found.items))
    texts = [each for each in found.items if isinstance(each, bytes)]
    found.items[:] = sorted(texts)
    return found
