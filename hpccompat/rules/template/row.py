"""A row of the table of functions: the Go types of the parameters, and what is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hpccompat.rules.template.limits import Limits
from hpccompat.rules.template.values import Value

# Limits, then the values; they have the types that the row says.
Implementation = Callable[..., Value]
TYPES = ("any", "value", "string", "int", "bool", "float", "dict", "version")


@dataclass(frozen=True)
class Row:
    """`rest` is the type of any number of further arguments, "" where there can be none."""

    call: Implementation
    parameters: tuple[str, ...] = ()
    rest: str = ""


def row(call: Implementation, types: str = "") -> Row:
    """`types` like "string int any...", the last with dots if it may be repeated or left out."""
    words = types.split()
    rest = words.pop()[:-3] if words and words[-1].endswith("...") else ""
    assert all(each in TYPES for each in (*words, rest or "any"))
    return Row(call, tuple(words), rest)


def simple(call: Callable[..., Value]) -> Implementation:
    """A function that costs next to nothing, and so needs no limits."""

    def without_limits(_: Limits, *values: Value) -> Value:
        return call(*values)

    return without_limits
