"""Nodes that are powered down, and nodes that join the cluster while jobs wait, on real Slurm."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpccompat.nodes.hostlist import expand, fold
from hpccompat.slurm.labels import label_of
from tests.cluster.daemons import free_ports
from tests.cluster.site import HOSTS, Site
from tests.integration.line import SOLVER
from tests.integration.publishing import ETH, FEATURES, IB, NODES, SOLVES, Publishing

# A partition that the jobs don't use.
FAR = tuple(f"x{number:02}" for number in range(0, 40, 2))
JOB = (f"--compat-spec={SOLVER}", "-o/dev/null", "--wrap", "true")


@pytest.fixture(scope="module")
def cloudy(loopback: Path) -> Iterator[Site]:
    """Two nodes that are there, and two of the cloud that are powered down: one of either kind."""
    nodes = {"ib1": IB, "eth1": ETH}
    ports = free_ports(2)
    lines = [
        f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=4 State=CLOUD"
        for name, port in zip(("cib", "ceth"), ports, strict=True)
    ]
    power = ("SuspendProgram=/bin/true", "ResumeProgram=/bin/true", "SuspendTime=3600", "ResumeTimeout=60")
    lines.append(f"NodeName={fold(FAR)} NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=4 State=CLOUD")
    members = {"all": [*nodes, "cib", "ceth"], "far": [fold(FAR)]}
    site = Site(loopback / "cloudy", nodes, partitions=members, slurm_settings=(*power, *lines))
    try:
        site.start()
        for name, root in (("cib", IB), ("ceth", ETH)):
            (site.hosts / name).symlink_to(HOSTS / root)
        for node in members["all"]:
            assert site.hpccompat("features", "collect", "--node", node).returncode == 0
        yield site
    finally:
        site.stop()


def test_a_powered_down_node_of_the_cloud_is_one_like_others(cloudy: Site) -> None:
    shown = cloudy.slurm.run("scontrol", "show", "node", "-o").stdout
    done = cloudy.hpccompat("sbatch", "-w", "cib", *JOB)
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.split()[-1]
    cloudy.slurm.daemons.wait_until(
        lambda: cloudy.slurm.job(job_id)["NodeList"] == "cib", f"the node is powered up (scontrol shows: {shown})"
    )
    job = cloudy.slurm.job(job_id)
    assert job["JobState"] == "CONFIGURING"
    assert set(expand(job["ExcNodeList"])) == {"ceth", "eth1", *FAR}
    cloudy.slurm.run("scancel", job_id)


def test_a_long_list_goes_by_file(cloudy: Site) -> None:
    # The limit is that of one argument; a lower one lets a small cluster show the same way.
    lowered = (
        "import sys, hpccompat.slurm.plan as plan, hpccompat.cli.main as main; plan.ARGUMENT_LIMIT = 3; "
        "sys.exit(main.main(sys.argv[1:]))"
    )
    done = cloudy.slurm.run(
        sys.executable,
        "-c",
        lowered,
        "--config",
        str(cloudy.config),
        "sbatch",
        "-H",
        "-x",
        "x[00,02]",
        *JOB,
    )
    assert done.returncode == 0, done.stderr
    assert set(expand(cloudy.slurm.job(done.stdout.split()[-1])["ExcNodeList"])) == {"ceth", "eth1", *FAR}


def test_jobs_for_other_clusters_go_as_they_are(here: Publishing) -> None:
    done = here.site.hpccompat("sbatch", "-M", "elsewhere", *JOB)
    assert "jobs for other clusters (-M) are not planned" in done.stderr
    assert "elsewhere" in done.stderr.replace("(-M)", "")
    assert done.returncode == here.slurm.run("sbatch", "-M", "elsewhere", *JOB[1:]).returncode


def test_a_node_that_joins_while_jobs_wait(here: Publishing) -> None:
    good, slurm = ("ib1", "ib2"), here.slurm

    def state(*value: str) -> None:
        assert slurm.run("scontrol", "update", f"nodename={','.join(good)}", *value).stderr == ""

    def submit() -> str:
        done = here.site.hpccompat("sbatch", *JOB)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]

    state("state=drain", "reason=test")
    by_exclusions = submit()
    here.publish()
    by_label = submit()
    assert slurm.job(by_label)["Features"] == label_of(SOLVES.id)
    assert set(expand(slurm.job(by_exclusions)["ExcNodeList"])) == NODES.keys() - set(good)
    # An incompatible one, which reports before it is used.
    (here.site.hosts / "eth3").symlink_to(HOSTS / ETH)
    assert here.site.hpccompat("features", "collect", "--node", "eth3").returncode == 0
    slurm.add_node("eth3", FEATURES["eth1"])
    here.publish()
    # Exclusions are a snapshot: the known limit.
    assert slurm.wait_for_job(by_exclusions)["NodeList"] == "eth3"
    assert slurm.job(by_label)["JobState"] == "PENDING"
    shown = ("scontrol", "show", "node", "-o")
    slurm.daemons.wait_until(lambda: "UNKNOWN" not in slurm.run(*shown).stdout, "the nodes register anew")
    state("state=resume")
    assert slurm.wait_for_job(by_label)["NodeList"] in good
