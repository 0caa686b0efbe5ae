"""The spool, where anybody may write anything; and the child that reads it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from hpccompat.errors import StoreError
from hpccompat.features.model import Features
from hpccompat.nodes.indexing import write_index
from hpccompat.nodes.record import NodeRecord
from hpccompat.nodes.store import Store
from hpccompat.plan.requirement import Requirement, requirement
from hpccompat.slurm.evaluate import Limits, Task, evaluate
from hpccompat.slurm.labels import label_of, load_published
from hpccompat.slurm.memory import Memory, recall
from hpccompat.slurm.publish import Publisher
from hpccompat.slurm.spool import Entry, Spool
from hpccompat.spec.decode import load_spec

LIMITS = Limits(5, 30)


def needing(element: str, tags: tuple[str, ...] = (), chosen: int | None = None, more: str = "") -> Requirement:
    term = f"{{feature: a.b, matchExpressions: {{{element}: {{op: Exists}}}}}}"
    one = f"{{tag: one, rules: [{{matchFeatures: [{term}]}}]}}"
    two = "{tag: two, rules: [{matchFeatures: [{feature: c.d}]}]}"
    return requirement(load_spec(f"compatibilities: [{one}, {two}{more}]"), tags, chosen)


def heavy() -> Requirement:
    """One that keeps to all limits, and takes seconds: regular expressions that are slow to compile."""
    patterns = (f"{'(a|b|c.*)' * 400}{number}" for number in range(230))
    terms = (f"{{feature: a.b, matchName: {{op: InRegexp, value: ['{each}']}}}}" for each in patterns)
    return needing("none", more="".join(f", {{rules: [{{matchFeatures: [{each}]}}]}}" for each in terms))


@pytest.fixture
def folder(tmp_path: Path, loopback: Path) -> Path:
    """One that the child without rights may enter."""
    found = Path(
        subprocess.run(["mktemp", "-d", "-p", loopback], capture_output=True, text=True, check=True).stdout.strip()
    )
    found.chmod(0o755)
    (found / "spool" / "specs").mkdir(parents=True)
    return found


@pytest.fixture
def spool(folder: Path) -> Spool:
    return Spool(folder / "spool")


@pytest.fixture(params=["records", "index"])
def store(folder: Path, request: pytest.FixtureRequest) -> Store:
    store = Store(folder / "store")
    for name, element in (("n1", "x"), ("n2", "x"), ("n3", "z")):
        store.write(NodeRecord(name, Features(attributes={"a.b": {element: "1"}})))
    if request.param == "index":
        write_index(store)
    return store


def put(spool: Spool, id: str, text: str | bytes, random: str = "a", used: float = 0) -> Path:
    path = spool.folder / f"{id}.{os.getuid()}.{random}"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    if used:
        os.utime(path, (used, used))
    return path


def tasks(spool: Spool, *ids: str) -> list[Task]:
    return [Task(id, tuple(each for each in spool.names() if each.id == id)) for id in ids]


def test_entries_are_files_of_their_form_newest_first(spool: Spool) -> None:
    ids = [needing(each).id for each in "xyz"]
    now = time.time()
    for age, id in enumerate(ids):
        put(spool, id, "any", used=now - 1000 - age)
    later = put(spool, ids[2], "any", "later", used=now + 10**9)
    for name in ("x", f"{ids[0]}.1", f"{ids[0]}.1.a/b".replace("/", "-"), f"{ids[0].upper()}.1.a", f".{ids[0]}.1.a"):
        (spool.folder / name).touch()
    (spool.folder / f"{ids[0]}.1.folder").mkdir()
    os.mkfifo(spool.folder / f"{ids[0]}.1.pipe")
    (spool.folder / f"{ids[0]}.1.link").symlink_to("/etc/passwd")
    found = spool.names()
    assert [each.id for each in found] == [ids[2], *ids]
    assert found[0].name == later.name
    assert found[0].mtime <= time.time(), "nobody is used in the future"


def test_only_regular_files_of_at_most_a_mebibyte_are_read(spool: Spool) -> None:
    id = needing("x").id
    put(spool, id, b"x" * 2**20, "fits")
    put(spool, id, b"x" * (2**20 + 1), "huge")
    (spool.folder / f"{id}.1.link").symlink_to(spool.folder / f"{id}.{os.getuid()}.fits")
    os.mkfifo(spool.folder / f"{id}.1.pipe")
    assert len(spool.read(Entry(id, f"{id}.{os.getuid()}.fits", 0, 0))) == 2**20
    for name in (f"{id}.{os.getuid()}.huge", f"{id}.1.link", f"{id}.1.pipe", f"{id}.1.gone"):
        with pytest.raises(StoreError):
            spool.read(Entry(id, name, 0, 0))
    with pytest.raises(StoreError, match="spool"):
        Spool(spool.path / "none").names()


def test_unused_files_go_and_each_user_has_a_share(spool: Spool) -> None:
    now = time.time()
    ids = [f"{number:064x}" for number in range(10)]
    for age, id in enumerate(ids):
        put(spool, id, "any", used=now - 10 * age - 10)
    again = put(spool, ids[9], "any", "b", used=now - 1000)
    (spool.folder / "junk").touch()
    os.utime(spool.folder / "junk", (now - 7200, now - 7200))
    (spool.folder / "fresh").touch()
    assert spool.expire({ids[9]}, now - 65, 5) == 7
    assert [each.id for each in spool.names()] == [*ids[:4], ids[9]]
    assert not again.exists()
    assert sorted(each.name for each in spool.folder.iterdir() if "." not in each.name) == ["fresh"]


def test_requirements_are_evaluated_by_a_child_without_rights(store: Store, spool: Spool) -> None:
    found = [
        needing("x"), needing("z"), needing("x", tags=("two",)), needing("x", chosen=0), needing("x", chosen=1),
        needing("x", tags=("two",), chosen=0),
    ]  # fmt: skip
    for each in found:
        put(spool, each.id, each.dump())
    answers = evaluate(tasks(spool, *(each.id for each in found)), store, spool, LIMITS)
    assert [each.error for each in answers] == [""] * 6
    assert [sorted(each.nodes) for each in answers] == [["n1", "n2"], ["n3"], [], ["n1", "n2"], [], []]
    assert [each.id for each in answers] == [each.id for each in found]


def test_worthless_files_of_its_name_hide_no_requirement(store: Store, spool: Spool) -> None:
    good, other = needing("x"), needing("z")
    put(spool, good.id, good.dump(), "good", used=time.time() - 5000)
    for number in range(5):
        put(spool, good.id, other.dump(), f"lie{number}")
    put(spool, other.id, "{", "only")
    (answer, bad, none) = evaluate(tasks(spool, good.id, other.id, "0" * 64), store, spool, LIMITS)
    assert answer.nodes == {"n1", "n2"}
    assert bad.error
    assert not bad.bad
    assert "no file" in none.error


def test_a_requirement_that_hangs_costs_its_own_answer_alone(store: Store, spool: Spool, folder: Path) -> None:
    good, slow = needing("x"), heavy()
    for each in (good, slow):
        put(spool, each.id, each.dump())
    os.mkfifo(folder / "pipe.yaml")
    (folder / "fixed.yaml").write_text(json.dumps(json.loads(good.dump())["spec"]))
    listed = [Task(spec=str(folder / name)) for name in ("pipe.yaml", "fixed.yaml")]
    begun = time.monotonic()
    hung, late, fixed, fine = evaluate(
        [listed[0], *tasks(spool, slow.id), listed[1], *tasks(spool, good.id)], store, spool, Limits(0.5, 20)
    )
    assert time.monotonic() - begun < 10
    assert ("more than 0.5 s" in hung.error, hung.bad) == (True, True)
    assert ("more than 0.5 s" in late.error, late.bad) == (True, True)
    assert (fixed.id, fixed.nodes) == (good.id, frozenset({"n1", "n2"}))
    assert fine.nodes == {"n1", "n2"}


def test_what_is_not_reached_in_time_is_unclear(store: Store, spool: Spool, folder: Path) -> None:
    good = needing("x")
    put(spool, good.id, good.dump())
    os.mkfifo(folder / "pipe.yaml")
    listed = [Task(spec=str(folder / "pipe.yaml"))] * 5 + tasks(spool, good.id)
    answers = evaluate(listed, store, spool, Limits(0.2, 0.3))
    assert [each.bad for each in answers] == [True, True, False, False, False, False]
    assert answers[-1].unclear


def test_a_store_that_can_not_be_opened_is_no_answer(store: Store, spool: Spool) -> None:
    (store.path / "index.sqlite").write_bytes(b"no index")
    with pytest.raises(StoreError):
        evaluate([Task("0" * 64)], store, spool, LIMITS)


def test_verdicts_are_taken_again_while_the_index_is_the_same(store: Store, spool: Spool) -> None:
    good = needing("x")
    file = put(spool, good.id, good.dump())
    indexed = (store.path / "index.sqlite").exists()
    publisher = Publisher(store, spool)
    (task,) = tasks(spool, good.id)
    verdicts = publisher.verdicts
    assert verdicts.of([task], publisher)[0].nodes == {"n1", "n2"}
    file.unlink()
    assert bool(verdicts.of([task], publisher)[0].error) == (not indexed)
    file.write_text(good.dump())
    # A record that the index does not hold yet, and one that it does then.
    store.write(NodeRecord("n3", Features(attributes={"a.b": {"x": "1"}})))
    assert verdicts.of([task], publisher)[0].nodes == {"n1", "n2", "n3"}
    write_index(store)
    assert verdicts.of([task], publisher)[0].nodes == {"n1", "n2", "n3"}


def test_what_was_published_is_remembered(tmp_path: Path) -> None:
    a, b = needing("x").id, needing("z").id
    memory = Memory(12.5, {label_of(a): a}, frozenset({label_of(b)}), {b: 99.0}, {b: "it hung"}, {"7": 3.0})
    (tmp_path / "published.json").write_text(memory.dump())
    assert recall(tmp_path) == memory
    assert load_published(memory.dump().encode()).labels_for([a], 13) == (label_of(a),)
    for text in ("", memory.dump()[:-30], "[]", memory.dump().replace('"known"', '"knows"')):
        (tmp_path / "published.json").write_text(text)
        assert recall(tmp_path) == Memory()
    assert recall(tmp_path / "none") == Memory()
