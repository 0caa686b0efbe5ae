"""Several collectors, killed ones, and who may own the store: the collector as a whole process."""

from __future__ import annotations

import json
import os
import pwd
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpccompat.errors import StoreError
from hpccompat.features.model import Features
from hpccompat.nodes.record import NodeRecord
from hpccompat.nodes.store import Store
from tests.cluster.site import HOSTS, HPCCOMPAT

ROOTS = ("zen3-rocky9-infiniband", "sapphirerapids-rocky9-h100")


def collector(config: Path, node: str, root: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "hpccompat", "--config", str(config),
            "features", "collect", "--node", node, "--root", str(HOSTS / root),
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    config = tmp_path / "config.toml"
    config.write_text(f'store = "{tmp_path}/store"\n')
    return config


def test_collectors_at_once_and_killed_ones_never_tear_a_record(config: Path, tmp_path: Path) -> None:
    """Two kinds of host report under one name, and half of the collectors die at a random moment."""
    chance = random.Random(4)
    store = Store(tmp_path / "store")
    (tmp_path / "store" / "nodes").mkdir(parents=True)
    seen: set[str] = set()
    for _ in range(6):
        running = [collector(config, "n1", root) for root in ROOTS for _ in range(2)]
        deaths = {each: time.monotonic() + chance.uniform(0.02, 0.2) for each in running[::2]}
        while any(each.poll() is None for each in running):
            for each, death in deaths.items():
                if time.monotonic() > death:
                    each.send_signal(signal.SIGKILL)
            if seen or store.names():
                seen.add((store.read("n1").features.attributes["cpu.model"] or {})["vendor_id"])
            time.sleep(0.002)
        for each in running:
            _, stderr = each.communicate()
            assert each.returncode == (0 if each not in deaths else each.returncode), stderr
    assert seen == {"AMD", "Intel"}
    assert store.names() == ("n1",)
    for file in (tmp_path / "store" / "nodes").iterdir():
        os.utime(file, (1, 1))
    assert {file.name.split(".")[1] for file in store.leftovers()} <= {"n1"}


def test_a_store_that_others_can_write_is_refused(config: Path, tmp_path: Path) -> None:
    for folder, mode in (("store", 0o777), ("store", 0o1777), ("store", 0o775), ("store/nodes", 0o757)):
        (tmp_path / "store" / "nodes").mkdir(parents=True, exist_ok=True)
        (tmp_path / folder).chmod(mode)
        done = collector(config, "n1", ROOTS[0])
        _, stderr = done.communicate()
        assert done.returncode == 3
        assert "can be written by others" in stderr
        assert not list((tmp_path / "store" / "nodes").iterdir())
        (tmp_path / folder).chmod(0o755)
    assert collector(config, "n1", ROOTS[0]).wait() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")
def test_a_store_of_another_user_is_refused_unless_it_is_configured(config: Path, loopback: Path) -> None:
    tmp_path = loopback / "squashed"  # a folder that every user may enter
    nobody = pwd.getpwnam("nobody")
    (tmp_path / "store" / "nodes").mkdir(parents=True)
    for folder in ("store", "store/nodes"):
        os.chown(tmp_path / folder, nobody.pw_uid, nobody.pw_gid)
    with pytest.raises(StoreError, match="can be written by others"):
        Store(tmp_path / "store").write(NodeRecord("n1", Features()))
    config.write_text(f'store = "{tmp_path}/store"\nstore_user = "nobody"\n')
    done = collector(config, "n1", ROOTS[0])
    assert done.wait() == 0, done.stderr
    assert (tmp_path / "store" / "nodes" / "n1.json").stat().st_uid == nobody.pw_uid, "written as that user"

    config.write_text(f'store = "{tmp_path}/store"\nstore_user = "nosuchuser"\n')
    done = collector(config, "n1", ROOTS[0])
    _, stderr = done.communicate()
    assert (done.returncode, "no user 'nosuchuser'" in stderr) == (2, True)


def test_records_are_for_everybody_to_read(config: Path, tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        assert collector(config, "n1", ROOTS[0]).wait() == 0
    finally:
        os.umask(mask)
    record = tmp_path / "store" / "nodes" / "n1.json"
    assert [oct(each.stat().st_mode & 0o777) for each in (record, record.parent, record.parent.parent)] == [
        "0o644", "0o755", "0o755",
    ]  # fmt: skip
    assert json.loads(record.read_text())["node"] == "n1"


def test_a_failing_source_is_recorded(config: Path, tmp_path: Path) -> None:
    root = tmp_path / "host"
    (root / "proc" / "modules").mkdir(parents=True)
    done = subprocess.run(
        [HPCCOMPAT, "--config", config, "features", "collect", "--node", "n1", "--root", root],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "source kernel failed" in done.stderr
    record = Store(tmp_path / "store").read("n1")
    assert record.errors == {"kernel": "IsADirectoryError: [Errno 21] Is a directory"}
    assert not [name for name in record.features.names() if name.startswith("kernel.")]
