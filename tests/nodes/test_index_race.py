"""Writers that are killed at any moment, readers and collectors all the while: no wrong answer, nothing lost, nothing
left behind that grows. `make race` runs it at full length."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from typing import Any

from hpccompat.errors import StoreError
from hpccompat.features.model import Features
from hpccompat.nodes.index import FILE, open_index
from hpccompat.nodes.indexing import GENERATIONS, write_index
from hpccompat.nodes.record import NodeRecord
from hpccompat.nodes.store import Store

KILLS = int(os.environ.get("HPCCOMPAT_TEST_KILLS", "25"))
READERS, COLLECTORS = 8, 50


def record(node: int, count: int) -> NodeRecord:
    return NodeRecord(f"n{node}", Features(attributes={"kernel.version": {"count": str(count)}}))


def collect(path: Path, node: int, begun: Any, done: Any, stop: Any) -> None:
    """One node's collector: it counts up, and says what it is about to write, and what is written."""
    store, chance = Store(path), random.Random(node)
    while not stop.is_set():
        begun[node] += 1
        store.write(record(node, begun[node]))
        done[node] = begun[node]
        time.sleep(chance.uniform(0.0, 0.3))


def read(path: Path, number: int, begun: Any, done: Any, stop: Any, answers: Any, wrong: Any) -> None:
    """Every node's count must lie between what was written before the query and what was begun after it."""
    store = Store(path)
    while not stop.is_set():
        least = list(done)
        try:
            index = open_index(store)
            assert index is not None
            found = {
                int(node[1:]): int((group.features.attributes["kernel.version"] or {})["count"])
                for group in index.groups({"kernel.version"})
                if group.features is not None
                for node in group.nodes
            }
        except StoreError as error:
            wrong.put(f"reader {number}: {error}")
            return
        most = list(begun)
        for node in range(COLLECTORS):
            if not least[node] <= found.get(node, -1) <= most[node]:
                wrong.put(f"reader {number}: n{node} {found.get(node)} is not in {least[node]}..{most[node]}")
        answers[number] += 1


def write(path: Path) -> None:
    while True:
        write_index(Store(path))


def test_killed_writers(tmp_path: Path) -> None:
    store, chance = Store(tmp_path / "store"), random.Random(5)
    for node in range(COLLECTORS):
        store.write(record(node, 0))
    write_index(store)
    fork = multiprocessing.get_context("fork")
    begun: SynchronizedArray[int] = fork.Array("i", COLLECTORS)
    done: SynchronizedArray[int] = fork.Array("i", COLLECTORS)
    answers: SynchronizedArray[int] = fork.Array("i", READERS)
    stop, wrong = fork.Event(), fork.Queue()
    others = [
        *(fork.Process(target=collect, args=(store.path, node, begun, done, stop)) for node in range(COLLECTORS)),
        *(fork.Process(target=read, args=(store.path, n, begun, done, stop, answers, wrong)) for n in range(READERS)),
    ]
    for each in others:
        each.start()
    sizes = []
    try:
        for _ in range(KILLS):
            writer = fork.Process(target=write, args=(store.path,))
            writer.start()
            time.sleep(chance.uniform(0.02, 0.3))
            assert writer.pid is not None
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()
            assert writer.exitcode == -signal.SIGKILL, "it ended by itself"
            sizes.append(len(list(store.path.glob(f"{FILE}.*"))))
    finally:
        stop.set()
        for each in others:
            each.join(30)
    assert wrong.empty(), wrong.get()
    assert min(answers) > 0
    written = write_index(store)
    assert written.nodes == COLLECTORS
    index = open_index(store)
    assert index is not None
    assert not index.overlay
    assert [store.read(f"n{node}").features for node in range(COLLECTORS)] == [
        record(node, done[node]).features for node in range(COLLECTORS)
    ]
    assert sorted(each.name for each in (store.path / "changed").iterdir()) == [".clock"]
    assert len(list(store.path.glob(f".{FILE}.new*"))) == 0
    assert len(list((store.path / "nodes").iterdir())) == COLLECTORS
    # A writer killed between the second name and the removal of old ones leaves one more, until the next one ends.
    assert max(sizes) <= GENERATIONS + 5
    assert len(list(store.path.glob(f"{FILE}.*"))) <= GENERATIONS + 1
