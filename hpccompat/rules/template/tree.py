"""A parsed template (text/template/parse has the same nodes).

Named tuples: they load in a third of the time of dataclasses, and submissions wait for it.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias


class Text(NamedTuple):
    text: bytes


class Break(NamedTuple):
    """`break`, or with `again` a `continue`."""

    again: bool


class Number(NamedTuple):
    """A literal number. What it may stand for depends on the parameter that it is given to: 1.0 is an integer too."""

    text: str
    ideal: int | float | complex | None
    integer: int | None
    real: float | None


class Constant(NamedTuple):
    """`true`, `false`, or a string."""

    value: bool | bytes


class Nil(NamedTuple):
    pass


class Dot(NamedTuple):
    pass


class Field(NamedTuple):
    """`.a.b`."""

    names: tuple[bytes, ...]


class Variable(NamedTuple):
    """`$x`, or `$x.a.b`."""

    name: str
    names: tuple[bytes, ...] = ()


class Function(NamedTuple):
    name: str


class Chain(NamedTuple):
    """`(pipeline).a.b`."""

    base: Operand
    names: tuple[bytes, ...]


class Pipeline(NamedTuple):
    """Commands, each a first operand and its arguments. `assigns` tells `=` from `:=`."""

    commands: tuple[tuple[Operand, ...], ...]
    variables: tuple[str, ...] = ()
    assigns: bool = False


Operand: TypeAlias = "Number | Constant | Nil | Dot | Field | Variable | Function | Chain | Pipeline"


class Action(NamedTuple):
    """`{{pipeline}}`; with variables it declares or sets them and prints nothing."""

    pipeline: Pipeline


class Branch(NamedTuple):
    """`range`, `with` or `if`, with what stands under `else`."""

    keyword: str
    pipeline: Pipeline
    body: Block
    otherwise: Block = ()


class Call(NamedTuple):
    """`{{template "name" pipeline}}`."""

    name: str
    pipeline: Pipeline | None


Node: TypeAlias = "Text | Break | Action | Branch | Call"
Block: TypeAlias = "tuple[Node, ...]"


class Template(NamedTuple):
    """The main block, and what `define` and `block` name."""

    main: Block
    named: dict[str, Block]
