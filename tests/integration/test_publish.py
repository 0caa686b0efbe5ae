"""Labels on a real cluster: they come, survive what makes Slurm forget them, and leave the site's own alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hpccompat.slurm.inventory_cache import current_inventory
from hpccompat.slurm.labels import label_of
from tests.cluster.site import HPCCOMPAT
from tests.integration.line import SOLVER
from tests.integration.publishing import NODES, SLINGSHOT, SOLVES, Publishing, fabric

OWN = {
    "ib1": ("rack1,amd", "rack1,amd"), "ib2": ("rack1,amd", "rack1,amd"), "eth1": ("rack2", "rack2"), "eth2": ("", ""),
    "ss1": ("rack3", "rack3"), "ss2": ("", ""),
}  # fmt: skip


def test_labels_come_and_go_and_the_sites_own_features_stay(here: Publishing) -> None:
    assert here.slurm.features() == OWN
    here.put(SLINGSHOT, SOLVES)
    generation = (here.site.store / "generation").read_text()
    assert "hc_" in here.publish("--dry-run")
    assert "is not published" in here.publish("--check", status=1)
    assert here.slurm.features() == OWN
    assert "published 2 labels" in here.publish()
    assert here.nodes_with(SLINGSHOT) == {"ss1", "ss2"}
    assert here.nodes_with(SOLVES) == {"ib1", "ib2"}
    assert here.published() == {label_of(each.id): each.id for each in (SLINGSHOT, SOLVES)}
    assert (here.site.store / "generation").read_text() != generation
    # Again: nothing to do, but the heartbeat.
    before = json.loads((here.site.store / "published.json").read_text())["published"]
    assert "2 labels: 0 updates" in here.publish()
    assert json.loads((here.site.store / "published.json").read_text())["published"] > before
    assert here.publish("--check") == ""
    # A feature of the site's own that comes later stays where it is, active or not.
    label = label_of(SLINGSHOT.id)
    has, on = f"availablefeatures=new,{label},off", f"activefeatures=new,{label}"
    here.slurm.run("scontrol", "update", "nodename=ss1", has, on)
    here.publish()
    for each in here.specs.iterdir():
        each.unlink()
    here.publish()
    assert here.slurm.features() == OWN | {"ss1": ("new,off", "new")}
    here.slurm.run("scontrol", "update", "nodename=ss1", "availablefeatures=rack3", "activefeatures=rack3")


def test_readers_take_the_inventory_from_the_store(
    here: Publishing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, remark = current_inventory(here.site.store, None, time.time())
    assert (set(found.nodes), found.default_partition, remark) == (set(NODES), "all", "")
    assert found.available["ib1"] == ("rack1", "amd")
    # No publisher, no cache: Slurm is asked; by scontrol, where pyslurm is wanted and can't be had.
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, here.slurm.environment[name])
    (tmp_path / "store").mkdir()
    asked, remark = current_inventory(tmp_path / "store", tmp_path / "cache" / "x.json", time.time(), "pyslurm")
    assert replace(asked, states=found.states) == found
    assert "scontrol was asked instead" in remark
    assert current_inventory(tmp_path / "store", tmp_path / "cache" / "x.json", time.time(), "pyslurm") == (asked, "")


@pytest.mark.parametrize("what", ["restart", "reconfigure"])
def test_labels_that_slurm_forgot_come_back_and_held_jobs_go_on(here: Publishing, what: str) -> None:
    here.put(SLINGSHOT)
    here.publish()
    here.slurm.run("scontrol", "update", "nodename=ss[1-2]", "state=drain", "reason=test")
    try:
        job = here.submit(SLINGSHOT)
        held = here.submit(SLINGSHOT, "-H")
        if what == "restart":
            here.slurm.restart_controller()
        else:
            here.slurm.reconfigure()
        here.slurm.run("scontrol", "update", "nodename=ss[1-2]", "state=resume")
        here.wait_for_reason(job, "BadConstraints")
        assert here.nodes_with(SLINGSHOT) == set()
        assert f"released {job}," in here.publish()
        assert here.nodes_with(SLINGSHOT) == {"ss1", "ss2"}
        ended = here.slurm.wait_for_job(job)
        assert (ended["JobState"], ended["NodeList"]) in (("COMPLETED", "ss1"), ("COMPLETED", "ss2"))
        assert here.slurm.job(held)["Reason"] == "JobHeldUser"
    finally:
        here.slurm.run("scontrol", "update", "nodename=ss[1-2]", "state=resume")


def test_the_label_of_a_pending_job_stays_beyond_the_limit(here: Publishing) -> None:
    now = time.time()
    here.put(SLINGSHOT, used=now - 100)
    here.publish()
    job = here.submit(SLINGSHOT, "-H")
    others = [fabric("slingshot", str(number)) for number in range(3)]
    for age, each in enumerate(others):
        here.put(each, used=now - age)
    here.configure(f'labels = 3\nlabel_specs = ["{SOLVER}"]')
    here.publish()
    assert set(here.published().values()) == {SLINGSHOT.id, SOLVES.id, others[0].id}
    here.configure(f'labels = 1\nlabel_specs = ["{SOLVER}"]')
    here.publish()
    assert set(here.published().values()) == {SLINGSHOT.id, SOLVES.id}
    here.slurm.run("scancel", job)
    here.publish()
    assert set(here.published().values()) == {SOLVES.id}
    here.configure("labels = 2")
    here.publish()
    assert set(here.published().values()) == {others[0].id, others[1].id}


def test_features_of_others_are_left_alone(here: Publishing) -> None:
    foreign = label_of(SLINGSHOT.id)
    here.put(SLINGSHOT, SOLVES)
    here.slurm.run("scontrol", "update", "nodename=eth2", f"availablefeatures={foreign}", f"activefeatures={foreign}")
    try:
        assert "not from us" in here.publish()
        assert here.published() == {label_of(SOLVES.id): SOLVES.id}
        assert here.slurm.features()["eth2"] == (foreign, foreign)
        # published.json was lost: what is there can be taken for ours.
        here.publish("--adopt")
        assert here.nodes_with(SLINGSHOT) == {"ss1", "ss2"}
    finally:
        here.slurm.run("scontrol", "update", "nodename=eth2", "availablefeatures=", "activefeatures=")


def test_two_publishers_at_once(here: Publishing) -> None:
    here.put(SLINGSHOT, SOLVES)
    command = [str(HPCCOMPAT), "--config", str(here.site.config), "publish"]
    both = [subprocess.Popen(command, env=here.slurm.environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [each.communicate(timeout=60)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert sorted("0 updates" in each for each in said) == [False, True]
    assert here.nodes_with(SOLVES) == {"ib1", "ib2"}


def test_a_publisher_that_is_killed_knows_its_labels_again(here: Publishing, tmp_path: Path) -> None:
    here.put(SLINGSHOT, SOLVES)
    real = shutil.which("scontrol", path=here.slurm.environment["PATH"])
    deadly = tmp_path / "scontrol"
    deadly.write_text(f'#!/bin/sh\n[ "$1" != update ] || kill -9 $PPID\nexec {real} "$@"\n')
    deadly.chmod(0o755)
    path = f"{tmp_path}:{here.slurm.environment['PATH']}"
    killed = here.site.hpccompat("publish", env={"PATH": path})
    assert killed.returncode == -9
    here.slurm.daemons.wait_until(lambda: here.nodes_with(SLINGSHOT) | here.nodes_with(SOLVES) != set(), "one label")
    assert here.published() == {}
    assert "published 2 labels: 2 updates" in here.publish()
    assert here.nodes_with(SLINGSHOT) == {"ss1", "ss2"}
    assert here.nodes_with(SOLVES) == {"ib1", "ib2"}


def test_a_spool_full_of_rubbish(here: Publishing) -> None:
    here.put(SLINGSHOT, used=time.time() - 500)
    id, other = SLINGSHOT.id, SOLVES.id
    (here.specs / f"{id}.0.link").symlink_to("/etc/shadow")
    os.mkfifo(here.specs / f"{id}.0.pipe")
    (here.specs / f"{id}.0.folder").mkdir()
    (here.specs / f"{id}.0.huge").write_bytes(b" " * (2**20 + 1))
    (here.specs / f"{id}.0.lie").write_text(SOLVES.dump())
    (here.specs / f"{id}.0.deep").write_text("[" * 100_000)
    (here.specs / f"{other}.0.x").write_text(SLINGSHOT.dump())
    for number in range(300):
        (here.specs / f"junk{number}").touch()
    said = here.publish()
    assert here.published() == {label_of(id): id}
    assert f"no label for {other[:10]}" in said
    assert here.nodes_with(SLINGSHOT) == {"ss1", "ss2"}
    assert len(list(here.specs.iterdir())) <= 203, "a user's share, what is in use, the folder"


def test_a_hostile_spec_costs_its_own_label(here: Publishing) -> None:
    here.put(SLINGSHOT, used=time.time() - 500)
    os.mkfifo(here.spool / "pipe.yaml")
    here.configure(f'label_specs = ["{here.spool}/pipe.yaml"]')
    try:
        begun = time.monotonic()
        assert "took more than 1 s" in here.publish("--time-limit", "1")
        assert time.monotonic() - begun < 8
        assert here.nodes_with(SLINGSHOT) == {"ss1", "ss2"}
    finally:
        (here.spool / "pipe.yaml").unlink()


def test_plugins_that_change_features_end_publishing(here: Publishing) -> None:
    here.put(SLINGSHOT)
    here.publish()
    here.slurm.settings = ["NodeFeaturesPlugins=node_features/helpers"]
    (here.slurm.conf.parent / "helpers.conf").write_text("Feature=mode Helper=/bin/true\n")
    here.slurm.restart_controller()
    try:
        label = label_of(SLINGSHOT.id)
        here.slurm.run("scontrol", "update", "nodename=ss2", f"availablefeatures={label}", f"activefeatures={label}")
        assert "NodeFeaturesPlugins is set" in here.publish()
        # Available no more; active it stays with such a plugin until the controller is restarted.
        assert here.slurm.features()["ss2"] == ("", label)
        assert here.published() == {}
        assert "0 labels: 0 updates" in here.publish()
    finally:
        here.slurm.settings = []
        here.slurm.restart_controller()


# Loaded before the user changes: others may not read where this Python is installed.
AS_NOBODY = """
import encodings.utf_8_sig, os, sys, tomllib, re2, hpccompat.cli.publish
from hpccompat.cli.main import main
from hpccompat.slurm.evaluate import warm
warm()
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody who may not")
@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomli would have to be loaded in its place")
def test_who_may_not_change_nodes_is_told(here: Publishing) -> None:
    here.put(SLINGSHOT)
    store = here.site.directory / "nobodys"
    shutil.copytree(here.site.store, store)
    for each in (store, *store.rglob("*")):
        os.chown(each, 65534, 65534)
    config = here.site.directory / "nobodys.toml"
    config.write_text(f'store = "{store}"\nspool = "{here.spool}"\n')
    done = here.slurm.run(sys.executable, "-c", AS_NOBODY, "--config", str(config), "publish", env={"HOME": "/"})
    assert done.returncode == 3, done.stderr
    assert "only root, SlurmUser and operators" in done.stderr
    assert here.nodes_with(SLINGSHOT) == set()


@pytest.mark.skipif(os.getuid() != 0, reason="only root writes as somebody else")
def test_root_writes_a_store_of_another_user_as_that_user(here: Publishing) -> None:
    here.put(SLINGSHOT)
    store = here.site.directory / "theirs"
    shutil.copytree(here.site.store, store)
    for each in (store, *store.rglob("*")):
        os.chown(each, 65534, 65534)
    config = here.site.directory / "theirs.toml"
    config.write_text(f'store = "{store}"\nstore_user = "nobody"\nspool = "{here.spool}"\n')
    command = (str(HPCCOMPAT), "--config", str(config), "--output", "json", "publish")
    done = here.slurm.run(*command)
    assert json.loads(done.stdout)["labels"] == {label_of(SLINGSHOT.id): SLINGSHOT.id}, done.stderr
    assert here.nodes_with(SLINGSHOT) == {"ss1", "ss2"}
    assert {each.stat().st_uid for each in (store, *store.rglob("*"))} == {65534}
    for each in here.specs.iterdir():
        each.unlink()
    assert json.loads(here.slurm.run(*command).stdout)["labels"] == {}


def test_the_switch_turns_publishing_off(here: Publishing) -> None:
    here.put(SLINGSHOT)
    switch = here.site.config.parent / "disabled"
    switch.touch()
    try:
        assert here.publish() == ""
        assert here.nodes_with(SLINGSHOT) == set()
    finally:
        switch.unlink()


def test_the_controller_is_away_for_a_while(here: Publishing) -> None:
    here.put(SLINGSHOT)
    command = [str(HPCCOMPAT), "--config", str(here.site.config), "publish", "--watch", "0.2"]
    here.slurm.stop_controller()
    watching = subprocess.Popen(command, env=here.slurm.environment, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(1)
        here.slurm.start_controller()
        here.slurm.daemons.wait_until(lambda: here.nodes_with(SLINGSHOT) == {"ss1", "ss2"}, "labels")
    finally:
        watching.terminate()
        said = watching.communicate(timeout=20)[1]
    assert said.count("warning") <= 2, said


def test_a_node_that_joins_gets_its_labels(here: Publishing) -> None:
    here.put(SLINGSHOT)
    here.publish()
    (here.site.hosts / "ss3").symlink_to(here.site.hosts / "ss1")
    here.slurm.add_node("ss3", "rack9")
    here.publish()
    assert here.nodes_with(SLINGSHOT) == {"ss1", "ss2"}
    assert here.site.hpccompat("features", "collect", "--node", "ss3").returncode == 0
    here.publish()
    assert here.nodes_with(SLINGSHOT) == {"ss1", "ss2", "ss3"}
    assert here.slurm.features()["ss3"][0].startswith("rack9,hc_")
