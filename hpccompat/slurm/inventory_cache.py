"""The inventory for those who submit: the publisher's snapshot, else their own of the last minute, else asked for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from hpccompat.errors import SlurmError
from hpccompat.nodes.generation import replace_text
from hpccompat.slurm.inventory import Inventory, read_inventory

FILE = "inventory.json"
# Seconds that a snapshot is taken for what is.
FRESH = 60.0
# Bytes of a snapshot: 10,000 nodes have less than a hundredth of it.
_SIZE = 256 * 2**20
_VERSION = 1


def current_inventory(
    store: Path, cache: Path | None, now: float, by: str = "scontrol", refresh: bool = False
) -> tuple[Inventory, str]:
    """The inventory, and a remark on where it is from ("" for none). `cache`: a file of the user's own, see
    `own_cache`. `by`: who is asked, `scontrol` or `pyslurm`. `refresh`: ask in any case.

    Raises SlurmError."""
    if not refresh:
        found = _of_file(store / FILE, now, None) or (_of_file(cache, now, os.getuid()) if cache else None)
        if found is not None:
            return found, ""
    inventory, remark = ask_by(by)
    if cache is not None:
        with contextlib.suppress(OSError):  # the next one asks again
            cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _own(os.stat(cache.parent), os.getuid()):
                replace_text(cache, dump_inventory(inventory, now), 0o600)
    return replace(inventory, at=now), remark


def ask_by(by: str) -> tuple[Inventory, str]:
    """The inventory asked for, and a remark where another way had to be taken. Raises SlurmError."""
    if by == "pyslurm":
        from hpccompat.slurm.inventory_pyslurm import load

        try:
            return load(), ""
        except SlurmError as error:
            return read_inventory(), f"{error}; scontrol was asked instead"
    return read_inventory(), ""


def own_cache(environment: Callable[[str], str | None] = os.environ.get) -> Path | None:
    """The user's own file for the cluster that the environment leads to; None without a home."""
    home = environment("HOME")
    folder = environment("XDG_CACHE_HOME") or (os.path.join(home, ".cache") if home else "")
    if not os.path.isabs(folder):
        return None
    cluster = "\0".join(environment(each) or "" for each in ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_CONF_SERVER"))
    return Path(folder) / "hpccompat" / f"inventory-{hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]}.json"


def _own(found: os.stat_result, owner: int) -> bool:
    return found.st_uid == owner and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _of_file(path: Path, now: float, owner: int | None) -> Inventory | None:
    """The snapshot, if it is young and whole; with `owner`, if file and folder are this user's alone."""
    try:
        if owner is not None and not _own(os.lstat(path.parent), owner):
            return None
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            about = os.fstat(opened.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_size > _SIZE:
                return None
            if owner is not None and not _own(about, owner):
                return None
            found = load_inventory(opened.read())
    except OSError:
        return None
    # A clock that differs by a little makes a snapshot one of the future.
    if found is None or not -FRESH < now - found[1] <= FRESH:
        return None
    return replace(found[0], at=found[1])


def dump_inventory(inventory: Inventory, at: float) -> str:
    """As one line of JSON: nodes that are alike in state and features stand together."""
    groups: dict[tuple[str, tuple[str, ...] | None, tuple[str, ...] | None], list[str]] = {}
    for node, state in sorted(inventory.states.items()):
        groups.setdefault((state, inventory.available.get(node), inventory.active.get(node)), []).append(node)
    top = {
        "version": _VERSION,
        "at": at,
        "nodes": [[state, available, active, names] for (state, available, active), names in groups.items()],
        "partitions": {name: sorted(nodes) for name, nodes in inventory.partitions.items()},
        "default": inventory.default_partition,
        "changeable": inventory.changeable,
    }
    return json.dumps(top, separators=(",", ":")) + "\n"


def load_inventory(text: bytes) -> tuple[Inventory, float] | None:
    """The inventory and its time; None for anything that is not a whole snapshot of this version with a node."""
    try:
        top = json.loads(text)
        if top["version"] != _VERSION:
            return None
        states: dict[str, str] = {}
        available: dict[str, tuple[str, ...]] = {}
        active: dict[str, tuple[str, ...]] = {}
        for state, has, on, names in top["nodes"]:
            states.update(dict.fromkeys(_texts(names), str(state)))
            if has is not None:
                available.update(dict.fromkeys(names, _texts(has)))
                active.update(dict.fromkeys(names, _texts(on)))
        members = {str(name): frozenset(_texts(names)) for name, names in top["partitions"].items()}
        found = Inventory(states, members, str(top["default"]), available, active, top["changeable"] is True)
        return (found, float(top["at"])) if states else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    found = tuple(each for each in values if isinstance(each, str))
    if isinstance(values, str) or len(found) != len(list(values)):
        raise TypeError("texts")
    return found
