"""The host that a source reads: files below a root, which is / on the live host."""

from __future__ import annotations

import os
from collections.abc import Iterable

# No source needs more of one file; what is longer is no file of /proc, /sys or /etc.
SIZE_LIMIT = 16 * 1024 * 1024
# Seconds that a program may take to tell its version.
_PATIENCE = 2.0


class Host:
    """`node`: its name, where it is known. `live`: the root is this machine's own, so that programs and CPU
    instructions tell of the same host as its files. `remarks`: what a source had to leave out, for people."""

    def __init__(self, root: str | os.PathLike[str], node: str = "") -> None:
        self.root = os.path.realpath(root)
        self.node = node
        self.live = self.root == "/"
        self.remarks: list[str] = []
        self._packages: dict[str, str] | None = None

    def data(self, name: str, limit: int = SIZE_LIMIT) -> bytes | None:
        """The beginning of a file, None where there is no such file. Raises OSError for one that can't be read."""
        path = self._inside(name)
        if path is None:
            return None
        try:
            # Not to wait for a writer where somebody has put a FIFO.
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        chunks, size = [], 0
        try:
            # In small pieces: for a file of /proc the kernel makes room for all that is asked for.
            while size < limit and (chunk := os.read(handle, 65536)):
                chunks.append(chunk)
                size += len(chunk)
        finally:
            os.close(handle)
        return b"".join(chunks)

    def text(self, name: str) -> str | None:
        data = self.data(name)
        return None if data is None else data.decode("utf-8", "replace")

    def value(self, name: str) -> str | None:
        """A file of one value, as sysfs has them; None also where the driver refuses to tell it."""
        try:
            text = self.text(name)
        except OSError:
            return None
        return None if text is None else text.strip()

    def values(self, folder: str, names: Iterable[str]) -> dict[str, str]:
        """Those of the folder's files that have a value: name -> value."""
        found = {name: self.value(f"{folder}/{name}") for name in names}
        return {name: value for name, value in found.items() if value is not None}

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
        return path is not None and os.path.exists(path)

    def is_directory(self, name: str) -> bool:
        path = self._inside(name)
        return path is not None and os.path.isdir(path)

    def link(self, name: str) -> str | None:
        """The last part of what a link names, as sysfs has it for drivers; None where there is no link."""
        try:
            return os.path.basename(os.readlink(os.path.join(self.root, name)))
        except OSError:
            return None

    def says(self, program: str, option: str) -> str:
        """What a program prints, "" if it fails, takes too long, or the root is not this machine's own. The last
        resort: for what no file tells. It is called without a shell and gets nothing of our environment."""
        import subprocess

        if not self.live:
            return ""
        try:
            done = subprocess.run(
                [f"/{program}", option],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False, cwd="/",
                env={"PATH": os.defpath, "HOME": "/nonexistent"},
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""

    def debian_packages(self) -> dict[str, str]:
        """Installed Debian package -> version without epoch and revision; none on other distributions."""
        if self._packages is not None:
            return self._packages
        found = {}
        for block in (self.data("var/lib/dpkg/status") or b"").split(b"\n\n"):
            if b"\nStatus: install ok installed\n" in block:
                name = block.partition(b"\n")[0].removeprefix(b"Package: ")
                version = block.partition(b"\nVersion: ")[2].partition(b"\n")[0]
                upstream = version.rpartition(b":")[2]
                upstream = upstream.rpartition(b"-")[0] or upstream
                found[name.decode("utf-8", "replace")] = upstream.decode("utf-8", "replace")
        self._packages = found
        return found

    def _inside(self, name: str) -> str | None:
        """The path below the root, None where links lead out of it: a recorded root never shows the live
        host."""
        if "\0" in name:  # from a file's content
            return None
        if self.live:
            return "/" + name
        path = os.path.realpath(os.path.join(self.root, name))
        return path if path.startswith(self.root + "/") else None
