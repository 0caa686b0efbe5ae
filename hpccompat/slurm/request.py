"""What a job asks for: Slurm's own account of it, and our #COMPAT lines (pure).

`sbatch -v --test-only` prints the merge of command line, environment and #SBATCH lines as "defined
options", one block for each component of a heterogeneous job.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hpccompat.errors import SlurmError

_LINE = re.compile(r"sbatch: ([a-z][a-z0-9-]*) *: ?(.*)")
_ALMOST = re.compile(r"\s*#+\s*COMPAT\b", re.IGNORECASE)
_COMPAT = re.compile(r"#COMPAT\s+(image|spec|tag)\s*=\s*(.*)")


@dataclass(frozen=True)
class JobRequest:
    """Of one component. `exclude` and `nodelist` are hostlists, `partitions` empty for the default one. `one_node`: it
    asks for at most one; without a number of nodes Slurm may spread the tasks over several."""

    constraint: str = ""
    prefer: str = ""
    exclude: str = ""
    nodelist: str = ""
    partitions: tuple[str, ...] = ()
    clusters: str = ""
    min_nodes: int = 1
    one_node: bool = False
    comment: str = ""


def defined_options(stderr: str) -> tuple[JobRequest, ...]:
    """The components that `sbatch -v --test-only` reports; none where Slurm stopped before it got there.

    Raises SlurmError for a block that can't be trusted (an option twice: a value with a line break in it).
    """
    components = []
    block: dict[str, str] | None = None
    lines = stderr.splitlines()
    if lines.count("sbatch: defined options") != lines.count("sbatch: end of defined options"):
        raise SlurmError("Slurm's report of the request is not whole; does a value hold a line break?")
    for line in lines:
        if line == "sbatch: defined options":
            block = {}
        elif line == "sbatch: end of defined options" and block is not None:
            components.append(_request(block))
            block = None
        elif block is not None and (match := _LINE.fullmatch(line)):
            name, value = match.groups()
            if name in block:
                raise SlurmError(f"Slurm reports the option {name!r} twice; does a value hold a line break?")
            block[name] = value.strip()
    return tuple(components)


def _request(block: Mapping[str, str]) -> JobRequest:
    nodes = re.match(r"[0-9]+", block.get("nodes", ""))
    return JobRequest(
        block.get("constraint", ""),
        block.get("prefer", ""),
        block.get("exclude", ""),
        block.get("nodelist", ""),
        tuple(filter(None, block.get("partition", "").split(","))),
        block.get("clusters", ""),
        int(nodes.group()) if nodes else 1,
        block.get("nodes", "") in ("1", "1-1"),
        block.get("comment", ""),
    )


@dataclass(frozen=True)
class CompatLines:
    """`values`: key -> values in their order. `unread`: lines that look like ours, and can't be read."""

    values: Mapping[str, tuple[str, ...]]
    unread: tuple[str, ...] = ()


def compat_lines(script: str) -> CompatLines:
    """The `#COMPAT key=value` lines of a job script, where Slurm would read #SBATCH lines: up to the first
    line that is neither blank nor a comment."""
    found: dict[str, list[str]] = {}
    unread = []
    for line in script.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            break
        match = _COMPAT.fullmatch(line.rstrip())
        if match:
            found.setdefault(match.group(1), []).append(match.group(2).strip().strip("\"'"))
        elif _ALMOST.match(line):
            unread.append(line.strip())
    return CompatLines({key: tuple(values) for key, values in found.items()}, tuple(unread))
