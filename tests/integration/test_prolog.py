"""The prolog never fails a node, and collects under a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cluster.site import HOSTS, HPCCOMPAT, PROJECT, Site

PROLOG = PROJECT / "slurm" / "prolog.d" / "50-hpccompat"


def run_prolog(tmp_path: Path, defaults: str, env: Mapping[str, str]) -> float:
    """Runs it as slurmd does, without a PATH; asserts that it succeeds; the seconds it took."""
    (tmp_path / "default").write_text(defaults)
    started = time.monotonic()
    done = subprocess.run(
        [str(PROLOG), str(tmp_path / "default")],
        env=dict(env), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    return time.monotonic() - started


def configured(tmp_path: Path, settings: str = "") -> str:
    config = tmp_path / "config.toml"
    host = HOSTS / "zen3-rocky9-infiniband"
    config.write_text(f'store = "{tmp_path}/store"\nhost_root = "{host}"\n{settings}\n')
    return f"HPCCOMPAT={HPCCOMPAT}\nHPCCOMPAT_CONFIG={config}\n"


def test_it_writes_the_nodes_record(tmp_path: Path) -> None:
    run_prolog(tmp_path, configured(tmp_path), {"SLURMD_NODENAME": "zen1"})
    record = json.loads((tmp_path / "store" / "nodes" / "zen1.json").read_text())
    assert (record["apiVersion"], record["kind"], record["node"]) == ("hpccompat/v1", "NodeRecord", "zen1")
    assert record["features"]["attributes"]["cpu.model"]["elements"]["vendor_id"] == "AMD"
    assert record["errors"] == {}
    assert record["bootID"]
    assert record["collected"].endswith("Z")


@pytest.mark.parametrize(
    "defaults",
    [
        "HPCCOMPAT=/nonexistent/hpccompat\n",
        "HPCCOMPAT=/bin/false\n",
        "HPCCOMPAT=/etc/passwd\n",
        "this is not a shell script (\n",
        "exit 1\n",
        "",
    ],
)
def test_whatever_is_wrong_it_succeeds(tmp_path: Path, defaults: str) -> None:
    run_prolog(tmp_path, defaults, {"SLURMD_NODENAME": "zen1"})


@pytest.mark.parametrize("env", [{}, {"SLURMD_NODENAME": ""}, {"SLURMD_NODENAME": "a/b"}, {"SLURMD_NODENAME": "-x"}])
def test_a_wrong_name_collects_nothing(tmp_path: Path, env: dict[str, str]) -> None:
    run_prolog(tmp_path, configured(tmp_path), env)
    assert not (tmp_path / "store").exists()


def test_a_collector_that_hangs_is_stopped(tmp_path: Path) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\ntrap '' TERM\nsleep 20\n")
    hanging.chmod(0o755)
    defaults = configured(tmp_path, "collect_timeout = 1").replace(str(HPCCOMPAT), str(hanging))
    assert run_prolog(tmp_path, defaults, {"SLURMD_NODENAME": "zen1"}) < 5


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    run_prolog(tmp_path, configured(tmp_path), {"SLURMD_NODENAME": "zen1"})


def test_nodes_stay_up_while_the_prolog_has_nothing_to_run(site: Site, tmp_path: Path) -> None:
    defaults = site.directory / "etc" / "default"
    kept = defaults.read_text()
    try:
        defaults.write_text("HPCCOMPAT=/nonexistent\n")
        job = site.slurm.run("sbatch", f"--nodes={len(site.nodes)}", "-o/dev/null", "--wrap", "true")
        assert site.slurm.wait_for_job(job.stdout.split()[-1])["JobState"] == "COMPLETED"
    finally:
        defaults.write_text(kept)
    states = site.slurm.run("sinfo", "-h", "-N", "-p", "all", "-o", "%T").stdout.split()
    assert not [state for state in states if "drain" in state or "down" in state]


def test_collecting_twice_replaces_only_what_changed(tmp_path: Path) -> None:
    defaults = configured(tmp_path)
    run_prolog(tmp_path, defaults, {"SLURMD_NODENAME": "zen1"})
    record = tmp_path / "store" / "nodes" / "zen1.json"
    before, inode = record.read_bytes(), record.stat().st_ino
    os.utime(record, (1, 1))
    run_prolog(tmp_path, defaults, {"SLURMD_NODENAME": "zen1"})
    assert (record.read_bytes(), record.stat().st_ino) == (before, inode)
    assert record.stat().st_mtime > 1, "it was seen"
    assert [file.name for file in record.parent.iterdir()] == ["zen1.json"]
