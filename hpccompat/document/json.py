"""JSON to a tree, for texts of our own making: without places, and without the YAML library."""

from __future__ import annotations

import json

from hpccompat.document.tree import Mapping, Node, Scalar, Sequence
from hpccompat.errors import DocumentError


def parse(text: str | bytes) -> Node:
    """Raises DocumentError of kind `yaml-syntax`."""
    try:
        return _node(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise DocumentError("yaml-syntax", f"not JSON: {error}") from error


def _node(value: object) -> Node:
    if isinstance(value, dict):
        return Mapping({key: _node(each) for key, each in value.items()}, 0, 0)
    if isinstance(value, list):
        return Sequence(tuple(map(_node, value)), 0, 0)
    if value is None or isinstance(value, (bool, int, float)):
        return Scalar(value, 0, 0, json.dumps(value))
    text = str(value)
    return Scalar(text, 0, 0, text, quoted=True)
