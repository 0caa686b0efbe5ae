"""The index's one writer: takes changed records in, replaces the index as a whole, removes markers.

What it relies on, and keeps (architecture, "Store and index"): a collector leaves a marker before it renames its
record into place; a reader lists the markers before it opens the index; so a marker may only go once an index
that holds its record is in place. The writer may be killed at any point: until its rename the old index and all
markers are there, and after it they are only removed later.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hpccompat.errors import RecordError, StoreError
from hpccompat.nodes import generation
from hpccompat.nodes.hostlist import natural
from hpccompat.nodes.index import (
    DIGEST_SIZE,
    FILE,
    FORMAT,
    STATUS,
    connect,
    damaged,
    encoded,
    insert,
    markers,
    meta,
    node_names,
    one,
    pack_runs,
    pack_sides,
    rows,
    unpack_runs,
    unpack_sides,
)
from hpccompat.nodes.record import GONE, SIZE_LIMIT, NodeRecord, load_record, node_name, record_digest
from hpccompat.nodes.store import Store

# Seconds after which all record files are looked at, not only those with a marker; and after which a marker goes
# whose record never came.
PASS_INTERVAL = 3600.0
# Of old indexes, for readers on other hosts that still hold one open.
GENERATIONS = 3
_PAGE = 65536


@dataclass
class Entry:
    """One node: its values by feature set, its own elements, and the file that they were read from. Equal values are
    one object, and so are equal mappings: thousands of nodes have few."""

    values: Mapping[str, bytes]
    sides: Mapping[str, str]
    digest: bytes
    seen: float
    file: tuple[int, int]


@dataclass(frozen=True)
class Written:
    """What one run did: records read, nodes in the index, markers that are left, whether a new index was written, and
    whether all files were looked at."""

    read: int
    nodes: int
    left: int
    replaced: bool
    full: bool


@dataclass
class Build:
    entries: dict[str, Entry] = field(default_factory=dict)
    passed: float = 0.0
    read: int = 0
    interned: dict[bytes, bytes] = field(default_factory=dict)
    mappings: dict[tuple[tuple[str, int], ...], Mapping[str, bytes]] = field(default_factory=dict)

    def shared(self, values: Mapping[str, bytes]) -> Mapping[str, bytes]:
        same = {name: self.interned.setdefault(value, value) for name, value in values.items()}
        return self.mappings.setdefault(tuple((name, id(same[name])) for name in sorted(same)), same)


def write_index(
    store: Store, full: bool = False, progress: Callable[[int, int], None] = lambda done, of: None
) -> Written:
    """Takes in what has changed. `full`: reads every record, whatever the last index says. Raises StoreError."""
    with _one_writer(store), _saying(store):
        _make_room_for_markers(store.path)
        now = _servers_clock(store.path)
        pending = markers(store.path)
        build = Build() if full else _last(store.path)
        # A clock that has jumped back makes the last pass one of the future.
        everything = full or not 0 <= now - build.passed < PASS_INTERVAL
        before = {name: entry.digest for name, entry in build.entries.items()}
        if everything:
            _pass(store, build, full, progress)
            build.passed = now
        for node in pending:
            _take_in(store, build, node)
        replaced = everything or before != {name: entry.digest for name, entry in build.entries.items()}
        if replaced:
            replace(store.path, build)
        left = _clear(store.path, pending, build, now)
        return Written(build.read, len(build.entries), left, replaced, everything)


def status(store: Store) -> dict[str, object]:
    """What `hpccompat index --status` tells. Raises StoreError."""
    path = store.path / FILE
    if not path.exists():
        raise StoreError(f"the store has no index {path}: run hpccompat index")
    with damaged(path):
        connection = connect(path)
        for (check,) in connection.execute("PRAGMA quick_check"):
            if check != "ok":
                raise ValueError(check)
        passed, sets = meta(connection)
        sizes = {name: sum(map(len, rows(connection, "value", name).values())) for name in sets}
        names = node_names(connection)
    pending = sum(map(len, markers(store.path).values()))
    return {
        "file": str(path),
        "format": FORMAT,
        "bytes": path.stat().st_size,
        "built": path.stat().st_mtime,
        "passed": passed,
        "nodes": len(names),
        "markers": pending,
        "sets": {name: {"values": size.values, "bytes": sizes[name]} for name, size in sets.items() if name != STATUS},
    }


# -- reading records


def _pass(store: Store, build: Build, full: bool, progress: Callable[[int, int], None]) -> None:
    """Every record file: those that are another file than the last time are read, of the others only when they
    were last seen. Nodes whose file has gone go."""
    found: dict[str, os.stat_result] = {}
    with os.scandir(store.path / "nodes") as files:
        for each in files:
            if each.name.endswith(".json") and not each.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    found[each.name[:-5]] = each.stat()
    for name in build.entries.keys() - found.keys():
        del build.entries[name]
    for done, (name, stat) in enumerate(sorted(found.items()), 1):
        entry = build.entries.get(name)
        if full or entry is None or entry.file != (stat.st_ino, stat.st_size):
            _take_in(store, build, name)
        else:
            entry.seen = stat.st_mtime
        progress(done, len(found))


def _take_in(store: Store, build: Build, name: str) -> None:
    """Reads one record; a node whose record has gone is dropped, one with an unreadable record stays, with why."""
    build.read += 1
    try:
        path = store.path / "nodes" / f"{node_name(name)}.json"
        with path.open("rb") as opened:
            stat = os.fstat(opened.fileno())
            text = opened.read(SIZE_LIMIT + 1)
    except (FileNotFoundError, RecordError):
        build.entries.pop(name, None)
        return
    entry = _entry(name, text, stat)
    entry.values = build.shared(entry.values)
    build.entries[name] = entry


def _entry(name: str, text: bytes, stat: os.stat_result) -> Entry:
    file = (stat.st_ino, stat.st_size)
    try:
        record = load_record(text, name)
    except RecordError as error:
        reason = json.dumps({"reason": f"record of node {name} is unreadable: {error}"})
        return Entry({STATUS: reason.encode()}, {}, bytes(DIGEST_SIZE), stat.st_mtime, file)
    return _of_record(record, stat.st_mtime, file)


def _of_record(record: NodeRecord, seen: float, file: tuple[int, int]) -> Entry:
    values, sides = {}, {}
    for each in record.features.names():
        values[each], side = encoded(record.features, each)
        if side:
            sides[each] = side
    if record.errors:
        values[STATUS] = json.dumps({"errors": dict(sorted(record.errors.items()))}).encode()
    return Entry(values, sides, bytes.fromhex(record_digest(record)), seen, file)


def add(build: Build, record: NodeRecord) -> None:
    """Takes in a record that has no file."""
    entry = _of_record(record, 0, (0, 0))
    entry.values = build.shared(entry.values)
    build.entries[record.node] = entry


# -- the file


def _last(store: Path) -> Build:
    """The last index's contents; none where there is none, or it can't be used: then all records are read."""
    path = store / FILE
    build = Build()
    try:
        connection = connect(path)
        order = node_names(connection)
        digests, seen, files = one(connection, "part", "digests"), array("d"), array("Q")
        seen.frombytes(one(connection, "part", "seen"))
        files.frombytes(one(connection, "part", "files"))
        for number, name in enumerate(order):
            digest = digests[DIGEST_SIZE * number : DIGEST_SIZE * (number + 1)]
            build.entries[name] = Entry({}, {}, digest, seen[number], (files[2 * number], files[2 * number + 1]))
        of_node: list[dict[str, bytes]] = [{} for _ in order]
        sides: list[dict[str, str]] = [{} for _ in order]
        build.passed, sets = meta(connection)
        for name, size in sets.items():
            values = rows(connection, "value", name)
            for node, number in zip(of_node, unpack_runs(one(connection, "layout", name)), strict=True):
                if number:
                    node[name] = values[number]
            if size.side:
                for own, text in zip(sides, unpack_sides(one(connection, "side", name)), strict=True):
                    if text:
                        own[name] = text
        for name, each, own in zip(order, of_node, sides, strict=True):
            build.entries[name].values, build.entries[name].sides = build.shared(each), own
        connection.close()
    except (sqlite3.Error, zlib.error, StoreError, ValueError, KeyError, IndexError, TypeError):
        return Build()
    return build


def replace(store: Path, build: Build) -> None:
    """Writes the new index beside the old one, keeps the old one for those who read it, and renames."""
    path = store / FILE
    for old in store.glob(f".{FILE}.new*"):  # of a writer that was killed; there is only one at a time
        old.unlink()
    new = store / f".{FILE}.new"
    _write(new, build)
    with new.open("rb") as opened:
        os.fsync(opened.fileno())
    new.chmod(0o644)
    kept = sorted(store.glob(f"{FILE}.*"), key=lambda each: each.stat().st_mtime)
    if path.exists():
        # A second name for the same file: on NFS a reader elsewhere loses a file that has none.
        with contextlib.suppress(OSError):
            link = store / f"{FILE}.{os.urandom(4).hex()}"
            os.link(path, link)
            kept.append(link)
    os.replace(new, path)
    for old in kept[:-GENERATIONS]:
        old.unlink(missing_ok=True)
    generation.renew(store)


def _write(path: Path, build: Build) -> None:
    order = sorted(build.entries, key=natural)
    entries = [build.entries[name] for name in order]
    sets = sorted({name for entry in entries for name in entry.values})
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in (f"page_size={_PAGE}", "journal_mode=OFF", "synchronous=OFF", f"user_version={FORMAT}"):
            connection.execute(f"PRAGMA {pragma}")
        for table in ("part", "layout", "side", "value"):
            columns = "name TEXT, id INTEGER, data BLOB, crc INTEGER, PRIMARY KEY (name, id)"
            connection.execute(f"CREATE TABLE {table} ({columns}) WITHOUT ROWID")
        connection.execute("BEGIN")
        parts = {
            "names": "\n".join(order).encode(),
            "digests": b"".join(entry.digest for entry in entries),
            "seen": array("d", (entry.seen for entry in entries)).tobytes(),
            "files": array("Q", (number for entry in entries for number in entry.file)).tobytes(),
        }
        sizes = {}
        for name in sets:
            numbers: dict[bytes, int] = {}
            layout = [
                numbers.setdefault(entry.values[name], len(numbers) + 1) if name in entry.values else 0
                for entry in entries
            ]
            insert(connection, "layout", name, pack_runs(layout))
            for data, number in numbers.items():
                insert(connection, "value", name, data, number)
            sizes[name] = (len(numbers), any(name in entry.sides for entry in entries))
            if sizes[name][1]:
                insert(connection, "side", name, pack_sides([entry.sides.get(name, "") for entry in entries]))
        parts["meta"] = json.dumps({"passed": build.passed, "sets": sizes}).encode()
        for name, data in parts.items():
            insert(connection, "part", name, data)
        connection.execute("COMMIT")
    finally:
        connection.close()


# -- markers, clock, lock


def _clear(store: Path, pending: dict[str, set[str]], build: Build, now: float) -> int:
    """Removes the markers whose record is indexed, and those that are so old that their record never came (it was
    looked for just now); how many are left."""
    left = 0
    for node, digests in pending.items():
        indexed = build.entries[node].digest.hex() if node in build.entries else GONE
        for digest in digests:
            marker = store / "changed" / f"{node}~{digest}"
            try:
                if indexed == digest or now - marker.stat().st_mtime > PASS_INTERVAL:
                    marker.unlink()
                else:
                    left += 1
            except FileNotFoundError:
                continue
    return left


def _make_room_for_markers(store: Path) -> None:
    """From now on collectors leave them."""
    folder = store / "changed"
    if not folder.exists():
        folder.mkdir()
        folder.chmod(0o755)  # readers are users; the umask may say otherwise


def _servers_clock(store: Path) -> float:
    """The file server's time: records and markers carry it, and this host's may differ."""
    probe = store / "changed" / ".clock"
    probe.touch()
    return probe.stat().st_mtime


@contextlib.contextmanager
def _one_writer(store: Store) -> Iterator[None]:
    store.check()
    try:
        handle = os.open(store.path / ".index.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"the index can't be written: {error.strerror}: {error.filename}") from error
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreError(f"another hpccompat index is writing {store.path / FILE}") from error
    try:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _saying(store: Store) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        text = error.strerror if isinstance(error, OSError) else str(error)
        raise StoreError(f"the index {store.path / FILE} can't be written: {text}") from error
