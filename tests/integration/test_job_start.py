"""The last look: nodes that drift while jobs wait, on a real cluster."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpccompat.nodes.hostlist import expand
from hpccompat.plan.requirement import requirement
from hpccompat.slurm.labels import label_of
from hpccompat.spec.decode import load_spec
from tests.cluster.site import HOSTS, PROJECT, Site
from tests.integration.line import SOLVER
from tests.integration.publishing import FEATURES, IB, NODES, SOLVES, Publishing
from tests.slurm.test_spool import heavy

LIMIT = 10
# As the site's own, and each call's exit status and milliseconds are written down.
TIMED = """#!/bin/bash
begun=$(/usr/bin/date +%s%3N)
{script} {defaults}
echo "$? $(($(/usr/bin/date +%s%3N) - begun))" >> {log}
"""


class Starting(Publishing):
    def prologs(self) -> list[tuple[int, int]]:
        """Exit status and milliseconds of all that ran."""
        lines = (self.site.directory / "prologs").read_text().splitlines()
        return [(int(status), int(taken)) for status, taken in map(str.split, lines)]

    def said(self, node: str) -> str:
        """What the admin finds."""
        return (self.site.state / f"{node}.errors").read_text()

    def check(self, mode: str, more: str = "") -> None:
        self.configure(f'start_check = "{mode}"\n{more}')

    def drift(self, *nodes: str) -> None:
        """They lose the driver that the solver needs; nothing reports it before the next job."""
        for node in nodes:
            file = self.site.hosts / node / "proc" / "modules"
            file.write_text("".join(line for line in file.open() if not line.startswith("mlx5_ib")))

    def state(self, nodes: str, *value: str) -> None:
        done = self.slurm.run("scontrol", "update", f"nodename={nodes}", *value)
        assert done.returncode == 0, done.stderr

    def submit_held(self, carrier: str, *options: str) -> str:
        """A held job of the wrapper's with the solver's spec, by a label or by exclusions; its number."""
        words = ("sbatch", "-H", f"--compat-spec={SOLVER}", "--comment=mine", f"-o{self.out}", *options)
        if carrier == "label":
            self.put(SOLVES)
            self.publish()
        done = self.site.hpccompat(*words, "--wrap", "echo ran on $SLURMD_NODENAME; sleep 2")
        assert done.returncode == 0, done.stderr
        job_id = done.stdout.split()[-1]
        job = self.slurm.job(job_id)
        assert (label_of(SOLVES.id) in job["Features"]) == (carrier == "label")
        assert (job["ExcNodeList"] == "(null)") == (carrier == "label")
        return job_id

    def release(self, job_id: str) -> None:
        assert self.slurm.run("scontrol", "release", job_id).returncode == 0

    @property
    def out(self) -> Path:
        return self.site.directory / "out"

    def wait_for_state(self, job_id: str, state: str) -> None:
        self.slurm.daemons.wait_until(lambda: self.slurm.job(job_id)["JobState"] == state, f"{job_id} is {state}")

    def hosts(self, hostlist: str) -> tuple[str, ...]:
        return expand(hostlist.replace("(null)", ""))

    def states(self) -> dict[str, str]:
        answer = self.slurm.run("sinfo", "-h", "-N", "-o", "%N %T").stdout
        return dict(line.split() for line in answer.splitlines())


@pytest.fixture(scope="module")
def running(loopback: Path) -> Iterator[Starting]:
    site = Site(loopback / "starting", NODES, features=FEATURES, partitions={"all": list(NODES)})
    found = Starting(site)
    script = PROJECT / "slurm" / "prolog.d" / "50-hpccompat"
    log = site.directory / "prologs"
    site.prolog.write_text(TIMED.format(script=script, defaults=site.directory / "etc" / "default", log=log))
    found.specs.mkdir(parents=True)
    found.specs.chmod(0o1777)
    found.configure()
    try:
        site.start()
        for node in NODES:
            assert site.hpccompat("features", "collect", "--node", node).returncode == 0
        yield found
        # Of all tests: no prolog failed, or took longer than its limit and the grace that it gives.
        assert {status for status, _ in found.prologs()} == {0}
        assert max(taken for _, taken in found.prologs()) < (LIMIT + 2) * 1000
    finally:
        site.stop()


@pytest.fixture
def here(running: Starting) -> Iterator[Starting]:
    running.clear()
    running.out.unlink(missing_ok=True)
    yield running
    running.slurm.run("scancel", "--me")
    running.slurm.daemons.wait_until(running.slurm.all_idle, "no node is drained, or busy for ever", 60)
    for node in ("ib1", "ib2"):
        shutil.copy(HOSTS / IB / "proc" / "modules", running.site.hosts / node / "proc" / "modules")
        assert running.site.hpccompat("features", "collect", "--node", node).returncode == 0


@pytest.mark.parametrize("carrier", ["label", "exclude"])
def test_a_drifted_node_gives_the_job_back(here: Starting, carrier: str) -> None:
    here.check("requeue")
    here.state("ib2", "state=drain", "reason=test")
    job_id = here.submit_held(carrier)
    here.drift("ib1")
    here.release(job_id)
    here.slurm.daemons.wait_until(lambda: "ib1" in here.slurm.job(job_id)["ExcNodeList"], "the job is given back")
    here.state("ib2", "state=resume")
    job = here.slurm.wait_for_job(job_id)
    assert (job["JobState"], job["NodeList"], job["Restarts"]) == ("COMPLETED", "ib2", "1")
    assert here.out.read_text() == "ran on ib2\n"
    assert here.states()["ib1"] == "idle"
    assert "kernel.loadedmodule: mlx5_ib missing" in here.said("ib1")
    record = (here.site.store / "nodes" / "ib1.json").read_text()
    assert '"mlx5_ib"' not in record, "and the next job is planned with what it is now"


@pytest.mark.parametrize("carrier", ["label", "exclude"])
def test_a_job_may_be_warned_only(here: Starting, carrier: str) -> None:
    here.check("warn")
    job_id = here.submit_held(carrier, "-w", "ib1")
    here.drift("ib1")
    here.release(job_id)
    assert here.slurm.wait_for_job(job_id)["JobState"] == "COMPLETED"
    text = here.out.read_text()
    assert "ran on ib1" in text
    assert "hpccompat: warning: node ib1 is not compatible any more" in text
    assert "mlx5_ib missing" in text


def test_two_nodes_of_a_job_drift(here: Starting) -> None:
    here.check("requeue")
    job_id = here.submit_held("exclude", "-N2")
    here.drift("ib1", "ib2")
    here.release(job_id)
    here.slurm.daemons.wait_until(
        lambda: {"ib1", "ib2"} <= set(here.hosts(here.slurm.job(job_id)["ExcNodeList"])), "both are excluded"
    )
    here.wait_for_state(job_id, "PENDING")
    assert here.slurm.job(job_id)["Restarts"] == "1"
    assert not here.out.exists()


def test_a_job_that_insists_on_the_node_is_held(here: Starting) -> None:
    here.check("requeue")
    job_id = here.submit_held("exclude", "-w", "ib1")
    here.drift("ib1")
    here.release(job_id)
    here.slurm.daemons.wait_until(lambda: here.slurm.job(job_id)["Priority"] == "0", "the job is held", 40)
    here.wait_for_state(job_id, "PENDING")
    job = here.slurm.job(job_id)
    assert "ib1" not in here.hosts(job["ExcNodeList"])
    assert "held: its --nodelist names ib1" in here.slurm.run("scontrol", "show", "job", job_id).stdout


def test_an_interactive_job(here: Starting) -> None:
    here.drift("ib1")
    words = ("srun", f"--compat-spec={SOLVER}", "-w", "ib1", "--comment=mine", "sh", "-c", "echo ran; sleep 2")
    here.check("requeue")
    done = here.site.hpccompat(*words)
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
    assert "hpccompat: warning: node ib1 is not compatible any more" in done.stderr


def test_an_interactive_job_may_be_cancelled(here: Starting) -> None:
    here.drift("ib1")
    here.check("requeue", 'start_interactive = "cancel"')
    done = here.site.hpccompat("srun", f"--compat-spec={SOLVER}", "-w", "ib1", "sh", "-c", "echo ran; sleep 2")
    assert done.returncode != 0
    assert "ran" not in done.stdout
    assert "the job is cancelled" in done.stderr


def test_a_job_that_does_not_want_to_be_requeued(here: Starting) -> None:
    here.check("requeue")
    job_id = here.submit_held("exclude", "-w", "ib1", "--no-requeue")
    here.drift("ib1")
    here.release(job_id)
    job = here.slurm.wait_for_job(job_id)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "0")
    assert "is not compatible any more" in here.out.read_text()


def test_a_job_is_not_requeued_for_ever(here: Starting) -> None:
    here.check("requeue", "start_tries = 1")
    here.state("ib2", "state=drain", "reason=test")
    job_id = here.submit_held("exclude")
    here.drift("ib1", "ib2")
    here.release(job_id)
    here.slurm.daemons.wait_until(lambda: "ib1" in here.slurm.job(job_id)["ExcNodeList"], "the job is given back")
    here.state("ib2", "state=resume")
    here.slurm.daemons.wait_until(lambda: here.slurm.job(job_id)["Priority"] == "0", "the job is held", 40)
    here.wait_for_state(job_id, "PENDING")
    assert here.slurm.job(job_id)["Restarts"] == "2"
    text = here.site.hpccompat("why", job_id).stdout
    assert "last look    held after 1 try: node ib2 is not compatible any more" in text
    assert (
        f"it was held by hpccompat; when the nodes are repaired an admin can release it: scontrol release {job_id}"
        in text
    )
    assert "held after 1 try: node ib2" in here.slurm.run("scontrol", "show", "job", job_id).stdout


def test_what_can_not_be_told_lets_the_job_start(here: Starting) -> None:
    here.check("requeue")
    spoiled = {
        "the spool has no file of it": lambda: [each.unlink() for each in here.specs.iterdir()],
        "the content is not that of requirement": lambda: [
            each.write_text(each.read_text().replace("mlx5_ib", "mlx4_ib")) for each in here.specs.iterdir()
        ],
        "the spool can't be read": lambda: here.specs.rename(here.spool / "away"),
    }
    for text, spoil in spoiled.items():
        job_id = here.submit_held("exclude", "-w", "ib1")
        here.drift("ib1")
        spoil()
        here.release(job_id)
        assert here.slurm.wait_for_job(job_id)["JobState"] == "COMPLETED"
        assert here.out.read_text() == "ran on ib1\n"
        assert text in here.said("ib1"), text
        if (here.spool / "away").exists():
            (here.spool / "away").rename(here.specs)
        shutil.copy(HOSTS / IB / "proc" / "modules", here.site.hosts / "ib1" / "proc" / "modules")
        assert here.site.hpccompat("features", "collect", "--node", "ib1").returncode == 0


def test_an_evaluation_that_hangs_lets_the_job_start(here: Starting) -> None:
    here.check("requeue", "collect_timeout = 2")
    # Of feature sets that the node has; those of `heavy` are made up.
    slow = requirement(load_spec(json.dumps(json.loads(heavy().dump().replace("a.b", "cpu.cpuid"))["spec"])))
    here.put(slow)
    done = here.slurm.run(
        "sbatch", "-w", "ib1", f"--comment=hpccompat={slow.id}", f"-o{here.out}", "--wrap", "echo ran"
    )
    assert here.slurm.wait_for_job(done.stdout.split()[-1])["JobState"] == "COMPLETED"
    assert here.out.read_text() == "ran\n"
    assert "took more than 0.6 s" in here.said("ib1")


def test_what_the_spec_does_not_care_about(here: Starting) -> None:
    here.check("requeue")
    job_id = here.submit_held("exclude", "-w", "ib1")
    with (here.site.hosts / "ib1" / "proc" / "modules").open("a") as modules:
        modules.write("another 16384 0 - Live 0x0\n")
    here.release(job_id)
    job = here.slurm.wait_for_job(job_id)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "0")
    assert here.out.read_text() == "ran on ib1\n"
    assert here.said("ib1") == ""


def test_off_and_observe(here: Starting) -> None:
    for mode in ("off", "requeue"):
        here.check(mode, 'mode = "observe"' if mode == "requeue" else "")
        ours = f"--comment=hpccompat={SOLVES.id}"
        submitted = here.slurm.run("sbatch", "-H", "-w", "ib1", ours, f"-o{here.out}", "--wrap", "echo ran; sleep 2")
        job_id = submitted.stdout.split()[-1]
        here.put(SOLVES)
        here.drift("ib1")
        here.release(job_id)
        job = here.slurm.wait_for_job(job_id)
        assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "0")
        assert ("is not compatible any more" in here.out.read_text()) == (mode == "requeue")
