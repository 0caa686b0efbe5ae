"""The JSON Schema of a compatibility spec (NFD, image compatibility v1alpha1): what one should look like.

Stricter than NFD, which ignores keys that it doesn't know and turns numbers into text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from hpccompat.document.tree import Path
from hpccompat.rules.operators import OPERATORS


def _object(properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT = {"type": "string"}
# Numbers and booleans become text in NFD; lint tells where that changes them.
_SCALAR = {"type": ["string", "number", "boolean"]}
_EXPRESSION = _object({"op": {"enum": list(OPERATORS)}, "value": _list(_SCALAR), "type": {"enum": ["", "version"]}})
_TERMS = _list(
    _object(
        {
            "feature": _TEXT,
            "matchExpressions": {"type": "object", "additionalProperties": _EXPRESSION},
            "matchName": _EXPRESSION,
        },
        ("feature",),
    )
)
_RULE = _object(
    {
        "name": _TEXT,
        "vars": {"type": "object", "additionalProperties": _SCALAR},
        "varsTemplate": _TEXT,
        "matchFeatures": _TERMS,
        "matchAny": _list(_object({"matchFeatures": _TERMS}, ("matchFeatures",))),
    },
    ("name",),
)
_SET = _object({"description": _TEXT, "tag": _TEXT, "weight": {"type": "integer"}, "rules": _list(_RULE)}, ("rules",))
SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "NFD image compatibility specification, v1alpha1",
    **_object(
        {"version": {"enum": ["v1alpha1"]}, "compatibilities": {**_list(_SET), "minItems": 1}},
        ("version", "compatibilities"),
    ),
}


def violations(data: object) -> Iterator[tuple[Path, str]]:
    """(path, what is wrong) of a decoded document."""
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(SCHEMA).iter_errors(data):
        path: Path = tuple(error.absolute_path)
        if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
            known = error.schema["properties"]
            for key in error.instance:
                if key not in known:
                    close = difflib.get_close_matches(key, known, 1, 0.6)
                    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
                    yield (*path, key), f"unknown key, which NFD ignores; {hint}"
        elif error.validator == "enum":
            values = ", ".join(repr(each) for each in error.validator_value if each)
            close = difflib.get_close_matches(
                str(error.instance), [str(each) for each in error.validator_value if each], 1
            )
            yield (
                path,
                f"{error.instance!r} is not {'one of ' if ',' in values else ''}{values}"
                + (f"; did you mean {close[0]}?" if close else ""),
            )
        else:
            yield path, error.message
