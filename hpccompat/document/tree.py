"""A decoded document: scalars, sequences and mappings, each with its place in the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Scalar:
    """`value` has the type that YAML 1.1 gives the text: None, bool, int, float or str."""

    value: bool | int | float | str | None
    line: int
    column: int

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
