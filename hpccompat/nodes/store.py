"""The store: `<store>/nodes/<node>.json`, one record each, replaced as a whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from hpccompat.errors import RecordError, StoreError
from hpccompat.nodes.record import SIZE_LIMIT, NodeRecord, dump_record, load_record, node_name
from hpccompat.nodes.table import Group


@dataclass(frozen=True)
class Store:
    path: Path

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
            with file.open("rb") as opened:
                text = opened.read(SIZE_LIMIT + 1)
        except FileNotFoundError as error:
            raise RecordError("spec-type", f"node {node} has not reported yet") from error
        except OSError as error:
            raise RecordError("spec-type", f"record of node {node}: {error.strerror}: {file}") from error
        try:
            return load_record(text, node)
        except RecordError as error:
            raise RecordError(error.kind, f"record of node {node} is unreadable: {error}") from error

    def write(self, record: NodeRecord) -> bool:
        """Replaces the node's record if its content changed, else only marks it as seen; tells whether it
        was replaced. Raises StoreError, RecordError; an earlier record survives any failure."""
        file = self._file(record.node)
        with contextlib.suppress(RecordError):
            if self.read(record.node).content() == record.content():
                with self._saying(file):
                    os.utime(file)
                return False
        temporary = None
        try:
            with self._saying(file):
                for folder in (self.path, file.parent):
                    if not folder.is_dir():
                        folder.mkdir(parents=True, exist_ok=True)
                        folder.chmod(0o755)  # readers are users; the umask may say otherwise
                handle, temporary = tempfile.mkstemp(prefix=f".{record.node}.", dir=file.parent)
                with open(handle, "w", encoding="utf-8") as opened:
                    os.fchmod(opened.fileno(), 0o644)
                    opened.write(dump_record(record))
                    opened.flush()
                    os.fsync(opened.fileno())
                os.replace(temporary, file)
                temporary = None
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
        return True

    def table(self, names: Collection[str]) -> StoredNodes:
        return StoredNodes(self, tuple(names))

    def _file(self, node: str) -> Path:
        return self.path / "nodes" / f"{node_name(node)}.json"

    @staticmethod
    @contextlib.contextmanager
    def _saying(file: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"record {file} can't be written: {error.strerror}") from error


@dataclass(frozen=True)
class StoredNodes:
    """A table over the records of these nodes, each read when it is asked for."""

    store: Store
    names: tuple[str, ...]

    def groups(self, feature_sets: Collection[str]) -> Iterator[Group]:
        for name in self.names:
            try:
                record = self.store.read(name)
            except RecordError as error:
                yield Group((name,), None, reason=error.text)
            else:
                yield Group((name,), record.features.only(feature_sets), record.errors)
