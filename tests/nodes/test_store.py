"""Records, the store, hostlists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ClusterShell.NodeSet import NodeSet
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import RecordError, StoreError, UsageError
from hpccompat.features.model import Features
from hpccompat.nodes.hostlist import expand, fold
from hpccompat.nodes.record import NodeRecord, dump_record, failed, load_record, node_name
from hpccompat.nodes.store import Store

FEATURES = Features(
    {"cpu.cpuid": frozenset({"AVX2", "SSE"}), "x.nil": None},
    {"kernel.version": {"full": "5.14", "ä": "\u2028"}, "y.nil": None},
    {"pci.device": ({"vendor": "15b3"}, {}), "z.none": ()},
)
RECORD = NodeRecord("n1", FEATURES, {"gpu": "no\nluck"}, "2026-01-01T00:00:00Z", "boot", "hpccompat 0")

NAMES = st.text("abc:/.\n\u2028\x00é ", max_size=4)
ALL_FEATURES = st.builds(
    Features,
    st.dictionaries(NAMES, st.none() | st.frozensets(NAMES, max_size=3), max_size=3),
    st.dictionaries(NAMES, st.none() | st.dictionaries(NAMES, NAMES, max_size=3), max_size=3),
    st.dictionaries(NAMES, st.lists(st.dictionaries(NAMES, NAMES, max_size=2), max_size=2).map(tuple), max_size=3),
)


@given(ALL_FEATURES)
def test_what_is_written_is_read_again(features: Features) -> None:
    record = NodeRecord("n", features, {"cpu": "x"}, "t", "b", "c")
    assert load_record(dump_record(record), "n") == record


def test_what_other_tools_write_is_a_record_too() -> None:
    bare = json.loads(dump_record(RECORD))["features"]
    assert load_record(json.dumps(bare), "n7") == NodeRecord("n7", FEATURES)
    node_feature = {"apiVersion": "nfd.k8s-sigs.io/v1alpha1", "kind": "NodeFeature", "spec": {"features": bare}}
    assert load_record(json.dumps(node_feature), "n7") == NodeRecord("n7", FEATURES)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "neither a node record nor NFD Features"),
        ('{"attributes": {"a": {"elements": {"x": 5}}}}', "attributes.a.elements.x: must be a string, not a number"),
        ('{"flags": []}', "flags: must be a mapping, not a list"),
        (dump_record(RECORD)[:-40], "not JSON"),
        (dump_record(RECORD).replace("hpccompat/v1", "hpccompat/v9"), "must be 'hpccompat/v1', not 'hpccompat/v9'"),
        (dump_record(RECORD).replace('"n1"', '"n2"'), "is the record of 'n2', not of 'n1'"),
        ('{"apiVersion": "hpccompat/v1", "kind": "NodeRecord", "node": "n1"}', "features: is missing"),
        (b'{"flags": "\xff"}', "not JSON"),
    ],
)
def test_wrong_records_are_told(text: str | bytes, named: str) -> None:
    with pytest.raises(RecordError) as error:
        load_record(text, "n1")
    assert named in str(error.value)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "-x", ".hidden", "a b", "a\n", "ä", "x" * 255, "a\x00"])
def test_what_can_not_be_a_nodes_name(name: str) -> None:
    with pytest.raises(RecordError):
        node_name(name)


def test_a_failed_source_owns_its_feature_sets() -> None:
    sources = {"cpu": "", "hpc.gpu": ""}
    assert [failed(name, sources) for name in ("cpu.model", "cpuset.x", "hpc.gpu", "hpc.gpu.x", "hpc.gpus", "pci")] == [
        True, False, True, True, False, False,
    ]  # fmt: skip


def test_a_record_is_replaced_as_a_whole_and_only_if_it_changed(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert store.write(RECORD)
    assert store.read("n1") == RECORD
    later = NodeRecord("n1", FEATURES, RECORD.errors, "2027-01-01T00:00:00Z", "other boot", "hpccompat 1")
    assert not store.write(later)
    assert store.read("n1") == RECORD
    assert store.write(NodeRecord("n1", Features()))
    assert store.names() == ("n1",)
    (tmp_path / "store" / "nodes" / "n1.json").write_text("torn {")
    assert store.write(RECORD), "an unreadable record is replaced"
    assert store.read("n1") == RECORD


def test_a_failing_write_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.write(RECORD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        store.write(NodeRecord("n1", Features()))
    assert store.read("n1") == RECORD
    assert [file.name for file in (tmp_path / "nodes").iterdir()] == ["n1.json"]


def test_groups_of_a_table(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(RECORD)
    known, unknown = store.table(["n1", "n2"]).groups({"cpu.cpuid"})
    assert known.features == Features({"cpu.cpuid": frozenset({"AVX2", "SSE"})})
    assert known.errors == RECORD.errors
    assert (unknown.nodes, unknown.features, unknown.reason) == (("n2",), None, "not reported yet")


def test_a_missing_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        Store(tmp_path / "nothing").names()


@given(st.sets(st.from_regex(r"[a-z]{1,3}[0-9]{0,3}(-[0-9]{1,2})?", fullmatch=True), max_size=20))
def test_hostlists_mean_their_names(names: set[str]) -> None:
    assert set(expand(fold(names))) == names


def test_only_what_slurm_can_read_is_folded() -> None:
    assert fold(["n1-ib", "n2-ib", "n3", "n4"]) == "n1-ib,n2-ib,n[3-4]"
    assert expand("n1, n2 n[4-5],,n7-ib,") == ("n1", "n2", "n4", "n5", "n7-ib")


@pytest.mark.parametrize("text", ["n[1-", "n[a-b]", "@group", "n1!n2", "n*", "n[1-3]]"])
def test_what_is_not_a_hostlist(text: str) -> None:
    with pytest.raises(UsageError):
        expand(text)


@given(
    st.lists(
        st.builds("{}{}".format, st.sampled_from(["n", "n0", "r1n", "x-"]), st.integers(0, 120)),
        max_size=30,
        unique=True,
    )
)
def test_hostlists_mean_what_clustershell_makes_of_them(names: list[str]) -> None:
    folded = fold(names)
    assert set(NodeSet(folded)) == set(names)
    assert set(expand(str(NodeSet.fromlist(names)))) == set(names)


def test_hostlists_are_bounded() -> None:
    with pytest.raises(UsageError, match="more than 1000000 nodes"):
        expand("n[1-99999999999999999999999]")
    with pytest.raises(UsageError, match="more than 1000000 nodes"):
        expand("r[1-2000]n[1-2000]")
    with pytest.raises(UsageError, match="more than 1000000 nodes"):
        expand(",".join(["n[1-999999]"] * 3))
    assert fold(f"n{number}" for number in range(100000)) == "n[0-99999]"
    assert fold(["n08", "n9", "n10", "n009", "n011"]) == "n[08,9,009,10,011]"
    assert expand("r[1-2]n[01-02]") == ("r1n01", "r1n02", "r2n01", "r2n02")
