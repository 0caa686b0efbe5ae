"""The store: `<store>/nodes/<node>.json`, one record each, replaced as a whole."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hpccompat.errors import RecordError, StoreError
from hpccompat.features.model import Features
from hpccompat.nodes.record import (
    GONE,
    SIZE_LIMIT,
    NodeRecord,
    digest_of,
    dump_record,
    load_record,
    node_name,
    record_digest,
)
from hpccompat.nodes.table import NOT_REPORTED, Group

# A file that a killed collector left behind; one that still writes is far younger.
_LEFTOVER_AGE = 3600.0


@dataclass(frozen=True)
class Store:
    """`owner`: the user id that may own the store beside root."""

    path: Path
    owner: int = 0

    def names(self) -> tuple[str, ...]:
        """The nodes that have a record, readable or not. Raises StoreError."""
        try:
            files = os.listdir(self.path / "nodes")
        except OSError as error:
            raise StoreError(f"the store of node records can't be read: {error.strerror}: {error.filename}") from error
        return tuple(sorted(name[:-5] for name in files if name.endswith(".json") and not name.startswith(".")))

    def read(self, node: str) -> NodeRecord:
        """Raises RecordError where the node has no readable record."""
        file = self._file(node)
        try:
            text = self._bytes(file)
        except FileNotFoundError as error:
            raise RecordError("absent", f"node {node} has {NOT_REPORTED}") from error
        except OSError as error:
            raise RecordError("spec-type", f"record of node {node}: {error.strerror}: {file}") from error
        try:
            return load_record(text, node)
        except RecordError as error:
            raise RecordError(error.kind, f"record of node {node} is unreadable: {error}") from error

    def seen(self, node: str) -> float:
        """When the node last reported, changed or not: seconds since the epoch, 0 if it never did."""
        try:
            return self._file(node).stat().st_mtime
        except OSError:
            return 0

    def write(self, record: NodeRecord) -> bool:
        """Replaces the node's record if its content changed, else only marks it as seen; tells whether it was
        replaced. Raises StoreError, RecordError; an earlier record survives any failure, and a reader
        sees the old record or the new one."""
        file = self._file(record.node)
        self.check()
        earlier = b""
        with self._saying(f"record {file} can't be written"), contextlib.suppress(FileNotFoundError):
            earlier = self._bytes(file)
            if record.same_content(earlier):
                os.utime(file)
                return False
        # A name of its own for every writer: two at once replace the record one after the other.
        temporary = file.parent / f".{record.node}.{os.getpid()}-{os.urandom(4).hex()}"
        try:
            with self._saying(f"record {file} can't be written"):
                handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
                with open(handle, "w", encoding="utf-8") as opened:
                    os.fchmod(opened.fileno(), 0o644)  # readers are users; the umask may say otherwise
                    opened.write(dump_record(record))
                    opened.flush()
                    os.fsync(opened.fileno())
                with self._marked(record, earlier):
                    os.replace(temporary, file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        return True

    @contextlib.contextmanager
    def _marked(self, record: NodeRecord, earlier: bytes) -> Iterator[None]:
        """Says that the index no longer holds this node's record, before it is replaced: whoever reads the new one also
        finds the marker. Where no index is kept there is no folder for it."""
        changed = self.path / "changed"
        if not changed.is_dir():
            yield
            return
        marker = changed / f"{record.node}~{record_digest(record)}"
        marker.touch(mode=0o644)
        yield
        # A writer that took the marker for one whose record never came may have removed it just before.
        if not marker.exists():
            marker.touch(mode=0o644)
        # The marker of what was replaced says nothing any more.
        (changed / f"{record.node}~{digest_of(earlier) or GONE}").unlink(missing_ok=True)

    def remove(self, node: str) -> None:
        """Raises StoreError."""
        with self._saying(f"record of node {node} can't be removed"):
            if (self.path / "changed").is_dir():
                (self.path / "changed" / f"{node_name(node)}~{GONE}").touch(mode=0o644)
            self._file(node).unlink(missing_ok=True)

    def leftovers(self) -> tuple[Path, ...]:
        """Files that collectors left which were killed as they wrote."""
        oldest = time.time() - _LEFTOVER_AGE
        found = []
        with contextlib.suppress(OSError), os.scandir(self.path / "nodes") as files:
            for each in files:
                with contextlib.suppress(OSError):
                    if each.name.startswith(".") and each.stat(follow_symlinks=False).st_mtime < oldest:
                        found.append(Path(each.path))
        return tuple(found)

    def table(self, names: Collection[str]) -> StoredNodes:
        return StoredNodes(self, tuple(names))

    def _file(self, node: str) -> Path:
        return self.path / "nodes" / f"{node_name(node)}.json"

    @staticmethod
    def _bytes(file: Path) -> bytes:
        with file.open("rb") as opened:
            return opened.read(SIZE_LIMIT + 1)

    def check(self) -> None:
        """Makes the folders where they are missing. Raises StoreError, also where somebody else could write into
        them."""
        changed = self.path / "changed"
        for each in (self.path, self.path / "nodes", *([changed] if changed.exists() else [])):
            with self._saying(f"the store's folder {each} can't be used"):
                with contextlib.suppress(FileExistsError):
                    each.mkdir(parents=True)
                    each.chmod(0o755)
                found = each.stat()
                if not stat.S_ISDIR(found.st_mode):
                    raise NotADirectoryError(20, os.strerror(20))
            if found.st_uid not in (0, self.owner, os.geteuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise StoreError(
                    f"{each} can be written by others (owner {found.st_uid}, mode {found.st_mode & 0o7777:o}): records"
                    " would not be trustworthy; make it root's or store_user's own, mode 755"
                )

    @staticmethod
    @contextlib.contextmanager
    def _saying(what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = ""
            if isinstance(error, PermissionError) and os.geteuid() == 0:
                hint = " (root has no rights there? then the setting store_user names who has)"
            raise StoreError(f"{what}: {error.strerror}{hint}") from error


@dataclass(frozen=True)
class StoredNodes:
    """A table over the records of these nodes, each read when it is asked for."""

    store: Store
    names: tuple[str, ...]

    def groups(
        self,
        feature_sets: Collection[str],
        identity: Collection[str] = (),
        alike: Callable[[str, Features], Hashable] | None = None,
    ) -> Iterator[Group]:
        """See NodeTable; each node is a group of its own."""
        for name in self.names:
            try:
                record = self.store.read(name)
            except RecordError as error:
                yield Group((name,), None, reason=NOT_REPORTED if error.kind == "absent" else error.text)
            else:
                yield Group((name,), record.features.only(feature_sets), record.errors)
