"""Slurm hostlists (`n[1-3,7],gpu1`) to names and back, by ClusterShell (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hpccompat.errors import UsageError

# Commas and blanks outside brackets.
_BETWEEN = re.compile(r"[\s,]+(?![^\[\]]*\])")


def fold(names: Iterable[str]) -> str:
    """The names as one hostlist, in a stable order; "" for none.

    Only names that end in a digit are folded: to Slurm a bracket ends a name, so that `n[1-2]-ib` is none.
    """
    from ClusterShell.NodeSet import NodeSet

    numbered, others = NodeSet(), []
    for name in sorted(set(names)):
        if name[-1:].isdigit():
            numbered.add(name)
        else:
            others.append(name)
    return ",".join(filter(None, (*others, str(numbered))))


def expand(hostlist: str) -> tuple[str, ...]:
    """The names of a hostlist, as Slurm reads it: commas or blanks part them, also too many. Raises UsageError."""
    from ClusterShell.NodeSet import NodeSet, NodeSetException

    if any(sign in hostlist for sign in "@!&^*?"):
        # ClusterShell would read these as groups, set operations and wildcards; Slurm knows none of them.
        raise UsageError(f"{hostlist!r} is not a hostlist")
    nodes = NodeSet()
    for part in filter(None, _BETWEEN.split(hostlist)):
        try:
            nodes.add(part)
        except NodeSetException as error:
            raise UsageError(f"{hostlist!r} is not a hostlist: {error}") from error
    return tuple(nodes)
