"""Why a job of ours is where it is: what was decided for it, what holds now, and what would help (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hpccompat.nodes.hostlist import fold
from hpccompat.slurm.evaluate import Answer
from hpccompat.slurm.inventory import Inventory
from hpccompat.slurm.job import Job
from hpccompat.slurm.labels import label_of

_OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY", "DEADLINE")


@dataclass(frozen=True)
class Situation:
    """`answers`: of each requirement, now. `labels`: those that are published now. `note`: what our last look left in
    the job's AdminComment."""

    job: Job
    answers: Sequence[Answer]
    inventory: Inventory
    labels: Mapping[str, str]
    note: str = ""


@dataclass(frozen=True)
class Explanation:
    """`carrier`: label or exclude. `eligible`: nodes that could take the job now, as far as compatibility, its
    partitions and its lists of nodes go; `idle`: those of them that are idle. `reasons`: (verdict, text, nodes) for
    the other nodes of its partitions. `unknown`: why requirements could not be evaluated. `help`: what would help."""

    carrier: str
    eligible: frozenset[str]
    idle: frozenset[str]
    reasons: tuple[tuple[str, str, tuple[str, ...]], ...]
    unknown: tuple[str, ...] = ()
    missing_labels: tuple[str, ...] = ()
    help: tuple[str, ...] = field(default=())


def explain(found: Situation) -> Explanation:
    job, inventory = found.job, found.inventory
    partitions = tuple(filter(None, job.fields.get("Partition", "").split(",")))
    usable = inventory.of_partitions(partitions) or inventory.nodes
    if job.required:
        usable &= frozenset(job.required)
    unknown = tuple(f"{each.id[:10]}…: {each.error}" for each in found.answers if each.error)
    known = [each for each in found.answers if not each.error]
    compatible = frozenset(usable)
    for each in known:
        compatible &= each.nodes
    labels = tuple(label_of(each.id) for each in found.answers)
    carried = [label for label in labels if label in job.fields.get("Features", "")]
    missing = tuple(label for label in carried if label not in found.labels)
    eligible = frozenset() if unknown and not known else compatible - frozenset(job.excluded)
    reasons: dict[tuple[str, str], set[str]] = {}
    for each in known:
        for verdict, text, nodes in each.reasons:
            if here := usable & frozenset(nodes):
                reasons.setdefault((verdict, text), set()).update(here)
    idle = frozenset(node for node in eligible if inventory.is_idle(node))
    explained = Explanation(
        "label" if carried else "exclude",
        eligible,
        idle,
        tuple(
            (verdict, text, tuple(sorted(nodes)))
            for (verdict, text), nodes in sorted(reasons.items(), key=lambda each: (-len(each[1]), each[0]))
        ),
        unknown,
        missing,
    )
    return _with_help(explained, found, compatible)


def _with_help(explained: Explanation, found: Situation, compatible: frozenset[str]) -> Explanation:
    job = found.job
    help: list[str] = []
    held = job.fields.get("Priority") == "0"
    if job.state in _OVER:
        help.append("the job is over")
    elif job.state in ("RUNNING", "COMPLETING"):
        wrong = frozenset(job.nodes) - compatible if compatible or not explained.unknown else frozenset()
        if wrong:
            help.append(
                f"it runs on {fold(wrong)}, not compatible by now: watch its output, or give it back: scontrol requeue "
                f"{job.id}"
            )
        else:
            help.append(f"it runs on {fold(job.nodes)}, which fits")
    else:
        if "hpccompat: held" in found.note:
            help.append(
                "it was held by hpccompat; when the nodes are repaired an admin can release it: "
                f"scontrol release {job.id}"
            )
        elif job.reason == "BadConstraints" and explained.missing_labels:
            help.append(
                f"its label {', '.join(explained.missing_labels)} is on no node, and so Slurm holds it; the next run "
                "of hpccompat publish, by an admin, sets it and releases the job"
            )
        elif held:
            help.append(f"it is held ({job.reason}): scontrol release {job.id}")
        returning = compatible & frozenset(job.excluded)
        if returning and explained.carrier == "exclude":
            rest = frozenset(job.excluded) - returning
            help.append(
                f"{fold(returning)} is excluded, and compatible now; to allow it: scontrol update jobid={job.id} "
                f"excnodelist={fold(rest)}"
            )
        if not explained.eligible and not explained.unknown:
            help.append(
                "no node fits now: see the reasons below; another image or another partition may, or an admin can "
                "repair what is missing"
            )
        elif explained.eligible and not explained.idle:
            states = ", ".join(
                f"{fold(nodes)}: {state.lower()}" for state, nodes in _by_state(explained.eligible, found.inventory)
            )
            help.append(f"the nodes that fit are not free ({states}): it waits for them")
        elif explained.idle and not held:
            help.append(f"{fold(explained.idle)} is idle: Slurm gives its own reason, {job.reason}")
    if explained.unknown:
        help.append("what the job requires can't be read from the spool; submit it again to leave it there")
    return Explanation(
        explained.carrier,
        explained.eligible,
        explained.idle,
        explained.reasons,
        explained.unknown,
        explained.missing_labels,
        tuple(help),
    )


def _by_state(nodes: frozenset[str], inventory: Inventory) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for node in sorted(nodes):
        found.setdefault(inventory.states.get(node, "") or "unknown", []).append(node)
    return sorted(found.items())
