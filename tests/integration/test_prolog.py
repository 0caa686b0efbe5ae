"""The prolog never fails a node, collects under a time limit, and costs next to nothing while nothing changes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cluster.site import HOSTS, HPCCOMPAT, PROJECT, Site

PROLOG = PROJECT / "slurm" / "prolog.d" / "50-hpccompat"
ZEN1 = {"SLURMD_NODENAME": "zen1"}


def run_prolog(tmp_path: Path, defaults: str, env: Mapping[str, str] = ZEN1) -> float:
    """Runs it as slurmd does, without a PATH; asserts that it succeeds; the seconds it took."""
    (tmp_path / "default").write_text(f"HPCCOMPAT_STATE={tmp_path}/state\n{defaults}")
    started = time.monotonic()
    done = subprocess.run(
        [str(PROLOG), str(tmp_path / "default")],
        env=dict(env), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return time.monotonic() - started


def configured(tmp_path: Path, settings: str = "") -> str:
    config = tmp_path / "config.toml"
    host = HOSTS / "zen3-rocky9-infiniband"
    config.write_text(f'store = "{tmp_path}/store"\nhost_root = "{host}"\n{settings}\n')
    return f"HPCCOMPAT={HPCCOMPAT}\nHPCCOMPAT_CONFIG={config}\n"


def program(tmp_path: Path, text: str) -> str:
    """A script in the collector's place."""
    file = tmp_path / "program"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return f"HPCCOMPAT={file}\n"


def test_it_writes_the_nodes_record(tmp_path: Path) -> None:
    run_prolog(tmp_path, configured(tmp_path))
    record = json.loads((tmp_path / "store" / "nodes" / "zen1.json").read_text())
    assert (record["apiVersion"], record["kind"], record["node"]) == ("hpccompat/v1", "NodeRecord", "zen1")
    assert record["features"]["attributes"]["cpu.model"]["elements"]["vendor_id"] == "AMD"
    assert record["features"]["attributes"]["system.name"]["elements"]["nodename"] == "zen1"
    assert record["errors"] == {}
    assert record["bootID"]
    assert record["collected"].endswith("Z")
    assert (tmp_path / "state" / "zen1.errors").read_text() == ""


@pytest.mark.parametrize(
    "defaults",
    [
        "HPCCOMPAT=/nonexistent/hpccompat\n",
        "HPCCOMPAT=/bin/false\n",
        "HPCCOMPAT=/etc/passwd\n",
        "exit 1\n",
        "HPCCOMPAT=/bin/true\nHPCCOMPAT_STATE=/proc/nowhere\n",
        "HPCCOMPAT=/bin/true\nHPCCOMPAT_TIMEOUT=soon\nHPCCOMPAT_INTERVAL=-5\n",
        "HPCCOMPAT=/bin/true\nHPCCOMPAT_CONFIG=/nonexistent.toml\n",
        "HPCCOMPAT=/bin/true\n",
    ],
)
def test_whatever_is_wrong_it_succeeds(tmp_path: Path, defaults: str) -> None:
    run_prolog(tmp_path, defaults)


def test_defaults_that_are_no_shell_script(tmp_path: Path) -> None:
    (tmp_path / "default").write_text("this is not a shell script (\n")
    done = subprocess.run([str(PROLOG), str(tmp_path / "default")], env=ZEN1, capture_output=True, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("env", [{}, {"SLURMD_NODENAME": ""}, {"SLURMD_NODENAME": "a/b"}, {"SLURMD_NODENAME": "-x"}])
def test_a_wrong_name_collects_nothing(tmp_path: Path, env: dict[str, str]) -> None:
    run_prolog(tmp_path, configured(tmp_path), env)
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "state").exists()


def test_at_boot_the_name_is_the_one_that_slurm_gave_the_last_time(tmp_path: Path) -> None:
    defaults = configured(tmp_path)
    run_prolog(tmp_path, defaults, {})
    assert not (tmp_path / "store").exists()
    run_prolog(tmp_path, defaults)
    record = tmp_path / "store" / "nodes" / "zen1.json"
    record.unlink()
    (tmp_path / "state" / "zen1.stamp").unlink()
    run_prolog(tmp_path, defaults, {})
    assert record.exists()


@pytest.mark.parametrize("text", ["exec sleep 20", "trap '' TERM\nsleep 20 & wait\nsleep 20"])
def test_a_collector_that_hangs_is_stopped(tmp_path: Path, text: str) -> None:
    taken = run_prolog(tmp_path, program(tmp_path, text) + "HPCCOMPAT_TIMEOUT=1\n")
    assert taken < 5
    assert not (tmp_path / "state" / "zen1.stamp").exists()


def test_a_collector_that_nothing_can_kill_is_left_behind(tmp_path: Path) -> None:
    """As on a file system that hangs: even `timeout` doesn't come back. Here a function stands in its place."""
    more = "HPCCOMPAT_TIMEOUT=1\ntimeout() { exec sleep 20; }\n"
    assert 2 < run_prolog(tmp_path, more) < 6
    assert run_prolog(tmp_path, more) < 1, "no second one beside it"
    pid = int((tmp_path / "state" / "zen1.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    assert counted(tmp_path)


def test_what_the_collector_says_is_kept_for_the_admin(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    run_prolog(tmp_path, configured(tmp_path))
    assert "can't be used: Not a directory" in (tmp_path / "state" / "zen1.errors").read_text()
    assert not (tmp_path / "state" / "zen1.stamp").exists()


def counted(tmp_path: Path, env: Mapping[str, str] = ZEN1, more: str = "") -> bool:
    """Whether a run of the prolog starts the collector."""
    mark = tmp_path / "mark"
    run_prolog(tmp_path, program(tmp_path, f"touch {mark}") + more, env)
    there = mark.exists()
    mark.unlink(missing_ok=True)
    return there


def test_an_unchanged_node_starts_no_collector(tmp_path: Path) -> None:
    own = tmp_path / "state" / "zen1"
    assert counted(tmp_path)
    assert not counted(tmp_path)
    assert not counted(tmp_path, {}), "by the name of the last time"
    assert counted(tmp_path, {"SLURMD_NODENAME": "zen2"}), "another node on the same host"

    stamp, modules = own.with_suffix(".stamp"), own.with_suffix(".modules")
    boot, uptime, interval = stamp.read_text().split()
    assert interval == "3600"
    for text in (
        f"another-boot {uptime} {interval}",
        f"{boot} {int(uptime) - 3600} {interval}",
        f"{boot} {int(uptime) + 1000} {interval}",
        f"{boot} {uptime} 0",
        f"{boot} x y",
        f"{boot} $((1/0)) 3600",
        f"{boot} {'9' * 30} 3600",
        "",
    ):
        stamp.write_text(text + "\n")
        assert counted(tmp_path), text
        assert not counted(tmp_path)
    modules.write_text("a_module_that_was_unloaded\n" + modules.read_text())
    assert counted(tmp_path)
    assert not counted(tmp_path)
    modules.unlink()
    assert counted(tmp_path)


def test_the_interval_is_the_sites(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("collect_timeout=7\n  collect_interval = 120 # two minutes\n")
    assert counted(tmp_path, more=f"HPCCOMPAT_CONFIG={config}\n")
    assert (tmp_path / "state" / "zen1.stamp").read_text().split()[2] == "120"
    (tmp_path / "state" / "zen1.stamp").unlink()
    assert counted(tmp_path, more="HPCCOMPAT_INTERVAL=60\n")
    assert (tmp_path / "state" / "zen1.stamp").read_text().split()[2] == "60"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")
def test_a_state_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("zen1.errors", "zen1.pid", "zen1.modules.new", "node"):
        (tmp_path / "state" / name).symlink_to(victim)
    os.chown(tmp_path / "state", 65534, 65534)
    assert counted(tmp_path)
    assert counted(tmp_path), "without a stamp"
    assert victim.read_text() == "precious"


def test_a_failed_collector_leaves_no_stamp(tmp_path: Path) -> None:
    run_prolog(tmp_path, program(tmp_path, "exit 3"))
    assert counted(tmp_path)


def test_a_second_collector_does_not_start_while_one_hangs(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    pid = tmp_path / "state" / "zen1.pid"
    with subprocess.Popen(["sleep", "30"]) as hanging:
        fields = Path(f"/proc/{hanging.pid}/stat").read_text().rpartition(") ")[2].split()
        pid.write_text(f"{hanging.pid} {fields[19]}\n")
        assert not counted(tmp_path)
        pid.write_text(f"{hanging.pid} 1\n")  # another process has its number now
        assert counted(tmp_path)
        assert not pid.exists()
        hanging.kill()
    (tmp_path / "state" / "zen1.stamp").unlink()
    pid.write_text(f"{hanging.pid} {fields[19]}\n")
    assert counted(tmp_path), "it has ended"


def test_the_kill_switch(tmp_path: Path) -> None:
    more = f"HPCCOMPAT_CONFIG={tmp_path}/config.toml\n"
    (tmp_path / "disabled").touch()
    assert not counted(tmp_path, more=more)
    (tmp_path / "disabled").unlink()
    assert counted(tmp_path, more=more)


def test_collecting_twice_replaces_only_what_changed(tmp_path: Path) -> None:
    defaults = configured(tmp_path)
    run_prolog(tmp_path, defaults)
    record = tmp_path / "store" / "nodes" / "zen1.json"
    before, inode = record.read_bytes(), record.stat().st_ino
    os.utime(record, (1, 1))
    (tmp_path / "state" / "zen1.stamp").unlink()
    run_prolog(tmp_path, defaults)
    assert (record.read_bytes(), record.stat().st_ino) == (before, inode)
    assert record.stat().st_mtime > 1, "it was seen"
    assert [file.name for file in record.parent.iterdir()] == ["zen1.json"]


def test_the_units_start_what_is_shipped() -> None:
    """No systemd here to run them: the files name the prolog that docs/admin.md installs."""
    service = (PROJECT / "slurm" / "systemd" / "hpccompat-collect.service").read_text()
    assert f"ExecStart=/etc/slurm/prolog.d/{PROLOG.name}\n" in service


# -- on a real cluster

NODES = {"zen1": "zen3-rocky9-infiniband", "eth1": "zen3-rocky9-ethernet", "gpu1": "sapphirerapids-rocky9-h100"}


@pytest.fixture(scope="module")
def cluster(loopback: Path) -> Iterator[Site]:
    """Three nodes, none of which has reported."""
    site = Site(loopback / "prolog", NODES)
    try:
        site.start()
        yield site
    finally:
        site.stop()


def forget(site: Site) -> None:
    """As after a reboot: no node's stamp holds."""
    for stamp in site.state.glob("*.stamp"):
        stamp.unlink()


def job_on_all(site: Site) -> float:
    """A job on every node runs, and no node is drained; the seconds it took."""
    started = time.monotonic()
    job = site.slurm.run("sbatch", f"--nodes={len(NODES)}", "-o/dev/null", "--wrap", "true")
    assert job.returncode == 0, job.stderr
    assert site.slurm.wait_for_job(job.stdout.split()[-1])["JobState"] == "COMPLETED"
    taken = time.monotonic() - started
    site.slurm.daemons.wait_until(site.slurm.all_idle, "all nodes idle again")
    return taken


def repaired(site: Site) -> bool:
    """The next job on healthy nodes brings all records."""
    forget(site)
    job_on_all(site)
    return all(
        json.loads((site.store / "nodes" / f"{node}.json").read_text())["node"] == node
        and not (site.state / f"{node}.errors").read_text()
        for node in NODES
    )


def test_on_a_fresh_cluster_coverage_rises_with_each_job(cluster: Site) -> None:
    assert not cluster.store.exists()
    for count, node in enumerate(NODES, 1):
        job = cluster.hpccompat(
            "sbatch", "--compat-spec", str(PROJECT / "tests/data/specs/solver.yaml"), "-w", node, "-o/dev/null",
            "--wrap", "true",
        )  # fmt: skip
        if node == "zen1":  # nothing is known of any node: the job goes through, and says so
            assert job.returncode == 0, job.stderr
            assert "warning" in job.stderr
        else:
            job = cluster.slurm.run("sbatch", "-w", node, "-o/dev/null", "--wrap", "true")
        cluster.slurm.wait_for_job(job.stdout.split()[-1])
        shown = json.loads(cluster.hpccompat("--output", "json", "features", "show").stdout)
        assert len(shown) == count


def test_a_missing_store(cluster: Site) -> None:
    forget(cluster)
    cluster.store.rename(cluster.directory / "gone")
    cluster.store.write_text("no folder")  # nor can it be made
    job_on_all(cluster)
    cluster.store.unlink()
    assert repaired(cluster)


@pytest.mark.parametrize("state", ["read-only", "full"])
def test_a_store_that_cannot_be_written(cluster: Site, state: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    forget(cluster)
    job_on_all(cluster)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=1k,mode=755", "none", cluster.store], check=True)
    try:
        (cluster.store / "nodes").mkdir(mode=0o755)
        old = '{"apiVersion":"hpccompat/v1","kind":"NodeRecord","node":"zen1","features":{}}'
        (cluster.store / "nodes" / "zen1.json").write_text(old)
        if state == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", cluster.store], check=True)
        else:
            with (cluster.store / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
                while True:
                    ballast.write(bytes(4096))
        forget(cluster)
        job_on_all(cluster)
        assert (cluster.store / "nodes" / "zen1.json").read_text() == old, "the last record stays"
        assert [file.name for file in (cluster.store / "nodes").iterdir()] == ["zen1.json"]
        errors = (cluster.state / "zen1.errors").read_text()
        assert {"read-only": "Read-only file system", "full": "No space left on device"}[state] in errors
        if state == "read-only":
            subprocess.run(["mount", "-o", "remount,rw", cluster.store], check=True)
        else:
            (cluster.store / "ballast").unlink()
        assert repaired(cluster)
    finally:
        subprocess.run(["umount", cluster.store], check=True)


@pytest.mark.parametrize(
    "text", ["exit 1", "ulimit -c 0; kill -SEGV $$", "echo 'ModuleNotFoundError' >&2; exit 127", "exec sleep 60"]
)
def test_a_collector_that_is_broken_or_hangs(cluster: Site, tmp_path: Path, text: str) -> None:
    defaults = cluster.directory / "etc" / "default"
    kept = defaults.read_text()
    tmp_path.chmod(0o755)
    try:
        defaults.write_text(kept + program(tmp_path, text) + "HPCCOMPAT_TIMEOUT=1\n")
        forget(cluster)
        assert job_on_all(cluster) < 15
    finally:
        defaults.write_text(kept)
    assert repaired(cluster)


def test_as_health_check(loopback: Path) -> None:
    """Slurm runs it before the node registers and then at its interval, without PATH and SLURM_CONF."""
    site = Site(loopback / "health", {"zen1": "zen3-rocky9-infiniband"})
    site.slurm.prolog = None
    site.slurm.settings = [
        f"HealthCheckProgram={site.prolog}",
        "HealthCheckInterval=60",
        "HealthCheckNodeState=ANY,CYCLE",
    ]
    try:
        site.start()
        site.slurm.daemons.wait_until((site.store / "nodes" / "zen1.json").exists, "the record, without any job")
        assert (site.state / "node").read_text() == "zen1\n"
    finally:
        site.stop()
