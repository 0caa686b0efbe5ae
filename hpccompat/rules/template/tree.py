"""A parsed template (text/template/parse has the same nodes)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Text:
    text: bytes


@dataclass(frozen=True)
class Break:
    """`break`, or with `again` a `continue`."""

    again: bool


@dataclass(frozen=True)
class Number:
    """A literal number. What it may stand for depends on the parameter that it is given to: 1.0 is an integer too."""

    text: str
    ideal: int | float | complex | None
    integer: int | None
    real: float | None


@dataclass(frozen=True)
class Constant:
    """`true`, `false`, or a string."""

    value: bool | bytes


@dataclass(frozen=True)
class Nil:
    pass


@dataclass(frozen=True)
class Dot:
    pass


@dataclass(frozen=True)
class Field:
    """`.a.b`."""

    names: tuple[bytes, ...]


@dataclass(frozen=True)
class Variable:
    """`$x`, or `$x.a.b`."""

    name: str
    names: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Function:
    name: str


@dataclass(frozen=True)
class Chain:
    """`(pipeline).a.b`."""

    base: Operand
    names: tuple[bytes, ...]


@dataclass(frozen=True)
class Pipeline:
    """Commands, each a first operand and its arguments. `assigns` tells `=` from `:=`."""

    commands: tuple[tuple[Operand, ...], ...]
    variables: tuple[str, ...] = ()
    assigns: bool = False


Operand: TypeAlias = "Number | Constant | Nil | Dot | Field | Variable | Function | Chain | Pipeline"


@dataclass(frozen=True)
class Action:
    """`{{pipeline}}`; with variables it declares or sets them and prints nothing."""

    pipeline: Pipeline


@dataclass(frozen=True)
class Branch:
    """`range`, `with` or `if`, with what stands under `else`."""

    keyword: str
    pipeline: Pipeline
    body: Block
    otherwise: Block = ()


@dataclass(frozen=True)
class Call:
    """`{{template "name" pipeline}}`."""

    name: str
    pipeline: Pipeline | None


Node: TypeAlias = "Text | Break | Action | Branch | Call"
Block: TypeAlias = "tuple[Node, ...]"


@dataclass(frozen=True)
class Template:
    """The main block, and what `define` and `block` name."""

    main: Block
    named: dict[str, Block] = field(default_factory=dict)
