"""The inventory by pyslurm, where the site has the one that fits its Slurm."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from hpccompat.errors import SlurmError, UsageError
from hpccompat.nodes.hostlist import expand
from hpccompat.slurm.inventory import Inventory, is_changeable, show


def load(module: Callable[[], Any] = lambda: importlib.import_module("pyslurm")) -> Inventory:
    """Raises SlurmError, also for an empty answer, and where pyslurm is missing or made for another Slurm."""
    try:
        pyslurm = module()
        nodes, partitions = _values(pyslurm.Nodes.load()), _values(pyslurm.Partitions.load())
        states = {str(node.name): str(node.state or "") for node in nodes}
        available = {str(node.name): tuple(map(str, node.available_features or ())) for node in nodes}
        active = {str(node.name): tuple(map(str, node.active_features or ())) for node in nodes}
        members = {str(each.name): frozenset(expand(str(each.nodes or ""))) for each in partitions}
        default = "".join(str(each.name) for each in partitions if each.is_default)
    except UsageError as error:
        raise SlurmError(f"pyslurm: {error}") from error
    except Exception as error:  # whatever a library for another Slurm does: there is scontrol
        raise SlurmError(f"pyslurm can't be used: {type(error).__name__}: {error}") from error
    for names in members.values():
        for name in names:
            states.setdefault(name, "")
    if not states:
        raise SlurmError("pyslurm shows no nodes")
    # Its way to the configuration has changed with every release; scontrol's has not.
    return Inventory(states, members, default, available, active, is_changeable(show("config")))


def _values(found: Any) -> list[Any]:
    """The objects of a mapping by name; in later releases, one by cluster and name, whose `values` are the same."""
    values: Iterable[Any] = found.values()
    return list(values)
