"""The inventory: what scontrol prints, snapshots, and pyslurm."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from hpccompat.errors import SlurmError
from hpccompat.slurm import inventory_cache, inventory_pyslurm
from hpccompat.slurm.inventory import Inventory, parse_inventory
from hpccompat.slurm.inventory_cache import current_inventory, dump_inventory, load_inventory, own_cache

NODES = """\
NodeName=n1 Arch=x86_64 AvailableFeatures=a,b ActiveFeatures=a Gres=(null) OS=a State=IDLE Comment=ActiveFeatures=z
NodeName=n2 AvailableFeatures=(null) ActiveFeatures=(null) Gres=(null) State=DOWN+CLOUD
NodeName=n3 AvailableFeatures=my node,c ActiveFeatures= Gres=(null) State=IDLE
NodeName=n4 State=IDLE
"""
PARTITIONS = "PartitionName=all Default=YES Nodes=n[1-5]\nPartitionName=none Default=NO Nodes=(null)\n"
CONFIG = "NodeFeaturesPlugins     = {}\nOtherPlugins = x\n"
INVENTORY = parse_inventory(NODES, PARTITIONS, CONFIG.format("(null)"))


def test_what_scontrol_prints() -> None:
    assert (
        Inventory(
            {"n1": "IDLE", "n2": "DOWN+CLOUD", "n3": "IDLE", "n4": "IDLE", "n5": ""},
            {"all": frozenset({"n1", "n2", "n3", "n4", "n5"}), "none": frozenset()},
            "all",
            {"n1": ("a", "b"), "n2": (), "n3": ("my node", "c")},
            {"n1": ("a",), "n2": (), "n3": ()},
            False,
        )
        == INVENTORY
    )
    assert parse_inventory(NODES, PARTITIONS, CONFIG.format("helpers")).changeable
    assert not parse_inventory(NODES, PARTITIONS, CONFIG.format("")).changeable


def test_a_snapshot_is_the_inventory() -> None:
    for each in (INVENTORY, replace(INVENTORY, changeable=True, default_partition="")):
        assert load_inventory(dump_inventory(each, 12.5).encode()) == (each, 12.5)


def test_no_part_of_a_snapshot_is_one() -> None:
    text = dump_inventory(INVENTORY, 1.0).strip()
    assert all(load_inventory(text[:end].encode()) is None for end in range(len(text)))
    for spoil in ({"version": 2}, {"nodes": []}, {"nodes": [["IDLE", [1], [], ["n1"]]]}, {"partitions": {"p": "n1"}}):
        assert load_inventory(json.dumps(json.loads(text) | spoil).encode()) is None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who was asked, in place of a cluster."""
    calls: list[str] = []
    monkeypatch.setattr(inventory_cache, "ask_by", lambda by: (calls.append(by), (INVENTORY, ""))[1])
    return calls


def test_the_publishers_snapshot_then_ones_own_then_slurm(tmp_path: Path, asked: list[str]) -> None:
    store, cache = tmp_path, tmp_path / "cache" / "inventory.json"
    other = replace(INVENTORY, default_partition="other")
    (store / "inventory.json").write_text(dump_inventory(other, 1000))
    assert current_inventory(store, cache, 1060) == (other, "")
    assert asked == []
    assert current_inventory(store, cache, 1061) == (INVENTORY, "")
    assert asked == ["scontrol"]
    assert (cache.stat().st_mode & 0o777, cache.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert current_inventory(store, cache, 1100) == (INVENTORY, "")
    assert len(asked) == 1
    current_inventory(store, cache, 1100, "pyslurm", refresh=True)
    assert asked == ["scontrol", "pyslurm"]
    (store / "inventory.json").write_text(dump_inventory(other, 5000))
    current_inventory(store, None, 1200)
    assert len(asked) == 3, "a snapshot of the future is none"


@pytest.mark.parametrize("spoiled", ["truncated", "writable", "folder", "link", "pipe", "directory"])
def test_a_cache_that_others_may_have_written_is_ignored(tmp_path: Path, asked: list[str], spoiled: str) -> None:
    cache = tmp_path / "cache" / "inventory.json"
    current_inventory(tmp_path, cache, 1000)
    if spoiled == "truncated":
        cache.write_bytes(cache.read_bytes()[:-20])
    elif spoiled == "writable":
        cache.chmod(0o666)
    elif spoiled == "folder":
        cache.parent.chmod(0o777)
    else:
        elsewhere = cache.rename(tmp_path / "elsewhere")
        if spoiled == "link":
            cache.symlink_to(elsewhere)
        elif spoiled == "pipe":
            os.mkfifo(cache)
        else:
            cache.mkdir()
    current_inventory(tmp_path, cache, 1001)
    assert len(asked) == 2


def test_the_cache_is_one_for_each_cluster() -> None:
    found = {own_cache({"HOME": "/h", "SLURM_CONF": conf}.get) for conf in ("/a", "/b")}
    assert {str(each.parent) for each in found if each} == {"/h/.cache/hpccompat"}
    assert len(found) == 2
    assert own_cache({"XDG_CACHE_HOME": "/x", "HOME": "/h"}.get).parent == Path("/x/hpccompat")  # type: ignore[union-attr]
    assert own_cache({"XDG_CACHE_HOME": "x"}.get) is None
    assert own_cache({}.get) is None


# What pyslurm 22.5.3 answered on a small cluster, as recorded: it can't be installed beside every Slurm.
RECORDED = SimpleNamespace(
    Nodes=SimpleNamespace(
        load=lambda: {
            "f0": SimpleNamespace(name="f0", state="IDLE", available_features=["base", "n0"], active_features=["base"]),
            "f1": SimpleNamespace(name="f1", state="DOWN+DRAIN", available_features=[], active_features=[]),
        }
    ),
    Partitions=SimpleNamespace(
        load=lambda: {"all": SimpleNamespace(name="all", nodes="f[0-2]", is_default=True, state="UP")}
    ),
)


def test_pyslurms_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_pyslurm, "show", lambda what: CONFIG.format("(null)"))
    assert inventory_pyslurm.load(lambda: RECORDED) == Inventory(
        {"f0": "IDLE", "f1": "DOWN+DRAIN", "f2": ""},
        {"all": frozenset({"f0", "f1", "f2"})},
        "all",
        {"f0": ("base", "n0"), "f1": ()},
        {"f0": ("base",), "f1": ()},
    )


def test_a_pyslurm_that_can_not_be_used_says_so() -> None:
    with pytest.raises(SlurmError, match="can't be used: AttributeError"):
        inventory_pyslurm.load(lambda: SimpleNamespace())
    with pytest.raises(SlurmError, match="can't be used: ModuleNotFoundError"):
        inventory_pyslurm.load()
