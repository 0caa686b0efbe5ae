"""The host that a source reads: files below a root, which is / on the live host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Host:
    root: Path

    def text(self, name: str) -> str | None:
        """A file's content, None where there is no such file. Raises OSError for one that can't be read."""
        path = self._inside(name)
        if path is None:
            return None
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def value(self, name: str) -> str | None:
        """A file of one value, as sysfs has them; None also where the driver refuses to tell it."""
        try:
            text = self.text(name)
        except OSError:
            return None
        return None if text is None else text.strip()

    def entries(self, name: str) -> tuple[str, ...]:
        """The names in a directory, in order; none where there is no such directory."""
        path = self._inside(name)
        if path is None:
            return ()
        try:
            return tuple(sorted(os.listdir(path)))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def exists(self, name: str) -> bool:
        path = self._inside(name)
        return path is not None and path.exists()

    def _inside(self, name: str) -> Path | None:
        """The path below the root, None where links lead out of it: a recorded root never shows the live
        host."""
        root = os.path.realpath(self.root)
        path = os.path.realpath(os.path.join(root, name))
        return Path(path) if root == "/" or path.startswith(root + "/") else None
