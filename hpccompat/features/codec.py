"""Features to and from NFD's JSON form:

{"flags": {SET: {"elements": {NAME: {}}}}, "attributes": {SET: {"elements": {NAME: VALUE}}},
 "instances": {SET: {"elements": [{"attributes": {NAME: VALUE}}]}}}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from hpccompat.errors import FeaturesError
from hpccompat.features.model import Features

T = TypeVar("T")


def load_features(mapping: object) -> Features:
    """Reads NFD Features JSON, decoded (`json.load`), as Go's encoding/json fills NFD's struct.

    Keys of the struct match in any case, `null` is the empty value, unknown keys are ignored.
    Raises FeaturesError of kind `spec-type` naming the place.
    """
    top = _struct(mapping, "")
    return Features(
        _sets(top, "flags", _flags),
        _sets(top, "attributes", _attributes),
        {name: value for name, value in _sets(top, "instances", _instances).items() if value is not None},
    )


def dump_features(features: Features) -> dict[str, object]:
    """NFD's JSON form, keys in order."""
    return {
        "flags": {
            name: {"elements": None if names is None else {each: {} for each in sorted(names)}}
            for name, names in sorted(features.flags.items())
        },
        "attributes": {
            name: {"elements": None if values is None else dict(sorted(values.items()))}
            for name, values in sorted(features.attributes.items())
        },
        "instances": {
            name: {"elements": [{"attributes": dict(sorted(each.items()))} for each in elements]}
            for name, elements in sorted(features.instances.items())
        },
    }


def _sets(top: Mapping[str, object], kind: str, read: Callable[[object, str], T]) -> dict[str, T]:
    sets = _mapping(_field(top, kind), kind) or {}
    return {
        name: read(_field(_struct(value, f"{kind}.{name}"), "elements"), f"{kind}.{name}.elements")
        for name, value in sets.items()
    }


def _flags(value: object, path: str) -> frozenset[str] | None:
    elements = _mapping(value, path)
    if elements is None:
        return None
    for name, nothing in elements.items():
        _mapping(nothing, f"{path}.{name}")
    return frozenset(elements)


def _attributes(value: object, path: str) -> dict[str, str] | None:
    elements = _mapping(value, path)
    if elements is None:
        return None
    return {name: _string(each, f"{path}.{name}") for name, each in elements.items()}


def _instances(value: object, path: str) -> tuple[dict[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise FeaturesError("spec-type", f"must be a list, not {_noun(value)}", path)
    return tuple(
        _attributes(_field(_struct(each, f"{path}[{position}]"), "attributes"), f"{path}[{position}].attributes") or {}
        for position, each in enumerate(value)
    )


def _struct(value: object, path: str) -> Mapping[str, object]:
    return _mapping(value, path) or {}


def _field(struct: Mapping[str, object], name: str) -> object:
    """The field as encoding/json finds it: the last key that equals it in any case."""
    from hpccompat.document.fields import folded  # the collector, which reads none, does without

    return next((value for key, value in reversed(list(struct.items())) if folded(key) == name), None)


def _mapping(value: object, path: str) -> Mapping[str, object] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise FeaturesError("spec-type", f"must be a mapping, not {_noun(value)}", path)
    return {_string(key, path): each for key, each in value.items()}


def _string(value: object, path: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FeaturesError("spec-type", f"must be a string, not {_noun(value)}", path)
    # Go's encoding/json reads half of a surrogate pair as the replacement character; UTF-8 can't hold it.
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _noun(value: object) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), type(value).__name__)
