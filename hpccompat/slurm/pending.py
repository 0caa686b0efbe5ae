"""Pending jobs, as squeue tells of them: which labels they name, and which are held for want of one."""

from __future__ import annotations

import os
import re

from hpccompat.errors import SlurmError
from hpccompat.slurm.command import PATIENCE, ask
from hpccompat.slurm.labelling import PendingJob
from hpccompat.slurm.labels import LABEL, token_of

_FIELDS = ("JobID", "Reason", "Feature", "Prefer", "Comment")
_NAMES = re.compile(r"[^&|,*()\[\]\s]+")


def read_pending() -> tuple[PendingJob, ...]:
    """All pending jobs. Raises SlurmError."""
    # What parts the fields can't be guessed: users' comments may hold anything, line breaks too.
    sign = f"@{os.urandom(8).hex()}@"
    answer = ask(("squeue", "-a", "-h", "-t", "PD", "-O", ",".join(f"{each}:{sign}" for each in _FIELDS)), PATIENCE)
    if answer.status != 0:
        raise SlurmError(f"squeue: {(answer.stderr or answer.stdout).strip()}")
    return parse_pending(answer.stdout, sign)


def parse_pending(text: str, sign: str) -> tuple[PendingJob, ...]:
    """`sign` ends every field. Raises SlurmError where the text is not whole."""
    fields = text.split(sign)
    if len(fields) % len(_FIELDS) != 1:
        raise SlurmError("squeue's answer is not whole")
    found = []
    for at in range(0, len(fields) - 1, len(_FIELDS)):
        job, reason, *features, comment = (each.strip() for each in fields[at : at + len(_FIELDS)])
        names = {name for each in features for name in _NAMES.findall(each)}
        found.append(PendingJob(job, reason, frozenset(filter(LABEL.fullmatch, names)), token_of(comment)))
    return tuple(found)
