"""index, len, call: what text/template itself has for collections."""

from __future__ import annotations

from hpccompat.rules.template.limits import Limits, failed
from hpccompat.rules.template.values import Map, Slice, Uint8, Value, type_name, zero_of_values


def index(limits: Limits, value: Value, *keys: Value) -> Value:
    if value is None:
        raise failed("index of untyped nil")
    for key in keys:
        limits.step()
        if isinstance(value, Map):
            if not isinstance(key, bytes):
                raise failed(f"index: value has type {type_name(key)}; should be string")
            value = value.items[key] if key in value.items else zero_of_values(value)
        elif isinstance(value, (Slice, bytes)):
            if not isinstance(key, int) or isinstance(key, bool):
                raise failed(f"cannot index slice/array with type {type_name(key)}")
            sequence = value.items if isinstance(value, Slice) else value
            if not 0 <= key < len(sequence):
                raise failed(f"index out of range: {key}")
            value = Uint8(value[key]) if isinstance(value, bytes) else value.items[key]
        else:
            raise failed(f"can't index item of type {type_name(value)}")
    return value


def length(value: Value) -> int:
    if isinstance(value, (Slice, Map)):
        return len(value.items)
    if isinstance(value, bytes):
        return len(value)
    raise failed(f"len of type {type_name(value)}")


def call(value: Value, *arguments: Value) -> Value:
    """No value of a template is a function."""
    raise failed(f"non-function of type {type_name(value)} with {len(arguments)} arguments")
