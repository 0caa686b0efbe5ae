"""Planning by the index, on a real cluster: what it holds, what has changed since; one set for all nodes of a job."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpccompat.nodes.hostlist import expand
from tests.cluster.site import HOSTS, Site
from tests.integration.line import SOLVER, User

NODES = {
    "ib1": "zen3-rocky9-infiniband",
    "ib2": "zen3-rocky9-infiniband",
    "eth1": "zen3-rocky9-ethernet",
    "ss1": "zen3-sles15-mi250x-slingshot",
    "ss2": "zen3-sles15-mi250x-slingshot",
    "ss3": "zen3-sles15-mi250x-slingshot",
}
# Two fabrics, of which the first is preferred.
FABRICS = """
compatibilities:
- {tag: verbs, weight: 5, rules: [{name: ib, matchFeatures: [
    {feature: kernel.loadedmodule, matchExpressions: {mlx5_ib: {op: Exists}}}]}]}
- {tag: slingshot, weight: 1, rules: [{name: ss, matchFeatures: [
    {feature: hpc.fabric.kind, matchExpressions: {slingshot: {op: Exists}}}]}]}
"""


@pytest.fixture(scope="module")
def cluster(loopback: Path) -> Iterator[Site]:
    site = Site(loopback / "indexed", NODES, partitions={"all": list(NODES), "few": ["ib1", "ss1"]})
    try:
        site.start()
        first = site.slurm.run("sbatch", f"--nodes={len(NODES)}", "--output=/dev/null", "--wrap", "true")
        site.slurm.wait_for_job(first.stdout.split()[-1])
        done = site.hpccompat("index")
        assert "6 nodes, 6 records read" in done.stderr
        yield site
    finally:
        site.stop()


@pytest.fixture
def user(cluster: Site, tmp_path: Path) -> User:
    (tmp_path / "fabrics.yaml").write_text(FABRICS)
    return User(cluster, tmp_path)


def plan(user: User, *arguments: str) -> dict[str, object]:
    done = user.run("--output", "json", "plan", "sbatch", *arguments, "--wrap", "true")
    found: dict[str, object] = json.loads(done.stdout)
    return found


def eligible(found: dict[str, object]) -> set[str]:
    (component,) = found["components"]  # type: ignore[misc]
    return set(expand(component["nodes"]["eligible"]))


def messages(found: dict[str, object], code: str) -> list[str]:
    return [each["text"] for each in found["messages"] if each["code"] == code]  # type: ignore[attr-defined]


def test_a_job_is_planned_by_the_index(user: User) -> None:
    found = plan(user, "-N1", "--compat-spec", str(SOLVER))
    assert (found["outcome"], eligible(found)) == ("rewritten", {"ib1", "ib2"})


def test_what_changes_is_seen_at_once_and_indexed_later(cluster: Site, user: User) -> None:
    host = cluster.hosts / "ib2"
    shutil.rmtree(host)
    shutil.copytree(HOSTS / "zen3-rocky9-ethernet", host, symlinks=True)
    try:
        for stamp in cluster.state.glob("ib2.stamp"):
            stamp.unlink()
        job = cluster.slurm.run("sbatch", "-w", "ib2", "-o/dev/null", "--wrap", "true")
        cluster.slurm.wait_for_job(job.stdout.split()[-1])
        assert eligible(plan(user, "-N1", "--compat-spec", str(SOLVER))) == {"ib1"}
        assert "1 records read, 0 markers left" in cluster.hpccompat("index").stderr
        assert eligible(plan(user, "-N1", "--compat-spec", str(SOLVER))) == {"ib1"}
    finally:
        shutil.rmtree(host)
        shutil.copytree(HOSTS / "zen3-rocky9-infiniband", host, symlinks=True)
        cluster.hpccompat("features", "collect", "--node", "ib2")
        cluster.hpccompat("index")


def test_partitions_and_how_many_are_idle(cluster: Site, user: User) -> None:
    cluster.slurm.daemons.wait_until(cluster.slurm.all_idle, "all nodes idle")
    cluster.slurm.run("scontrol", "update", "nodename=ib1", "state=drain", "reason=test")
    try:
        found = json.loads(user.run("--output", "json", "check", "--spec", str(SOLVER), "--all").stdout)
        assert found["partitions"] == [
            {"name": "all", "nodes": 6, "eligible": 2, "idle": 1},
            {"name": "few", "nodes": 2, "eligible": 1, "idle": 0},
        ]
        assert "of these idle now" in user.run("check", "--spec", str(SOLVER), "--all").stdout
    finally:
        cluster.slurm.run("scontrol", "update", "nodename=ib1", "state=resume")


@pytest.mark.parametrize(
    ("nodes", "chosen", "note"),
    [
        (["-N1"], {"ib1", "ib2", "ss1", "ss2", "ss3"}, ""),
        (["-N2"], {"ib1", "ib2"}, "(by set 0 verbs)"),
        ([], {"ib1", "ib2"}, "(by set 0 verbs)"),  # the tasks may spread
        (["-N3"], {"ss1", "ss2", "ss3"}, "(by set 1 slingshot)"),
        (["-N2", "--compat-tag=slingshot"], {"ss1", "ss2", "ss3"}, ""),
        (["-N2", "-w", "ss1,ss2"], {"ss1", "ss2", "ss3"}, "(by set 1 slingshot)"),
        (["-N2", "-x", "ib1"], {"ss1", "ss2", "ss3"}, "(by set 1 slingshot)"),
    ],
)
def test_a_job_of_several_nodes_gets_one_set(user: User, nodes: list[str], chosen: set[str], note: str) -> None:
    found = plan(user, *nodes, "--compat-spec", str(user.folder / "fabrics.yaml"))
    assert eligible(found) == chosen
    assert not messages(found, "mixed_sets")
    assert note in messages(found, "eligible")[0]
    assert ("by set" in messages(found, "eligible")[0]) == bool(note)


def test_sets_are_only_mixed_with_a_warning(user: User) -> None:
    found = plan(user, "-N4", "--compat-spec", str(user.folder / "fabrics.yaml"))
    assert eligible(found) == {"ib1", "ib2", "ss1", "ss2", "ss3"}
    assert "no set of the spec alone has 4 nodes" in messages(found, "mixed_sets")[0]


def test_a_damaged_index_is_no_answer(cluster: Site, user: User) -> None:
    index = cluster.store / "index.sqlite"
    whole = index.read_bytes()
    try:
        index.write_bytes(whole[:5000])
        found = plan(user, "-N1", "--compat-spec", str(SOLVER))
        assert found["outcome"] == "unchanged"
        assert "hpccompat index --full" in messages(found, "unavailable")[0]
    finally:
        index.write_bytes(whole)
