"""A decoded document: scalars, sequences and mappings, each with its place in the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Scalar:
    """`value` has the type that YAML 1.1 gives the `text`: None, bool, int, float or str. `quoted`: by quotes
    or a tag it is text whatever it looks like."""

    value: bool | int | float | str | None
    line: int
    column: int
    text: str = ""
    quoted: bool = False

    def noun(self) -> str:
        if self.value is None:
            return "null"
        if isinstance(self.value, bool):
            return "true or false"
        return "a string" if isinstance(self.value, str) else "a number"


@dataclass(frozen=True)
class Sequence:
    items: tuple[Node, ...]
    line: int
    column: int

    def noun(self) -> str:
        return "a list"


@dataclass(frozen=True)
class Mapping:
    """Keys are strings as Go prints them (`yes:` is the key "true"); of equal keys the last one counts."""

    entries: dict[str, Node]
    line: int
    column: int

    def noun(self) -> str:
        return "a mapping"


Node: TypeAlias = Scalar | Sequence | Mapping
Path: TypeAlias = tuple[str | int, ...]


def as_data(node: Node) -> object:
    """The document as plain Python values."""
    if isinstance(node, Mapping):
        return {key: as_data(each) for key, each in node.entries.items()}
    if isinstance(node, Sequence):
        return [as_data(each) for each in node.items]
    return node.value


def at(node: Node, path: Path) -> Node:
    """The node at the path, or the nearest above it that there is."""
    for step in path:
        if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
            node = node.entries[step]
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            break
    return node


def shown(path: Path) -> str:
    """The path as messages write it: `compatibilities[0].rules[1].name`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
