"""Random requests with random sets of compatible nodes on real Slurm, by both carriers.

A job may start only on nodes that are compatible and that its user asked for, and it does start where there are such.
HPCCOMPAT_TEST_CASES: how many requests; HPCCOMPAT_TEST_SEED: which ones.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hpccompat.nodes.hostlist import expand, fold
from hpccompat.slurm.plan import Restriction, restrict
from hpccompat.slurm.request import JobRequest
from tests.cluster.slurm import SlurmCluster, slurm_version
from tests.integration.random_request import NODES, Request, case

CASES = int(os.environ.get("HPCCOMPAT_TEST_CASES", "60"))
SEED = int(os.environ.get("HPCCOMPAT_TEST_SEED", "1"))
# Cases whose labels are on the nodes, and whose jobs are in the queue, at a time.
AT_ONCE = 60
RUN = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING")

# What sbatch says where there are no such nodes, or where the exclusions hold one of the user's --nodelist.
NO_NODES = ("Requested node configuration is not available", "Invalid node name specified")


def rewritten(user: Request, labels: Sequence[str], incompatible: frozenset[str]) -> list[str] | None:
    """The arguments of sbatch that choose nodes, as they are planned. With labels by them, and None where they can't be
    used; else by --exclude."""
    own = {"constraint": user.constraint_text, "prefer": str(user.prefer or ""), "exclude": fold(user.exclude)}
    restriction = Restriction(
        ids=("0" * 64,),
        inventory=NODES.keys(),
        eligible=NODES.keys() - incompatible,
        excluded=user.exclude,
        labels=tuple(labels) or None,
        token=False,
    )
    rewrite = restrict(JobRequest(**own), restriction)
    if labels and rewrite.carrier != "label":
        return None
    given = [f"--{name}={value}" for name, value in {**own, "nodelist": fold(user.nodelist)}.items() if value]
    return [*given, *rewrite.options()]


@dataclass
class Job:
    user: Request
    compatible: frozenset[str]
    carrier: str
    arguments: list[str]
    id: str = ""
    error: str = ""

    def __str__(self) -> str:
        compatible = f"compatible {fold(self.compatible)}, user's {self.user.constraint_text!r}"
        return f"{self.carrier}: sbatch -N{self.user.nodes} {' '.join(self.arguments)} ({compatible})"


@pytest.fixture(scope="module")
def slurm(loopback: Path) -> Iterator[SlurmCluster]:
    features = {node: ",".join(names) for node, names in NODES.items()}
    cluster = SlurmCluster(loopback / "constraints", features, settings=["MinJobAge=3600"])
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def make_jobs(dice: random.Random, first: int, count: int) -> tuple[list[Job], dict[str, list[str]]]:
    """The jobs of some cases, and the labels that each node gets for them."""
    jobs: list[Job] = []
    labels_on: dict[str, list[str]] = {node: [] for node in NODES}
    for number in range(first, first + count):
        user, sets = case(dice)
        compatible = frozenset.intersection(*sets)
        labels = [f"hc_{number:09x}{position}" for position in range(len(sets))]
        for label, nodes in zip(labels, sets, strict=True):
            for node in nodes:
                labels_on[node].append(label)
        for carrier, by in (("label", labels), ("exclude", [])):
            arguments = rewritten(user, by, frozenset(NODES) - compatible)
            if arguments is not None:
                jobs.append(Job(user, compatible, carrier, arguments))
    return jobs, labels_on


def publish(slurm: SlurmCluster, labels_on: dict[str, list[str]]) -> None:
    for node, labels in labels_on.items():
        features = ",".join((*NODES[node], *labels))
        done = slurm.run(
            "scontrol", "update", f"nodename={node}", f"availablefeatures={features}", f"activefeatures={features}"
        )
        assert done.returncode == 0, done.stderr


def submit(slurm: SlurmCluster, job: Job) -> None:
    done = slurm.run(
        "sbatch", "--parsable", f"--nodes={job.user.nodes}", "--output=/dev/null", *job.arguments, "--wrap", "true"
    )
    job.id, job.error = done.stdout.strip(), done.stderr.strip()


def rejected_by_syntax(slurm: SlurmCluster, arguments: Sequence[str]) -> str:
    """Why Slurm does not even look for nodes; empty where it does."""
    done = slurm.run("sbatch", "--test-only", "--nodes=4", *arguments, "--wrap", "true")
    answer = done.stderr.strip().rpartition(": ")[2]
    return answer if done.returncode and answer not in NO_NODES else ""


def records(slurm: SlurmCluster) -> dict[str, dict[str, str]]:
    """Every job that Slurm knows, by its id."""
    lines = slurm.run("scontrol", "show", "job", "-o").stdout.splitlines()
    found = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
    return {job["JobId"]: job for job in found if "JobId" in job}


def wait(slurm: SlurmCluster, jobs: Sequence[Job]) -> dict[str, dict[str, str]]:
    """Until all that can start have run; what waits for nothing that could come is cancelled."""
    end = time.monotonic() + 120
    while True:
        known = records(slurm)
        open_ones = [job for job in jobs if job.id and known[job.id]["JobState"] in RUN]
        starting = [
            job
            for job in open_ones
            if known[job.id]["JobState"] != "PENDING"
            or known[job.id]["Reason"] in ("None", "Resources", "Priority", "Nodes_required_for_job_are_DOWN")
            or job.user.must_start(job.compatible)
        ]
        if not starting or time.monotonic() > end:
            for job in open_ones:
                slurm.run("scancel", job.id)
            return known
        time.sleep(0.3)


def test_jobs_start_on_nodes_that_are_compatible_and_asked_for(slurm: SlurmCluster) -> None:
    dice, version = random.Random(SEED), slurm_version()
    wrong: list[str] = []
    seen: Counter[str] = Counter()
    for first in range(0, CASES, AT_ONCE):
        jobs, labels_on = make_jobs(dice, first, min(AT_ONCE, CASES - first))
        publish(slurm, labels_on)
        for job in jobs:
            submit(slurm, job)
        known = wait(slurm, jobs)
        for job in jobs:
            record = known.get(job.id, {})
            nodes = frozenset(expand(record.get("NodeList", "").replace("(null)", "")))
            outcome = "started" if nodes else "waits" if job.id else "rejected"
            seen[f"{job.carrier} {outcome}"] += 1
            if not job.id and job.error.rpartition(": ")[2] not in NO_NODES:
                seen["rejected by syntax"] += 1
                own = rejected_by_syntax(slurm, [f"--constraint={job.user.constraint_text}"])
                if own != job.error.rpartition(": ")[2]:
                    wrong.append(f"rejected, {job.error}, but the user's constraint is not: {job}")
            elif not nodes and job.user.must_start(job.compatible):
                wrong.append(f"did not start, {record.get('Reason') or job.error}: {job}")
            elif nodes - job.compatible:
                wrong.append(f"started on {fold(nodes)}, incompatible: {job}")
            elif nodes and not job.user.satisfied(nodes, version):
                wrong.append(f"started on {fold(nodes)}, not asked for: {job}")
    print(f"\nSlurm {version[0]}.{version[1]:02}, {CASES} requests, seed {SEED}:", dict(sorted(seen.items())))
    assert not wrong, f"seed {SEED}, {len(wrong)} jobs:\n" + "\n".join(wrong)
    # Neither carrier passes by starting nothing.
    assert min(seen["label started"], seen["exclude started"]) >= CASES // 4
