"""Reading a tree into types: each function takes a node and its path, and says what is wrong where.

As Go's encoding/json does it: null stands for an absent value, unknown fields are ignored, a field's
name matches in any case and the exact name wins.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from hpccompat.document.scalar import as_string
from hpccompat.document.tree import Mapping, Node, Scalar, Sequence
from hpccompat.errors import DocumentError

T = TypeVar("T")


def mapping(node: Node | None, path: str) -> dict[str, Node] | None:
    if is_null(node):
        return None
    if not isinstance(node, Mapping):
        raise wrong_type(node, path, "a mapping")
    return node.entries


def sequence(node: Node | None, path: str, read: Callable[[Node, str], T]) -> tuple[T, ...] | None:
    if is_null(node):
        return None
    if not isinstance(node, Sequence):
        raise wrong_type(node, path, "a list")
    return tuple(read(item, f"{path}[{position}]") for position, item in enumerate(node.items))


def string(node: Node | None, path: str) -> str:
    if is_null(node):
        return ""
    if not isinstance(node, Scalar):
        raise wrong_type(node, path, "a string")
    return as_string(node.value)


def integer(node: Node | None, path: str) -> int:
    """A whole number; 5.0 and 1e2 are whole, "5" is a string."""
    if is_null(node):
        return 0
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong_type(node, path, "a whole number")
    if not math.isfinite(value):
        # Go fails earlier than that: there is no such number in the JSON that it makes of the YAML.
        raise wrong_type(node, path, "a finite number", "yaml-syntax")
    if value != value // 1 or not -(2**63) <= value < 2**63:
        raise wrong_type(node, path, "a whole number of 64 bits")
    return int(value)


def field(entries: dict[str, Node], name: str) -> Node | None:
    """The value of a struct's field: its exact name, or else the last key (in the order of the keys,
    which sigs.k8s.io/yaml sorts) that differs only in case."""
    if name in entries:
        return entries[name]
    wanted = folded(name)
    return next((entries[key] for key in sorted(entries, reverse=True) if folded(key) == wanted), None)


def folded(key: str) -> str:
    """Case folding of Go's encoding/json, to which ſ is an s and the Kelvin sign a k."""
    return key.replace("ſ", "s").replace("\N{KELVIN SIGN}", "k").lower()


def is_null(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and node.value is None)


def wrong_type(node: Node | None, path: str, wanted: str, kind: str = "spec-type") -> DocumentError:
    if node is None:
        return DocumentError(kind, f"must be {wanted}", path)
    return DocumentError(kind, f"must be {wanted}, not {node.noun()}", path, node.line, node.column)
