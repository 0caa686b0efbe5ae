"""What sbatch itself understands of a submission: the oracle for our own reader."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hpccompat.nodes.hostlist import expand, fold
from hpccompat.slurm.hostfile import read_hosts
from hpccompat.slurm.request import JobRequest

_LINE = re.compile(r"sbatch: ([a-z][a-z0-9-]*) *: ?(.*)")
# After the report sbatch asks the controller, or finds no other cluster; whatever that says, the request was read.
_WHOLE = re.compile(r"(?:sbatch: )?(?:Job [0-9]+ to start|allocation failure:|error: .* can't be reached now)")


def reported(stderr: str) -> tuple[Mapping[str, str], ...]:
    """The "defined options" that `sbatch -v --test-only` prints, a block for each component of the job; none where it
    rejects the request before it has read all of it."""
    blocks: list[dict[str, str]] = []
    inside = False
    for line in stderr.split("\n"):
        if line == "sbatch: defined options":
            blocks.append({})
            inside = True
        elif line == "sbatch: end of defined options":
            inside = False
        elif inside and (match := _LINE.fullmatch(line)):
            name, value = match.groups()
            assert name not in blocks[-1], f"{name} twice: does a value hold a line break?"
            blocks[-1][name] = "" if value == "(null)" else value
    return tuple(blocks) if _WHOLE.search(stderr) else ()


def of_request(request: JobRequest, folder: str) -> dict[str, object]:
    """A request as it can be compared with `of_report`."""
    nodelist = _names(request.nodefile or request.nodelist, folder, bool(request.nodefile))
    return {
        **{name: getattr(request, name).strip() for name in _PLAIN},
        "exclude": fold(_names(request.exclude, folder)),
        "nodelist": fold(nodelist),
        "partitions": request.partitions,
        # It takes all nodes of its list.
        "nodes": (max(request.min_nodes, len(nodelist)), request.one_node),
    }


def of_report(block: Mapping[str, str], folder: str) -> dict[str, object]:
    file = block.get("nodefile", "")
    nodelist = _names(file or block.get("nodelist", ""), folder, bool(file))
    nodes = re.match(r"[0-9]+", block.get("nodes", ""))
    return {
        **{name: block.get(name, "").strip() for name in _PLAIN},
        "exclude": fold(_names(block.get("exclude", ""), folder)),
        "nodelist": fold(nodelist),
        "partitions": tuple(filter(None, block.get("partition", "").split(","))),
        "nodes": (max(int(nodes.group()) if nodes else 1, len(nodelist)), block.get("nodes") == "1"),
    }


_PLAIN = "constraint prefer nodefile clusters comment array container reservation chdir".split()


def _names(hosts: str, folder: str, file: bool = False) -> tuple[str, ...]:
    return read_hosts(hosts, folder) if file or "/" in hosts else expand(hosts)
