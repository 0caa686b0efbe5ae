"""The functions of templates, one row each (text/template, "Functions")."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hpccompat.errors import EvaluationError
from hpccompat.rules.template.values import Domains, Element, FeatureElements, Value, zero_of_values


def _index(*arguments: Value) -> Value:
    if not arguments:
        raise EvaluationError("template-exec", "index needs something to index")
    value, *keys = arguments
    for key in keys:
        if isinstance(value, (Element, FeatureElements, Domains)):
            if not isinstance(key, str):
                raise EvaluationError("template-exec", f"index: {key!r} is not the key of a map")
            value = value[key] if key in value else zero_of_values(value)
        elif isinstance(value, (list, str)):
            if not isinstance(key, int):
                raise EvaluationError("template-exec", f"index: {key!r} is not a number")
            sequence = value.encode() if isinstance(value, str) else value
            if not 0 <= key < len(sequence):
                raise EvaluationError("template-exec", f"index: {key} is out of range")
            value = sequence[key]
        else:
            raise EvaluationError("template-exec", "index of something that has no elements")
    return value


def _len(*arguments: Value) -> Value:
    if len(arguments) != 1:
        raise EvaluationError("template-exec", f"len takes one value, not {len(arguments)}")
    (value,) = arguments
    if value is None or isinstance(value, int):
        raise EvaluationError("template-exec", "len of something that has no length")
    return len(value.encode()) if isinstance(value, str) else len(value)


FUNCTIONS: Mapping[str, Callable[..., Value]] = {"index": _index, "len": _len}
