"""Specs that were found once: for a user, and for a site.

An entry belongs to the digest of an image, never to a tag, and holds the spec normalised, as JSON; or that there was
none. Which digest a tag stands for is believed for as long as a plan is kept, and that a registry is dead for a minute.
Files are written whole and read with suspicion; whatever goes wrong with one, it is as if it were not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Seconds. What is attached later is noticed as late.
FOUND_LIFE, NONE_LIFE, TAG_LIFE, DEAD_LIFE = 3600.0, 600.0, 30.0, 60.0
_LIVES = {"spec": FOUND_LIFE, "none": NONE_LIFE, "tag": TAG_LIFE, "dead": DEAD_LIFE}
# Of a folder; the oldest go.
ENTRIES, BYTES = 2000, 64 * 1024 * 1024
_SIZE = 2 * 1024 * 1024
_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """`kind`: spec, none, tag or dead. `name`: of the image, or of the registry. `text`: the normalised spec, a digest,
    or what was wrong. `at`: when, in seconds since the epoch. `image`: the digest that the name stood for."""

    kind: str
    name: str
    text: str
    at: float
    image: str = ""
    found_at: str = ""

    def fresh(self, now: float) -> bool:
        # A clock that differs by a little makes an entry one of the future.
        return -60 < now - self.at <= _LIVES[self.kind]


@dataclass(frozen=True)
class SpecCache:
    """`folders`: the user's own, then the site's; those that are not ours or the site's alone are not used. `offline`:
    entries are good however old they are."""

    folders: tuple[Path, ...]
    offline: bool = False

    def get(self, kind: str, name: str) -> Entry | None:
        """The newest entry that is still good."""
        now = time.time()
        found = []
        for folder in self.folders:
            entry = _read(folder / _file_name(kind, name)) if _trusted(folder) else None
            if entry is not None and (entry.kind, entry.name) == (kind, name):
                found.append(entry)
        best = max(found, key=lambda each: each.at, default=None)
        return best if best is not None and (self.offline or best.fresh(now)) else None

    def put(self, entry: Entry) -> None:
        """Writes into every folder that is ours to write."""
        for folder in self.folders:
            with contextlib.suppress(OSError, ValueError):
                if folder == self.folders[0]:
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not _trusted(folder) or not os.access(folder, os.W_OK):
                    continue
                _write(folder, entry)
                _sweep(folder)

    def entries(self) -> Iterator[tuple[Path, Entry]]:
        """All that can be read, in no order."""
        for folder in self.folders:
            for path in _files(folder) if _trusted(folder) else ():
                entry = _read(path)
                if entry is not None:
                    yield path, entry

    def clear(self) -> int:
        """Removes the entries of the user's own folder, and those of the site's where that is allowed; how many."""
        removed = 0
        for folder in self.folders:
            for path in _files(folder) if _trusted(folder) else ():
                with contextlib.suppress(OSError):
                    path.unlink()
                    removed += 1
        return removed


def _file_name(kind: str, name: str) -> str:
    return f"{kind}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()}.json"


def _trusted(folder: Path) -> bool:
    """A folder of ours, or of root's, that nobody else may write."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022


def _read(path: Path) -> Entry | None:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            about = os.fstat(opened.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_size > _SIZE or about.st_uid not in (0, os.geteuid()):
                return None
            top = json.loads(opened.read())
        texts = [top[each] for each in ("kind", "name", "text", "image", "foundAt")]
        if top["version"] != _VERSION or top["kind"] not in _LIVES or not all(isinstance(each, str) for each in texts):
            return None
        kind, name, text, image, found_at = texts
        return Entry(kind, name, text, float(top["at"]), image, found_at)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _write(folder: Path, entry: Entry) -> None:
    top = {
        "version": _VERSION,
        "kind": entry.kind,
        "name": entry.name,
        "at": entry.at,
        "image": entry.image,
        "foundAt": entry.found_at,
        "text": entry.text,
    }
    temporary = folder / f".{os.urandom(8).hex()}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with open(handle, "w", encoding="ascii") as opened:
            json.dump(top, opened)
        os.replace(temporary, folder / _file_name(entry.kind, entry.name))
    except BaseException:  # whatever ends it, nothing half-written stays
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            return [Path(each.path) for each in found if each.name.endswith(".json") or each.name.startswith(".")]
    except OSError:
        return []


def _sweep(folder: Path) -> None:
    """Bounds the folder: the oldest entries go, and what killed writers left."""
    sizes = []
    for path in _files(folder):
        with contextlib.suppress(OSError):
            found = path.lstat()
            if path.name.startswith("."):
                if time.time() - found.st_mtime > DEAD_LIFE:
                    path.unlink()
                continue
            sizes.append((found.st_mtime, found.st_size, path))
    total = sum(size for _, size, _ in sizes)
    count = len(sizes)
    for _, size, path in sorted(sizes):
        if count <= ENTRIES and total <= BYTES:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        count, total = count - 1, total - size
