"""A job as Slurm knows it now: what the last look, and the answer to "why", need of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hpccompat.errors import SlurmError, UsageError
from hpccompat.nodes.hostlist import expand
from hpccompat.slurm.command import PATIENCE, ask

# Names and comments are users' texts and may hold anything; these stand together, in an order of their own.
_STATE = re.compile(r" JobState=([A-Z_]+) Reason=(\S*) ")
_FLAGS = re.compile(r" Requeue=([01]) Restarts=([0-9]+) BatchFlag=([0-9]) ")
_NODES = re.compile(r" ReqNodeList=(\S+) ExcNodeList=(\S+) NodeList=(\S*) ")
_FIELD = re.compile(r"(?:^| )(Partition|Features|Priority|NumNodes|SubmitTime|StartTime|EligibleTime)=(\S*)")
_ID = re.compile(r"[0-9]+(?:[_+][0-9]+)?")


@dataclass(frozen=True)
class Job:
    """`excluded`, `required`, `nodes`: as they are, expanded. `fields`: other fields, as Slurm prints them."""

    id: str
    state: str
    reason: str
    requeue: bool
    restarts: int
    batch: bool
    required: tuple[str, ...]
    excluded: tuple[str, ...]
    nodes: tuple[str, ...]
    comment: str
    fields: Mapping[str, str]


def read_job(id: str, environment: Mapping[str, str] | None = None) -> Job:
    """Raises SlurmError, UsageError for what is no job's number."""
    if not _ID.fullmatch(id):
        raise UsageError(f"{id!r} is no job's number (as 1234, 1234_5 or 1234+1)")
    answer = ask(("scontrol", "show", "job", "-o", id), PATIENCE)
    if answer.status != 0 or not answer.stdout.strip():
        raise SlurmError(f"scontrol show job {id}: {(answer.stderr or answer.stdout).strip()}")
    comment = ask(("squeue", "-h", "-a", "-t", "all", "-o", "%k", "-j", id), PATIENCE)
    text = comment.stdout.split("\n")[0] if comment.status == 0 else ""
    return parse_job(id, answer.stdout.split("\n")[0], "" if text == "(null)" else text)


def admin_comment(id: str) -> str:
    """What the last look, or an admin, has left with the job; only a line of ours. Raises SlurmError."""
    answer = ask(("scontrol", "show", "job", id), PATIENCE)
    for line in answer.stdout.splitlines():
        text = line.strip()
        if text.startswith("AdminComment=hpccompat: "):
            return text.removeprefix("AdminComment=")
    return ""


def parse_job(id: str, line: str, comment: str = "") -> Job:
    """A line of `scontrol show job -o`. Raises SlurmError for anything else."""
    state, flags, nodes = (each.search(line) for each in (_STATE, _FLAGS, _NODES))
    if not (state and flags and nodes):
        raise SlurmError(f"what scontrol shows of job {id} can't be read")
    required, excluded, allocated = (_expanded(each) for each in nodes.groups())
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(line):
        fields.setdefault(name, "" if value == "(null)" else value)
    return Job(
        id, state[1], state[2], flags[1] == "1", int(flags[2]), flags[3] != "0", required, excluded, allocated,
        comment, fields,
    )  # fmt: skip


def _expanded(hosts: str) -> tuple[str, ...]:
    if hosts in ("", "(null)"):
        return ()
    try:
        return expand(hosts)
    except UsageError:
        return ()
