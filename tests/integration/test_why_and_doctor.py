"""What `why` and `doctor` say, in prepared situations on a real cluster: read as a user, and an admin, would."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.site import HOSTS, Site
from tests.integration.line import SOLVER
from tests.integration.publishing import FEATURES, IB, NODES, SOLVES, Publishing


class Asking(Publishing):
    def submit_solver(self, *options: str, job: str = "sleep 20") -> str:
        done = self.site.hpccompat("sbatch", f"--compat-spec={SOLVER}", "-o/dev/null", *options, "--wrap", job)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]

    def why(self, job_id: str, status: int = 0) -> str:
        done = self.site.hpccompat("why", job_id)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    def doctor(self, status: int = 0, *options: str, env: dict[str, str] | None = None) -> str:
        done = self.site.hpccompat("doctor", *options, env=env or {})
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def drift(self, *nodes: str) -> None:
        for node in nodes:
            file = self.site.hosts / node / "proc" / "modules"
            file.write_text("".join(line for line in file.open() if not line.startswith("mlx5_ib")))
            self.collect(node)

    def collect(self, node: str) -> None:
        assert self.site.hpccompat("features", "collect", "--node", node).returncode == 0


@pytest.fixture(scope="module")
def running(loopback: Path) -> Iterator[Asking]:
    site = Site(loopback / "asking", NODES, features=FEATURES, partitions={"all": list(NODES), "few": ["eth1", "ss1"]})
    found = Asking(site)
    found.specs.mkdir(parents=True)
    found.specs.chmod(0o1777)
    found.configure()
    try:
        site.start()
        for node in NODES:
            found.collect(node)
        yield found
    finally:
        site.stop()


@pytest.fixture
def here(running: Asking) -> Iterator[Asking]:
    running.clear()
    yield running
    running.slurm.run("scancel", "--me")
    for node in ("ib1", "ib2"):
        shutil.copy(HOSTS / IB / "proc" / "modules", running.site.hosts / node / "proc" / "modules")
        running.collect(node)
    running.slurm.daemons.wait_until(running.slurm.all_idle, "the nodes are idle", 60)


# -- why


def test_a_job_that_runs(here: Asking) -> None:
    job_id = here.submit_solver("-x", "ib2", "--comment=mine")
    here.slurm.daemons.wait_until(lambda: here.slurm.job(job_id)["JobState"] == "RUNNING", "it runs")
    here.wait_for_reason(job_id, "None")
    text = here.why(job_id)
    assert f"{job_id}: running on ib1" in text
    assert f"requires     {SOLVES.id[:10]}…" in text
    assert "comment      mine" in text
    assert "the excluded nodes, as they were at submission" in text
    assert "it runs on ib1, which fits" in text
    assert "kernel.loadedmodule: mlx5_ib missing" in " ".join(text.split())
    here.drift("ib1")
    assert "it runs on ib1, not compatible by now" in here.why(job_id)


def test_a_job_that_waits_for_nodes_in_use(here: Asking) -> None:
    done = here.slurm.run("sbatch", "-o/dev/null", "-w", "ib[1-2]", "--exclusive", "--wrap", "sleep 60")
    busy = done.stdout.split()[-1]
    here.slurm.daemons.wait_until(lambda: here.slurm.job(busy)["JobState"] == "RUNNING", "the nodes are in use")
    job_id = here.submit_solver()
    text = here.why(job_id)
    assert "eligible now 2 nodes: ib[1-2]" in text
    assert "idle of them none" in text
    assert "the nodes that fit are not free (ib[1-2]: allocated): it waits for them" in text


def test_a_job_that_nothing_fits_any_more(here: Asking) -> None:
    job_id = here.submit_solver("-H")
    here.drift("ib1", "ib2")
    text = here.why(job_id)
    assert "eligible now none" in text
    assert "no node fits now" in text
    assert "ib[1-2]" in text.split("nodes    which")[1]
    assert f"it is held (JobHeldUser): scontrol release {job_id}" in text


def test_a_job_whose_excluded_nodes_fit_by_now(here: Asking) -> None:
    here.drift("ib2")
    job_id = here.submit_solver("-H")
    shutil.copy(HOSTS / IB / "proc" / "modules", here.site.hosts / "ib2" / "proc" / "modules")
    here.collect("ib2")
    text = here.why(job_id)
    assert "ib2 is excluded, and compatible now" in text
    assert f"scontrol update jobid={job_id} excnodelist=eth[1-2],ss[1-2]" in text
    assert here.slurm.run("scontrol", "update", f"jobid={job_id}", "excnodelist=eth[1-2],ss[1-2]").returncode == 0


def test_a_job_by_a_label_that_is_gone(here: Asking) -> None:
    here.put(SOLVES)
    here.publish()
    job_id = here.submit_solver("-H")
    text = here.why(job_id)
    assert "a label, in its constraint: it follows the nodes" in text
    here.slurm.reconfigure()
    here.slurm.run("scontrol", "release", job_id)
    (here.site.store / "published.json").unlink()
    here.wait_for_reason(job_id, "BadConstraints")
    text = here.why(job_id)
    assert "is on no node, and so Slurm holds it; the next run of hpccompat publish" in text
    here.publish()


def test_a_job_whose_requirement_is_lost(here: Asking) -> None:
    job_id = here.submit_solver("-H")
    for each in here.specs.iterdir():
        each.unlink()
    text = here.why(job_id)
    assert "the spool has no file of it" in text
    assert "submit it again" in text


def test_a_job_of_others_and_no_job(here: Asking) -> None:
    plain = here.slurm.run("sbatch", "-H", "-o/dev/null", "--wrap", "true").stdout.split()[-1]
    assert "carries nothing of hpccompat" in here.why(plain, status=1)
    assert "Invalid job id" in here.why("999999", status=3)
    assert "is no job's number" in here.why("all", status=2)


def test_a_job_that_is_over_and_one_of_an_array(here: Asking) -> None:
    job_id = here.submit_solver(job="true")
    here.slurm.wait_for_job(job_id)
    assert "the job is over" in here.why(job_id)
    array = here.submit_solver("-H", "-a", "1-2")
    assert f"{array}: pending" in here.why(array)


def test_for_programs(here: Asking) -> None:
    job_id = here.submit_solver("-H", "-J", "for-programs")
    found = json.loads(here.site.hpccompat("--output", "json", "why", job_id).stdout)
    assert found["eligible"] == "ib[1-2]"
    assert found["exclude"] == "eth[1-2],ss[1-2]"
    assert {each["nodes"] for each in found["reasons"]} == {"eth[1-2]", "ss[1-2]"}
    assert found["requirements"][0]["id"] == SOLVES.id


# -- doctor


def test_nothing_is_wrong(here: Asking) -> None:
    text = here.doctor()
    assert "0 errors" in text
    assert "partition all: all 6 nodes have reported" in text
    assert "the publisher is alive" in text
    assert "PrologFlags" not in text


def test_what_is_missing(here: Asking, tmp_path: Path) -> None:
    here.configure(f'store = "{tmp_path}/nothing"')
    site = here.site.config.read_text()
    here.site.config.write_text(site.replace(f'store = "{here.site.store}"\n', ""))
    text = here.doctor(1)
    assert f"the store {tmp_path}/nothing can't be used: No such file or directory" in text
    assert "-> install -d -m 755" in text


def test_slurm_can_not_be_asked(here: Asking) -> None:
    text = here.doctor(1, env={"PATH": "/nonexistent"})
    assert "ERROR slurm" in text
    assert "is the controller up?" in text


def test_nodes_that_did_not_report_and_nodes_that_are_gone(here: Asking) -> None:
    records = here.site.store / "nodes"
    (records / "eth1.json").rename(records / "old1.json")
    try:
        text = here.doctor()
        assert "partition few: 50 % of its nodes have reported, below min_coverage (90 %)" in text
        assert "Slurm has no node old1 any more" in text
        assert "hpccompat features prune 'old1'" in text
        assert here.doctor(1, "--strict")
    finally:
        (records / "old1.json").unlink()
        here.collect("eth1")


def test_records_that_are_spoiled_open_or_of_the_future(here: Asking) -> None:
    record = here.site.store / "nodes" / "eth2.json"
    record.write_text("{")
    os.utime(record, (time.time() + 500, time.time() + 500))
    here.site.store.chmod(0o777)
    try:
        text = here.doctor(1)
        assert "record of eth2: " in text
        assert "can be written by others: records there can't be trusted" in text
        assert "records of eth2 are from the future: clocks differ" in text
    finally:
        here.site.store.chmod(0o755)
        record.unlink()
        here.collect("eth2")


def test_the_publisher_stands_still_and_the_spool_is_closed(here: Asking) -> None:
    published = here.site.store / "published.json"
    top = json.loads(published.read_text())
    here.specs.chmod(0o755)
    try:
        for shift, expected in (
            (-600, "the publisher was last alive 10 min ago"),
            (600, "heartbeat is from the future"),
        ):
            published.write_text(json.dumps({**top, "published": time.time() + shift}))
            text = here.doctor(1)
            assert expected in text
            assert "has mode 755" in text
            assert f"chmod 1777 {here.specs}" in text
    finally:
        here.specs.chmod(0o1777)


def test_a_damaged_index(here: Asking) -> None:
    index = here.site.store / "index.sqlite"
    assert here.site.hpccompat("index").returncode == 0
    try:
        assert "ok    index" in here.doctor()
        index.write_bytes(index.read_bytes()[:3000])
        assert "-> hpccompat index --full" in here.doctor(1)
    finally:
        for each in here.site.store.glob("index.sqlite*"):
            each.unlink()
        shutil.rmtree(here.site.store / "changed", ignore_errors=True)


def test_what_requeueing_and_pyslurm_need(here: Asking) -> None:
    here.configure('start_check = "requeue"\ninventory = "pyslurm"')
    text = here.doctor()
    assert "pyslurm can't be loaded" in text
    assert "DeferBatch" not in text, "this cluster has it"


def test_the_switch(here: Asking) -> None:
    switch = here.site.config.parent / "disabled"
    switch.touch()
    try:
        assert "everything is switched off here" in here.doctor()
    finally:
        switch.unlink()


def test_quiet_and_for_programs(here: Asking) -> None:
    assert "ok " not in here.doctor(0, "--quiet")
    found = json.loads(here.site.hpccompat("--output", "json", "doctor").stdout)
    assert {each["level"] for each in found} <= {"ok", "note", "warning"}
    assert all(each["help"] for each in found if each["level"] == "warning")
