"""The last look: whether a node on which a job of ours is about to start still fits.

Called as root by the prolog, after the node has collected its features. What the job requires is named by its comment,
or by its label; what that means is in the spool, and is evaluated by a process without rights. Only "this spec does not
match this node" counts; whatever can't be told is said, and the job starts. The node stays as it is in any case.
"""

from __future__ import annotations

import random
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpccompat.errors import SlurmError, StoreError
from hpccompat.nodes.hostlist import fold
from hpccompat.nodes.store import Store
from hpccompat.plan.selection import Verdict
from hpccompat.slurm.command import PATIENCE, ask, program
from hpccompat.slurm.evaluate import Answer, Limits, Task, evaluate
from hpccompat.slurm.job import Job, read_job
from hpccompat.slurm.labels import LABEL, label_of, token_of
from hpccompat.slurm.spool import Spool

_NAMES = re.compile(r"[A-Za-z0-9_]+")
# How often a list of excluded nodes is changed anew, where the prologs of other nodes change it, too.
_ATTEMPTS = 10
# Seconds in which a job that has just been started can be told something.
_NOTICE = 20


@dataclass(frozen=True)
class Check:
    """`mode`: warn or requeue. `tries`: how often a job is requeued before it is held. `interactive`: what becomes of
    a job that can't be requeued: warn, or cancel. `seconds`: the prolog's limit, of which evaluation gets a part."""

    mode: str
    tries: int
    interactive: str
    seconds: float = 10.0


@dataclass(frozen=True)
class Outcome:
    """`action`: fits, unknown, warned, requeued, held or cancelled. `text`: in words."""

    action: str
    text: str


def required_ids(environment: Mapping[str, str], spool: Spool) -> tuple[str, ...]:
    """What the job requires, as Slurm tells its prolog: by the token of its comment, else by its labels, which are
    the beginning of an id. Raises StoreError."""
    ids = token_of(environment.get("SLURM_JOB_COMMENT", ""))
    if ids:
        return ids
    names = _NAMES.findall(environment.get("SLURM_JOB_CONSTRAINTS", ""))
    labels = dict.fromkeys(name for name in names if LABEL.fullmatch(name))
    if not labels:
        return ()
    known = dict.fromkeys(entry.id for entry in spool.names())
    return tuple(id for id in known if label_of(id) in labels)


def look(environment: Mapping[str, str], node: str, store: Store, spool: Spool, check: Check) -> Outcome | None:
    """None for a job that is not ours. Raises StoreError, SlurmError."""
    job_id = environment.get("SLURM_JOB_ID", "")
    ids = required_ids(environment, spool) if job_id else ()
    if not ids:
        return None
    entries = spool.names()
    tasks = [Task(id, tuple(each for each in entries if each.id == id)) for id in ids]
    limits = Limits(each=0.3 * check.seconds, together=0.5 * check.seconds)
    answers = evaluate(tasks, store, spool, limits, node)
    wrong = [each for each in answers if each.verdict == Verdict.INCOMPATIBLE.value]
    if not wrong:
        unclear = [f"{each.id[:10]}: {each.error or each.verdict}" for each in answers if each.verdict != "compatible"]
        if unclear:
            return Outcome("unknown", f"job {job_id}: whether {node} still fits can't be told: {'; '.join(unclear)}")
        return Outcome("fits", f"job {job_id}: {node} fits")
    return _act(job_id, node, _why(node, wrong), check)


def _why(node: str, answers: Sequence[Answer]) -> str:
    reasons = "; ".join(dict.fromkeys(each.why for each in answers))
    return f"node {node} is not compatible any more with what the job was planned for: {reasons}"[:900]


def _act(job_id: str, node: str, why: str, check: Check) -> Outcome:
    if check.mode != "requeue":
        return _warn(job_id, why)
    job = read_job(job_id)
    if not (job.batch and job.requeue):
        if check.interactive == "cancel":
            ask(("scontrol", "notify", job_id, f"hpccompat: {why}; the job is cancelled"), PATIENCE)
            ask(("scancel", job_id), PATIENCE)
            return Outcome("cancelled", f"job {job_id} can't be requeued, and is cancelled: {why}")
        return _warn(job_id, why)
    if job.restarts >= check.tries or node in job.required:
        # Without a node that it insists on the job could never start.
        because = (
            f": its --nodelist names {node}"
            if node in job.required
            else f" after {job.restarts} {'try' if job.restarts == 1 else 'tries'}"
        )
        text = f"hpccompat: held{because}: {why}"
        if ask(("scontrol", "requeuehold", job_id), PATIENCE).status != 0:
            return _warn(job_id, why)
        _explain(job_id, text)
        return Outcome("held", f"job {job_id} {text.removeprefix('hpccompat: ')}")
    return _requeue(job, node, why)


def _warn(job_id: str, why: str) -> Outcome:
    """In the job's output: by a process that waits until the job's first step is there to be told."""
    text = f"hpccompat: warning: {why}"
    script = 'for _ in $(seq "$1"); do sleep 0.5; "$2" notify "$3" "$4" && exit; done'
    try:
        # In a session of its own before this returns: slurmd ends the prolog's group with the prolog.
        subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", str(2 * _NOTICE), program("scontrol"), job_id, text],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return Outcome("warned", f"job {job_id}: {why} (which it is not told: {error.strerror})")
    return Outcome("warned", f"job {job_id} starts all the same: {why}")


def _requeue(job: Job, node: str, why: str) -> Outcome:
    """Back into the queue, without this node. The prologs of several nodes may be at this at once: one of them requeues
    the job, and each adds its node to what is excluded until it has stayed there."""
    job_id = job.id
    asked = ask(("scontrol", "requeue", job_id), PATIENCE)
    for attempt in range(_ATTEMPTS):
        job = read_job(job_id)
        if node in job.excluded:
            _explain(job_id, f"hpccompat: requeued: {why}")
            return Outcome("requeued", f"job {job_id} is requeued without {fold(job.excluded)}: {why}")
        if asked.status != 0 and job.state in ("RUNNING", "CONFIGURING"):
            return _warn(job_id, f"{why} (it can't be requeued: {asked.stderr.strip()[:100]})")
        names = fold({*job.excluded, node})
        ask(("scontrol", "update", f"jobid={job_id}", f"excnodelist={names}"), PATIENCE)
        time.sleep(random.uniform(0.05, 0.2) * (attempt + 1) if job.fields.get("NumNodes") != "1" else 0.05)
    raise SlurmError(f"job {job_id} is requeued, but {node} could not be excluded: {why}")


def _explain(job_id: str, text: str) -> None:
    """For `hpccompat why`, and for admins. Where Slurm does not let us, nothing is lost but that."""
    ask(("scontrol", "update", f"jobid={job_id}", f"admincomment={text[:1000]}"), PATIENCE)


def complain(error: StoreError | SlurmError, environment: Mapping[str, str]) -> Outcome:
    """What becomes of a job whose node can't be looked at: it starts."""
    return Outcome("unknown", f"job {environment.get('SLURM_JOB_ID', '')}: {error}")
