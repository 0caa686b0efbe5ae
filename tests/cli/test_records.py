"""features show, diff, import, prune."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from hpccompat.features.codec import dump_features
from hpccompat.nodes.store import Store
from hpccompat.sources.discover import discover
from tests.cluster.site import HOSTS
from tests.integration.line import run_hpccompat

ZEN, ETH = "zen3-rocky9-infiniband", "zen3-rocky9-ethernet"
NFD = {
    "flags": {"cpu.cpuid": {"elements": {"X87": {}, "SSE2": {}, "AVX2": {}}}},
    "attributes": {
        "kernel.version": {"elements": {"major": "5", "full": "5.14.0"}},
        "cpu.model": {"elements": {"vendor_id": "Intel", "hypervisor": "none"}},
    },
    "instances": {"pci.device": {"elements": [{"attributes": {"vendor": "10de"}}]}},
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    config = tmp_path / "config.toml"
    config.write_text(f'store = "{tmp_path}/store"\n')
    return config


@pytest.fixture
def recorded(config: Path) -> Path:
    for name, host in (("zen1", ZEN), ("zen2", ZEN), ("eth1", ETH)):
        done = run_hpccompat("--config", config, "features", "collect", "--node", name, "--root", HOSTS / host)
        assert done.returncode == 0, done.stderr
    return config


def node_feature(name: str, features: object, **metadata: object) -> dict[str, object]:
    return {
        "apiVersion": "nfd.k8s-sigs.io/v1alpha1",
        "kind": "NodeFeature",
        "metadata": {"name": name, "namespace": "node-feature-discovery", **metadata},
        "spec": {"features": features, "labels": {}},
    }


def test_diff(recorded: Path, tmp_path: Path) -> None:
    same = run_hpccompat("--config", recorded, "features", "diff", "zen1", "zen1")
    assert (same.returncode, same.stdout) == (0, "")
    done = run_hpccompat("--output", "json", "--config", recorded, "features", "diff", "zen1", "eth1")
    assert done.returncode == 1
    rows = json.loads(done.stdout)
    assert {"set": "kernel.loadedmodule", "element": "mlx5_ib", "first": "there", "second": None} in rows
    assert {"set": "system.name", "element": "nodename", "first": "zen1", "second": "eth1"} in rows
    assert {row["set"] for row in rows} == {"kernel.loadedmodule", "pci.device", "system.name"}
    table = run_hpccompat("--config", recorded, "features", "diff", "zen1", "eth1")
    assert "mlx5_ib" in table.stdout
    file = tmp_path / "zen.json"
    file.write_text(json.dumps(dump_features(discover(HOSTS / ZEN, "zen1").features)))
    assert run_hpccompat("--config", recorded, "features", "diff", "zen1", file).returncode == 0
    assert run_hpccompat("--config", recorded, "features", "diff", "zen1").returncode == 1, "this host is another"
    assert run_hpccompat("--config", recorded, "features", "diff", "nosuch", "zen1").returncode == 2
    assert run_hpccompat("--config", recorded, "features", "diff", "zen1", "./nosuch.json").returncode == 2


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_import_of_a_node_feature_list(config: Path, tmp_path: Path, form: str) -> None:
    label = {"labels": {"nfd.node.kubernetes.io/node-name": "k2"}}
    extra = {"attributes": {"local.feature": {"elements": {"rack": "7"}}}}
    data = {"kind": "List", "items": [node_feature("k1", NFD), node_feature("x", NFD, **label),
                                      node_feature("y", extra, **label)]}  # fmt: skip
    file = tmp_path / f"list.{form}"
    file.write_text(json.dumps(data, indent=1) if form == "json" else yaml.safe_dump(data))
    done = run_hpccompat("--config", config, "features", "import", file)
    assert done.returncode == 0, done.stderr
    store = Store(tmp_path / "store")
    assert store.names() == ("k1", "k2")
    assert store.read("k2").features.attributes["local.feature"] == {"rack": "7"}
    assert store.read("k2").features.attributes["kernel.version"] == {"major": "5", "full": "5.14.0"}
    assert "hpc.microarchitecture.compatible" in store.read("k1").features.flags
    again = run_hpccompat("--config", config, "features", "import", file)
    assert "k1: nothing new" in again.stderr


def test_import_of_an_export_needs_a_name(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_text(json.dumps(NFD))
    assert "give --node" in run_hpccompat("--config", config, "features", "import", file).stderr
    assert run_hpccompat("--config", config, "features", "import", "--node", "n7", file).returncode == 0
    done = run_hpccompat("--config", config, "check", "--spec", "/dev/stdin", "--node", "n7", input=(
        "version: v1alpha1\ncompatibilities: [{rules: [{name: r, matchFeatures: [{feature: pci.device,"
        " matchExpressions: {vendor: {op: In, value: ['10de']}}}]}]}]\n"
    ))  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_records_travel(recorded: Path, tmp_path: Path) -> None:
    """What show prints, import takes."""
    shown = run_hpccompat("--config", recorded, "features", "show", "zen1")
    other = tmp_path / "other.toml"
    other.write_text(f'store = "{tmp_path}/other"\n')
    done = run_hpccompat("--config", other, "features", "import", "-", input=shown.stdout)
    assert done.returncode == 0, done.stderr
    assert Store(tmp_path / "other").read("zen1").features == Store(tmp_path / "store").read("zen1").features


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "NoneType"),
        ("[1, 2]", "list"),
        ("{", "line 2"),
        ("kind: List\n", "without items"),
        ("kind: List\nitems: [1]\n", "items[0]: not an object"),
        ("kind: Pod\nspec: {}\n", "neither a node record nor NFD Features"),
        (json.dumps({"flags": {"a": 1}}), "flags.a"),
        (json.dumps(node_feature("../../etc/passwd", NFD)), "can't be a node's name"),
        ("a: &a [1]\nb: [" + "*a, " * 200 + "]\n", "alias"),
        ("x" * (17 * 1024 * 1024), "more than"),
    ],
)
def test_what_cannot_be_imported(config: Path, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "bad"
    file.write_text(text)
    done = run_hpccompat("--config", config, "features", "import", file)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "store").exists()


def test_prune(recorded: Path, tmp_path: Path) -> None:
    nodes = tmp_path / "store" / "nodes"
    old = time.time() - 40 * 86400
    os.utime(nodes / "zen2.json", (old, old))
    (nodes / ".zen1.123-abc").write_text("torn")
    os.utime(nodes / ".zen1.123-abc", (old, old))
    (nodes / ".zen1.124-abc").write_text("just being written")
    for words, status in ((), 2), (("--older", "soon"), 2), (("nosuch",), 2), (("zen[1-",), 2):
        assert run_hpccompat("--config", recorded, "features", "prune", *words).returncode == status, words
    dry = run_hpccompat("--config", recorded, "features", "prune", "--older", "30d", "--dry-run")
    assert dry.stdout == "zen2: would be removed\n"
    assert (nodes / "zen2.json").exists()
    done = run_hpccompat("--config", recorded, "features", "prune", "--older", "30d")
    assert (done.returncode, done.stdout) == (0, "zen2: removed\n")
    assert sorted(file.name for file in nodes.iterdir()) == [".zen1.124-abc", "eth1.json", "zen1.json"]
    assert run_hpccompat("--config", recorded, "features", "prune", "zen1", "--older", "1d").stdout == ""
    assert run_hpccompat("--config", recorded, "features", "prune", "zen[1],eth1").returncode == 0
    assert Store(tmp_path / "store").names() == ()
