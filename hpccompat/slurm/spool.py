"""The spool: `<spool>/specs/<id>.<uid>.<random>`, the requirements of submitted jobs.

Anybody may write there, and so nothing about a file is believed but who owns it, and what `load_requirement`
makes of its bytes.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hpccompat.errors import StoreError
from hpccompat.plan.requirement import SIZE_LIMIT, Requirement

# Entries that are looked at, and of what the folder holds in all: others fill it faster than it is emptied.
ENTRIES = 10_000
_LOOKED_AT = 100_000
_NAME = re.compile(r"([0-9a-f]{64})\.[0-9]+\.[A-Za-z0-9_]+", re.ASCII)
# Seconds that a file without a proper name may be there: one that is just being written.
_UNFINISHED = 3600.0


@dataclass(frozen=True)
class Entry:
    """A file that claims to hold the requirement `id`. `uid`: its real owner. `mtime`: when it was last used, in
    seconds since the epoch; never later than the last change of the file itself, which nobody can set."""

    id: str
    name: str
    uid: int
    mtime: float


@dataclass(frozen=True)
class Spool:
    """`path`: the setting `spool`."""

    path: Path

    @property
    def folder(self) -> Path:
        return self.path / "specs"

    def names(self) -> list[Entry]:
        """The entries, newest first, unread. Raises StoreError."""
        return [each for each in self._entries() if each.id][:ENTRIES]

    def put(self, requirement: Requirement) -> None:
        """Leaves a requirement for the publisher, or marks ours as used. Raises StoreError."""
        text = requirement.dump().encode()
        if len(text) > SIZE_LIMIT:
            raise StoreError(f"a spec has more than {SIZE_LIMIT} bytes, and does not go into the spool")
        mine = f"{requirement.id}.{os.getuid()}."
        try:
            with os.scandir(self.folder) as files:
                for file in itertools.islice(files, _LOOKED_AT):
                    if file.name.startswith(mine) and self._is_ours(file, len(text)):
                        os.utime(file.path, follow_symlinks=False)
                        return
            # The name comes last: what is half written has none that counts.
            temporary = self.folder / f".{os.urandom(8).hex()}"
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            try:
                with open(handle, "wb") as file_:
                    os.fchmod(file_.fileno(), 0o644)  # the publisher's child is nobody; the umask may say otherwise
                    file_.write(text)
                os.rename(temporary, self.folder / f"{mine}{os.urandom(4).hex()}")
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError as error:
            raise StoreError(f"the spool can't be written: {error.strerror}: {self.folder}") from error

    @staticmethod
    def _is_ours(file: os.DirEntry[str], size: int) -> bool:
        found = file.stat(follow_symlinks=False)
        return stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid() and found.st_size == size

    def read(self, entry: Entry) -> bytes:
        """The bytes of a regular file of at most 1 MiB; no link is followed, and nothing is waited for. Raises
        StoreError."""
        path = self.folder / entry.name
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(f"{path} can't be read: {error.strerror}") from error
        with open(handle, "rb") as opened:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise StoreError(f"{path} is not a regular file")
            try:
                found = opened.read(SIZE_LIMIT + 1)
            except OSError as error:
                raise StoreError(f"{path} can't be read: {error.strerror}") from error
        if len(found) > SIZE_LIMIT:
            raise StoreError(f"{path} has more than {SIZE_LIMIT} bytes")
        return found

    def expire(self, keep: Collection[str], older: float, per_user: int) -> int:
        """Removes files that were last used before `older` (seconds since the epoch), and of each user those beyond
        the `per_user` newest; of an id in `keep` each user's newest file stays in any case. How many went. Raises
        StoreError."""
        counts: dict[int, int] = {}
        kept: set[tuple[str, int]] = set()
        removed = 0
        for each in self._entries():
            counts[each.uid] = counts.get(each.uid, 0) + 1
            if each.id in keep and (each.id, each.uid) not in kept:
                kept.add((each.id, each.uid))
                continue
            limit = older if each.id else max(older, time.time() - _UNFINISHED)
            if each.mtime < limit or counts[each.uid] > per_user:
                with contextlib.suppress(OSError):  # gone, or its owner's alone to remove
                    os.unlink(self.folder / each.name)
                    removed += 1
        return removed

    def _entries(self) -> list[Entry]:
        """All that is no folder, newest first; those without a proper name have no id."""
        found = []
        try:
            with os.scandir(self.folder) as files:
                for each in itertools.islice(files, _LOOKED_AT):
                    with contextlib.suppress(OSError):
                        about = each.stat(follow_symlinks=False)
                        if stat.S_ISDIR(about.st_mode):
                            continue
                        match = _NAME.fullmatch(each.name)
                        id = match[1] if match and stat.S_ISREG(about.st_mode) else ""
                        found.append(Entry(id, each.name, about.st_uid, min(about.st_mtime, about.st_ctime)))
        except OSError as error:
            raise StoreError(f"the spool can't be read: {error.strerror}: {error.filename}") from error
        return sorted(found, key=lambda each: (-each.mtime, each.name))
