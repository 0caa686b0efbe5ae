"""Slurm hostlists (`n[1-3,7],gpu1`) to names and back, by ClusterShell (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from hpccompat.errors import UsageError


def fold(names: Iterable[str]) -> str:
    """The names as one hostlist, in a stable order; "" for none."""
    from ClusterShell.NodeSet import NodeSet

    nodes = NodeSet()
    nodes.updaten(names)
    return str(nodes)


def expand(hostlist: str) -> tuple[str, ...]:
    """The names of a hostlist. Raises UsageError."""
    from ClusterShell.NodeSet import NodeSet, NodeSetException

    if any(sign in hostlist for sign in "@!&^*?"):
        # ClusterShell would read these as groups, set operations and wildcards; Slurm knows none of them.
        raise UsageError(f"{hostlist!r} is not a hostlist")
    try:
        return tuple(NodeSet(hostlist))
    except NodeSetException as error:
        raise UsageError(f"{hostlist!r} is not a hostlist: {error}") from error
