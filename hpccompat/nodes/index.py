"""The index: all records of a store in one file, every distinct value of a feature set once.

`<store>/index.sqlite` holds a few large values only, so that a query over NFS or Lustre costs a few reads, and is
opened with `immutable=1`: no locks. It is written by one writer (`nodes.indexing`), which replaces the whole file.

    part    (name, id, data, crc)    meta; names, digests, …: of all nodes, in one order
    layout  (name, id, data, crc)    feature set -> which nodes have which of its values, as runs
    value   (name, id, data, crc)    feature set, number -> one of its values
    side    (name, id, data, crc)    feature set -> its elements that differ on every node (features.identity)

Every row has a checksum, and `meta` says which rows there are: damage is told, and never taken for an answer.

A reader lists `<store>/changed/` first, and then opens the index: a record that is written while the index is built
is in the one or in the other. The nodes named there are read from their records, as long as they are few.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from array import array
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hpccompat.errors import RecordError, StoreError
from hpccompat.features.identity import IDENTITY
from hpccompat.features.model import Features, merge
from hpccompat.nodes.record import GONE, NodeRecord
from hpccompat.nodes.store import Store
from hpccompat.nodes.table import NOT_REPORTED, Group

FORMAT = 1
FILE = "index.sqlite"
# Changed records that a query reads itself; of the nodes beyond them nothing is known until the index is built.
OVERLAY_LIMIT = 200
# The pseudo feature set of what is no feature: failed sources, or why a record can't be read.
STATUS = "*"
DIGEST_SIZE = 16

Runs = Sequence[tuple[int, int]]
"""(end, number) of runs of nodes with the same value, in the order of the nodes; 0 is "no such feature set"."""


def encoded(features: Features, name: str) -> tuple[bytes, str]:
    """One feature set of a node: its value without the elements that differ on every node, and these ("" for none)."""
    identity = IDENTITY.get(name, frozenset())
    value: dict[str, object] = {}
    side: dict[str, object] = {}
    if name in features.flags:
        flags = features.flags[name]
        value["f"] = None if flags is None else sorted(flags)
    if name in features.attributes:
        attributes = features.attributes[name]
        value["a"] = None if attributes is None else _without(attributes, identity)
        if attributes is not None and identity & attributes.keys():
            side["a"] = _only(attributes, identity)
    if name in features.instances:
        instances = features.instances[name]
        value["i"] = [_without(each, identity) for each in instances]
        if any(identity & each.keys() for each in instances):
            side["i"] = [_only(each, identity) for each in instances]
    return _text(value).encode(), _text(side) if side else ""


def decoded(name: str, value: bytes, side: str = "") -> Features:
    """The feature set again, as the node reported it."""
    data, more = json.loads(value), json.loads(side) if side else {}
    flags = {name: None if data["f"] is None else frozenset(data["f"])} if "f" in data else {}
    attributes = {}
    if "a" in data:
        attributes[name] = data["a"] if data["a"] is None else data["a"] | more.get("a", {})
    instances = {}
    if "i" in data:
        added = more.get("i") or [{}] * len(data["i"])
        instances[name] = tuple(each | its for each, its in zip(data["i"], added, strict=True))
    return Features(flags, attributes, instances)


def _without(mapping: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: mapping[name] for name in sorted(mapping) if name not in names}


def _only(mapping: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: mapping[name] for name in sorted(mapping) if name in names}


def _text(data: object) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class SetSize:
    """How many values a feature set has in the index, and whether it has elements that differ on every node."""

    values: int
    side: bool


@dataclass(frozen=True)
class Index:
    """An open index, and what has changed since it was built.

    `wanted`: the nodes that are asked for, None for all that are known. `overlay`: node -> its record, or why
    it can't be read; None for one that is beyond the limit.
    """

    path: Path
    connection: sqlite3.Connection
    names: Sequence[str]
    overlay: Mapping[str, NodeRecord | str | None]
    sets: Mapping[str, SetSize] = field(default_factory=dict)
    wanted: Collection[str] | None = None

    def table(self, names: Collection[str]) -> Index:
        """The same for these nodes alone."""
        return replace(self, wanted=names)

    def groups(
        self,
        feature_sets: Collection[str],
        identity: Collection[str] = (),
        alike: Callable[[str, Features], Hashable] | None = None,
    ) -> Iterator[Group]:
        """See NodeTable."""
        with damaged(self.path):
            columns = [_Column(self, name, name in identity, alike) for name in sorted(feature_sets)]
            status = _Column(self, STATUS, False, None)
        wanted = None if self.wanted is None else frozenset(self.wanted)
        choosing = bool(self.overlay) or not (wanted is None or wanted.issuperset(self.names))
        known: set[str] = set()
        for key, ranges in _merged([column.runs for column in (*columns, status)], len(self.names)).items():
            nodes = tuple(name for start, end in ranges for name in self.names[start:end])
            if choosing:
                nodes = tuple(name for name in nodes if (wanted is None or name in wanted) and name not in self.overlay)
            if wanted is not None:
                known.update(nodes)
            if nodes:
                with damaged(self.path):
                    yield self._group(nodes, columns, status, key)
        for name, found in self.overlay.items():
            if wanted is None or name in wanted:
                known.add(name)
                yield _changed(name, found, feature_sets)
        missing = sorted((wanted or frozenset()) - known)
        if missing:
            yield Group(tuple(missing), None, reason=NOT_REPORTED)

    def _group(
        self, nodes: tuple[str, ...], columns: Sequence[_Column], status: _Column, key: tuple[int, ...]
    ) -> Group:
        said = json.loads(status.data(key[-1])) if key[-1] else {}
        if "reason" in said:
            return Group(nodes, None, reason=said["reason"])
        parts = [column.features(number) for column, number in zip(columns, key[:-1], strict=True) if number]
        return Group(nodes, merge(parts), said.get("errors", {}))


def _changed(name: str, found: NodeRecord | str | None, feature_sets: Collection[str]) -> Group:
    if found is None:
        text = f"changed since the index was built, like more than {OVERLAY_LIMIT} others (does hpccompat index run?)"
        return Group((name,), None, reason=text, pending=True)
    if isinstance(found, str):
        return Group((name,), None, reason=found)
    return Group((name,), found.features.only(feature_sets), found.errors)


class _Column:
    """One feature set: its runs, with values that are alike taken as one; decoded where they are asked for."""

    def __init__(
        self, index: Index, name: str, with_side: bool, alike: Callable[[str, Features], Hashable] | None
    ) -> None:
        self.name = name
        self._decoded: dict[int, Features] = {}
        size = index.sets.get(name)
        if size is None:  # no node has it
            self.runs: Runs = [(len(index.names), 0)]
            return
        self._values = rows(index.connection, "value", name)
        if len(self._values) != size.values:
            raise ValueError(f"values of {name} are missing")
        runs = _runs(one(index.connection, "layout", name))
        if not runs or runs[-1][0] != len(index.names):
            raise ValueError(f"nodes of {name} are missing")
        if with_side and size.side:
            runs = self._by_node(runs, unpack_sides(one(index.connection, "side", name)))
        self.runs = runs if alike is None else self._alike(runs, alike)

    def features(self, number: int) -> Features:
        if number not in self._decoded:
            self._decoded[number] = decoded(self.name, self.data(number))
        return self._decoded[number]

    def data(self, number: int) -> bytes:
        return self._values[number]

    def _alike(self, runs: Runs, alike: Callable[[str, Features], Hashable]) -> Runs:
        first: dict[Hashable, int] = {}
        same = {0: 0}
        for number in {number for _, number in runs} - {0}:
            same[number] = first.setdefault(alike(self.name, self.features(number)), number)
        joined: list[tuple[int, int]] = []
        for end, number in runs:
            if joined and joined[-1][1] == same[number]:
                joined[-1] = (end, same[number])
            else:
                joined.append((end, same[number]))
        return joined

    def _by_node(self, runs: Runs, side: Sequence[str]) -> Runs:
        """Values of their own for nodes that have elements of their own."""
        own: dict[tuple[int, str], int] = {}
        found: list[tuple[int, int]] = []
        start = 0
        for end, number in runs:
            for position in range(start, end):
                text = side[position]
                key = own.setdefault((number, text), -1 - len(own)) if text else number
                if text and key not in self._decoded:
                    self._decoded[key] = decoded(self.name, self._values[number], text)
                found.append((position + 1, key))
            start = end
        return found


def _merged(columns: Sequence[Runs], count: int) -> dict[tuple[int, ...], list[tuple[int, int]]]:
    """Tuple of values -> the ranges of nodes that have it."""
    found: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    at = [0] * len(columns)
    start = 0
    while start < count:
        current = [column[position] for column, position in zip(columns, at, strict=True)]
        end = min(each[0] for each in current)
        found.setdefault(tuple(each[1] for each in current), []).append((start, end))
        for position, each in enumerate(current):
            at[position] += each[0] == end
        start = end
    return found


# -- the file


def open_index(store: Store) -> Index | None:
    """The store's index with what has changed since; None where the store has none. Raises StoreError."""
    pending = markers(store.path)  # before the index is opened, see above
    path = store.path / FILE
    if not path.exists():
        return None
    with damaged(path):
        connection = connect(path)
        names = node_names(connection)
        overlay = _overlay(store, pending, names, one(connection, "part", "digests")) if pending else {}
        return Index(path, connection, names, overlay, meta(connection)[1])


def node_names(connection: sqlite3.Connection) -> list[str]:
    names = one(connection, "part", "names").decode()
    return names.split("\n") if names else []


def meta(connection: sqlite3.Connection) -> tuple[float, dict[str, SetSize]]:
    """When all records were last looked at, and the feature sets that there are."""
    data = json.loads(one(connection, "part", "meta"))
    return float(data["passed"]), {name: SetSize(*size) for name, size in data["sets"].items()}


def connect(path: Path) -> sqlite3.Connection:
    """Reading alone, without locks. Raises StoreError for a file of another format, sqlite3.Error for none."""
    quoted = str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file:{quoted}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found != FORMAT:
        raise StoreError(f"index {path} has format {found}, this version reads {FORMAT}: run hpccompat index")
    return connection


class damaged:
    """Turns what a broken file leads to into a StoreError that says what to do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, (sqlite3.Error, zlib.error, ValueError, KeyError, IndexError, TypeError)):
            raise StoreError(
                f"index {self.path} is damaged ({error}): build it anew with hpccompat index --full"
            ) from error


def markers(store: Path) -> dict[str, set[str]]:
    """Node -> digests of records that were written since the index was built, or perhaps only will be."""
    try:
        files = os.listdir(store / "changed")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise StoreError(f"the store of node records can't be read: {error.strerror}: {error.filename}") from error
    found: dict[str, set[str]] = {}
    for file in files:
        node, tilde, digest = file.rpartition("~")
        if tilde and node:
            found.setdefault(node, set()).add(digest)
    return found


def _overlay(
    store: Store, pending: Mapping[str, set[str]], names: Sequence[str], digests: bytes
) -> dict[str, NodeRecord | str | None]:
    position = {name: number for number, name in enumerate(names)}
    changed = []
    for node, written in sorted(pending.items()):
        at = position.get(node)
        indexed = GONE if at is None else digests[DIGEST_SIZE * at : DIGEST_SIZE * (at + 1)].hex()
        if written != {indexed}:
            changed.append(node)
    found: dict[str, NodeRecord | str | None] = dict.fromkeys(changed[OVERLAY_LIMIT:])
    for node in changed[:OVERLAY_LIMIT]:
        try:
            found[node] = store.read(node)
        except RecordError as error:
            found[node] = NOT_REPORTED if error.kind == "absent" else error.text
    return found


def one(connection: sqlite3.Connection, table: str, name: str) -> bytes:
    """The data of a row that must be there. Raises ValueError."""
    found = rows(connection, table, name)
    if 0 not in found:
        raise ValueError(f"{table} {name} is missing")
    return found[0]


def rows(connection: sqlite3.Connection, table: str, name: str) -> dict[int, bytes]:
    """Number -> data. Raises ValueError where a checksum is wrong."""
    found = {}
    for number, data, crc in connection.execute(f"SELECT id, data, crc FROM {table} WHERE name = ?", (name,)):
        if checksum(name, number, data) != crc:
            raise ValueError(f"the checksum of {table} {name} is wrong")
        found[number] = zlib.decompress(data[1:]) if data[:1] == b"z" else data[1:]
    return found


def insert(connection: sqlite3.Connection, table: str, name: str, data: bytes, number: int = 0) -> None:
    """Deflated if that pays."""
    small = zlib.compress(data, 6) if len(data) > 256 else data
    stored = b"z" + small if len(small) < len(data) else b"-" + data
    connection.execute(
        f"INSERT INTO {table} VALUES (?, ?, ?, ?)", (name, number, stored, checksum(name, number, stored))
    )


def checksum(name: str, number: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(f"{name}~{number}".encode()))


def pack_runs(numbers: Iterable[int]) -> bytes:
    """A value's number for every node -> runs."""
    ends, values = array("I"), array("I")
    for position, number in enumerate(numbers, 1):
        if values and values[-1] == number:
            ends[-1] = position
        else:
            ends.append(position)
            values.append(number)
    return (ends + values).tobytes()


def _runs(data: bytes) -> Runs:
    numbers = array("I")
    numbers.frombytes(data)
    half = len(numbers) // 2
    return list(zip(numbers[:half], numbers[half:], strict=True))


def unpack_runs(data: bytes) -> list[int]:
    """The number of every node."""
    found: list[int] = []
    for end, number in _runs(data):
        found += [number] * (end - len(found))
    return found


def pack_sides(side: Sequence[str]) -> bytes:
    return "\n".join(side).encode()  # JSON on one line has no line breaks


def unpack_sides(data: bytes) -> list[str]:
    return data.decode().split("\n")
