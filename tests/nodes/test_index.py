"""The index: what it holds, what is told of a broken one, how it is replaced, what a query reads."""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpccompat.errors import StoreError
from hpccompat.features.model import Features
from hpccompat.nodes import index as index_module
from hpccompat.nodes import indexing
from hpccompat.nodes.index import FILE, Index, encoded, open_index, pack_runs, unpack_runs
from hpccompat.nodes.indexing import GENERATIONS, PASS_INTERVAL, status, write_index
from hpccompat.nodes.record import NodeRecord, record_digest
from hpccompat.nodes.store import Store
from hpccompat.nodes.table import NOT_REPORTED, Group
from tests.integration.line import SOLVER, run_hpccompat


def record(name: str, major: str = "5", **more: str) -> NodeRecord:
    return NodeRecord(
        name,
        Features(
            {"cpu.cpuid": frozenset({"SSE", "AVX2"})},
            {
                "kernel.version": {"major": major, **more},
                "system.name": {"nodename": name},
                "system.dmiid": {"sys_vendor": "V", "chassis_asset_tag": f"T{name}"},
            },
            {"usb.device": ({"class": "09", "serial": f"S{name}"}, {"class": "03"})},
        ),
        collected="2026-01-01T00:00:00Z",
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    for name in ("n1", "n2", "n3", "n10"):
        store.write(record(name, "4" if name == "n3" else "5"))
    write_index(store)
    return store


def opened(store: Store) -> Index:
    index = open_index(store)
    assert index is not None
    return index


def majors(store: Store) -> dict[str, str]:
    """Node -> its kernel's major version, or why it isn't known."""
    found = {}
    for group in opened(store).groups({"kernel.version"}):
        for name in group.nodes:
            features = group.features
            found[name] = (features.attributes["kernel.version"] or {})["major"] if features else group.reason
    return found


def test_nodes_of_equal_values_are_one_group(store: Store) -> None:
    groups = list(opened(store).groups({"kernel.version", "cpu.cpuid", "usb.device"}))
    assert [group.nodes for group in groups] == [("n1", "n2", "n10"), ("n3",)]
    assert groups[0].features == Features(
        {"cpu.cpuid": frozenset({"SSE", "AVX2"})},
        {"kernel.version": {"major": "5"}},
        {"usb.device": ({"class": "09"}, {"class": "03"})},
    )


def test_what_differs_on_every_node_is_read_only_if_it_is_asked_for(store: Store) -> None:
    (one,) = opened(store).groups({"system.dmiid"})
    assert one.features is not None
    assert one.features.attributes == {"system.dmiid": {"sys_vendor": "V"}}
    each = {group.nodes: group.features for group in opened(store).groups({"system.dmiid"}, {"system.dmiid"})}
    assert len(each) == 4
    assert each["n2",] == Features(attributes={"system.dmiid": {"sys_vendor": "V", "chassis_asset_tag": "Tn2"}})
    serials = {group.nodes: group.features for group in opened(store).groups({"usb.device"}, {"usb.device"})}
    assert serials["n3",] == Features(instances={"usb.device": ({"class": "09", "serial": "Sn3"}, {"class": "03"})})


def test_values_that_are_alike_are_one_group(store: Store) -> None:
    store.write(record("n2", "5", minor="9"))
    write_index(store)
    apart = list(opened(store).groups({"kernel.version"}))
    assert [group.nodes for group in apart] == [("n1", "n10"), ("n2",), ("n3",)]

    def major(name: str, features: Features) -> str:
        return (features.attributes[name] or {})["major"]

    assert [group.nodes for group in opened(store).groups({"kernel.version"}, (), major)] == [
        ("n1", "n2", "n10"), ("n3",),
    ]  # fmt: skip


def test_nodes_without_a_record_and_with_a_broken_one(store: Store) -> None:
    (store.path / "nodes" / "n2.json").write_text("{torn")
    store.remove("n10")
    write_index(store, full=True)
    groups = {group.nodes: group for group in opened(store).table(["n1", "n2", "n10", "other"]).groups({"cpu.cpuid"})}
    assert groups["n1",].features is not None
    assert groups["n2",].reason.startswith("record of node n2 is unreadable: not JSON")
    assert groups["n10", "other"] == Group(("n10", "other"), None, reason=NOT_REPORTED)


def test_changes_since_are_read_from_the_records(store: Store) -> None:
    store.write(record("n1", "6"))
    store.write(record("new", "7"))
    assert sorted(opened(store).overlay) == ["n1", "new"]
    assert majors(store) == {"n1": "6", "new": "7", "n2": "5", "n3": "4", "n10": "5"}
    done = write_index(store)
    assert (done.read, done.nodes, done.left, done.full) == (2, 5, 0, False)
    assert not opened(store).overlay
    assert majors(store)["n1"] == "6"
    assert not write_index(store).replaced


def test_beyond_the_limit_nothing_is_known(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "OVERLAY_LIMIT", 2)
    for name in ("n1", "n10", "n2"):
        store.write(record(name, "6"))
    found = majors(store)
    assert (found["n1"], found["n10"], found["n3"]) == ("6", "6", "4")
    assert "changed since the index was built" in found["n2"]
    (group,) = [group for group in opened(store).groups({"cpu.cpuid"}) if "n2" in group.nodes]
    assert group.pending, "it has reported, and is not eligible"


def test_a_marker_whose_record_never_came_goes_after_an_hour(store: Store) -> None:
    marker = store.path / "changed" / f"n1~{'0' * 32}"
    marker.touch()
    assert write_index(store).left == 1
    assert majors(store)["n1"] == "5"
    os.utime(marker, (time.time() - PASS_INTERVAL - 5,) * 2)
    assert write_index(store).left == 0
    assert not marker.exists()


def test_a_marker_that_returns_is_young(store: Store) -> None:
    """A collector that writes again what an old marker stands for: the marker must not go as one of a record that
    never came."""
    marker = store.path / "changed" / f"n1~{record_digest(record('n1', '9'))}"
    marker.touch()
    os.utime(marker, (1, 1))
    store.write(record("n1", "9"))
    assert marker.stat().st_mtime > 1
    assert majors(store)["n1"] == "9"


@pytest.mark.parametrize("passed", [0.0, 1e12])
def test_a_clock_that_jumped_makes_all_records_be_looked_at(store: Store, passed: float) -> None:
    """A record that changed without a marker (somebody copied it there) is found by the next look at all files."""
    (store.path / "nodes" / "n1.json").write_text(
        (store.path / "nodes" / "n1.json").read_text().replace('"major":"5"', '"major":"66"')
    )
    assert majors(store)["n1"] == "5"
    assert not write_index(store).full
    build = indexing._last(store.path)
    build.passed = passed
    indexing.replace(store.path, build)
    done = write_index(store)
    assert (done.full, done.read) == (True, 1)
    assert majors(store)["n1"] == "66"


def test_a_node_that_vanishes_goes_with_the_next_look(store: Store) -> None:
    store.remove("n2")
    assert write_index(store, full=True).nodes == 3
    assert set(majors(store)) == {"n1", "n3", "n10"}


def test_a_record_that_is_removed_is_gone_at_once(store: Store) -> None:
    store.remove("n2")
    groups = {group.nodes: group.reason for group in opened(store).table(["n1", "n2"]).groups({"cpu.cpuid"})}
    assert groups == {("n1",): "", ("n2",): NOT_REPORTED}
    done = write_index(store)
    assert (done.nodes, done.left) == (3, 0)
    store.write(record("n2", "8"))
    store.remove("n2")
    store.write(record("n2", "9"))
    assert majors(store)["n2"] == "9"
    assert write_index(store).nodes == 4
    assert majors(store)["n2"] == "9"


def test_several_generations_are_kept(store: Store) -> None:
    reader = opened(store)
    for number in range(6):
        store.write(record("n1", str(number)))
        write_index(store)
    assert len(list(store.path.glob(f"{FILE}.*"))) == GENERATIONS
    assert [group.nodes for group in reader.groups({"kernel.version"})] == [("n1", "n2", "n10"), ("n3",)]


def test_there_is_one_writer(store: Store) -> None:
    with (store.path / ".index.lock").open("r+b") as lock:
        pid = os.fork()
        if pid == 0:  # locks are a process's
            fcntl.lockf(lock, fcntl.LOCK_EX)
            time.sleep(20)
            os._exit(0)
        try:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                try:
                    write_index(store)
                except StoreError as error:
                    assert "another hpccompat index" in str(error)  # noqa: PT017
                    break
                time.sleep(0.01)
            else:
                pytest.fail("two writers at once")
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
    write_index(store)


def test_what_a_killed_writer_left_is_no_matter(store: Store) -> None:
    (store.path / f".{FILE}.new").write_bytes(b"half an index")
    (store.path / f".{FILE}.new-journal").write_bytes(b"")
    store.write(record("n1", "6"))
    write_index(store)
    assert majors(store)["n1"] == "6"
    assert not list(store.path.glob(f".{FILE}.new*"))


# -- damage


def test_an_index_of_another_format(store: Store) -> None:
    with sqlite3.connect(store.path / FILE) as connection:
        connection.execute("PRAGMA user_version=7")
    with pytest.raises(StoreError, match="has format 7, this version reads 1: run hpccompat index"):
        open_index(store)
    assert write_index(store).read == 4, "the writer begins anew"
    assert majors(store)["n1"] == "5"


def test_damage_is_told_and_never_answers_wrongly(store: Store) -> None:
    """Every kind of damage to the file: the answer is the same, or an error that says what to do."""
    whole = (store.path / FILE).read_bytes()
    truth = majors(store)
    chance = random.Random(7)
    damaged = [whole[:length] for length in (0, 1, 50, 100, 4096, 65536, 65537, len(whole) - 1)]
    used = [at for at in range(0, len(whole)) if whole[at]]
    for _ in range(300):
        at = chance.choice(used)
        damaged.append(whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :])
    told = 0
    for data in damaged:
        (store.path / FILE).write_bytes(data)
        try:
            assert majors(store) == truth
        except StoreError as error:
            told += 1
            assert str(store.path / FILE) in str(error)  # noqa: PT017
            assert "run hpccompat index" in str(error) or "hpccompat index --full" in str(error)  # noqa: PT017
    assert told > 50
    write_index(store, full=True)
    assert majors(store) == truth


def test_a_damaged_index_at_the_command_line(store: Store, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'store = "{store.path}"\n')
    assert run_hpccompat("--config", config, "index", "--status").returncode == 0
    (store.path / FILE).write_bytes(b"not SQLite at all" * 1000)
    for words in (("check", "--spec", SOLVER, "--all"), ("index", "--status")):
        done = run_hpccompat("--config", config, *words)
        assert (done.returncode, "hpccompat index --full" in done.stderr) == (3, True), done.stderr
    done = run_hpccompat("--config", config, "index")
    assert (done.returncode, "4 records read" in done.stderr) == (0, True), done.stderr
    shown = json.loads(run_hpccompat("--config", config, "--output", "json", "index", "--status").stdout)
    assert (shown["nodes"], shown["markers"], shown["sets"]["kernel.version"]["values"]) == (4, 0, 2)
    assert status(store)["nodes"] == 4
    missing = run_hpccompat("--config", config, "index", "--status", env={})
    assert missing.returncode == 0
    (tmp_path / "other.toml").write_text(f'store = "{tmp_path}/nothing"\n')
    missing = run_hpccompat("--config", tmp_path / "other.toml", "index", "--status")
    assert (missing.returncode, "run hpccompat index" in missing.stderr) == (3, True)


def test_watching(store: Store, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'store = "{store.path}"\n')
    command = [sys.executable, "-m", "hpccompat", "--config", config, "index", "--watch", "0.1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stderr is not None
        assert "4 nodes" in watching.stderr.readline()
        store.write(record("n1", "6"))
        end = time.monotonic() + 10
        while opened(store).overlay and time.monotonic() < end:
            time.sleep(0.02)
        watching.terminate()
    assert not opened(store).overlay
    assert majors(store)["n1"] == "6"


# -- pieces


def test_everybody_can_read_the_index(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    mask = os.umask(0o077)
    try:
        store.write(record("n1"))
        write_index(store)
        store.write(record("n1", "6"))
    finally:
        os.umask(mask)
    modes = {each.name: oct(each.stat().st_mode & 0o777) for each in store.path.iterdir()}
    assert (modes["changed"], modes[FILE], modes["generation"]) == ("0o755", "0o644", "0o644")
    (store.path / "changed").chmod(0o777)
    with pytest.raises(StoreError, match="can be written by others"):
        store.write(record("n1", "7"))


def test_runs() -> None:
    for numbers in ([], [0], [1, 1, 2, 0, 0, 1], list(range(100))):
        assert unpack_runs(pack_runs(numbers)) == numbers


def test_an_encoded_set_is_the_set(store: Store) -> None:
    features = Features(
        {"both": None, "cpu.cpuid": frozenset()},
        {"both": {"a": "1"}, "system.name": {"nodename": "x"}, "null": None},
        {"both": ({}, {"ä": "\u2028\n"})},
    )
    for name in features.names():
        value, side = encoded(features, name)
        assert index_module.decoded(name, value, side) == features.only({name})
        assert b"nodename" not in value


STRACE = shutil.which("strace")


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_a_query_costs_few_file_operations(tmp_path: Path) -> None:
    """On a file system over the network each one is a round trip: at 5,000 nodes of 40 kinds, those on the store."""
    store = Store(tmp_path / "store")
    store.check()
    (store.path / "changed").mkdir()
    build = indexing.Build()
    for number in range(5000):
        kind = f"{number // 125}"
        modules = frozenset({f"module_{each}_{kind}" for each in range(150)})
        features = Features({"kernel.loadedmodule": modules}, {"kernel.version": {"major": "5", "minor": kind}})
        indexing.add(build, NodeRecord(f"n{number:04d}", features))
    indexing.replace(store.path, build)
    query = (
        "import sys\nfrom pathlib import Path\nfrom hpccompat.nodes.index import open_index\n"
        "from hpccompat.nodes.store import Store\nfrom hpccompat.plan.selection import select\n"
        "from hpccompat.spec.decode import load_spec\n"
        "spec, store = load_spec(Path(sys.argv[1]).read_bytes()), Store(Path(sys.argv[2]))\n"
        "print(len(select(spec, open_index(store)).verdicts))"
    )
    log = tmp_path / "strace"
    done = subprocess.run(
        [
            str(STRACE), "-f", "-y", "-e", "trace=%file,%desc", "-o", log,
            sys.executable, "-c", query, SOLVER, store.path,
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "5000\n"
    calls = [line.split(None, 1)[1] for line in log.read_text().splitlines() if str(store.path) in line]
    calls = [call for call in calls if not call.startswith("execve")]
    counts = {name: sum(call.startswith(name) for call in calls) for name in ("openat", "pread64", "getdents64")}
    assert counts["openat"] == 2, "the folder of markers, and the index"
    assert counts["getdents64"] == 2
    assert counts["pread64"] <= 8
    assert len(calls) <= 30, calls
    assert not re.search(r"fcntl.*F_SETLK", "\n".join(calls)), "no locks"
