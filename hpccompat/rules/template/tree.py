"""A parsed template (Go's text/template/parse has the same nodes under the same names)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Literal:
    value: str | int


@dataclass(frozen=True)
class Field:
    """`.a.b` has no variable; `$x.a` has; `.` and `$x` have no names."""

    variable: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple[Operand, ...]


Operand: TypeAlias = "Literal | Field | Call"


@dataclass(frozen=True)
class Action:
    """`{{pipeline}}`; with variables it declares them and prints nothing."""

    variables: tuple[str, ...]
    value: Operand


@dataclass(frozen=True)
class Branch:
    """`range`, `with` or `if`, with what stands under `else`."""

    keyword: str
    variables: tuple[str, ...]
    value: Operand
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Node: TypeAlias = "Text | Action | Branch"
