"""`<store>/generation`: a text that changes whenever an answer drawn from the store may."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def renew(store: Path) -> None:
    """Says that index, inventory or labels are others now. Raises OSError."""
    replace_text(store / "generation", f"{os.urandom(8).hex()}\n")


def read(store: Path) -> str:
    """The text; "" where there is none."""
    try:
        with (store / "generation").open("rb") as opened:
            return opened.read(64).decode("ascii", "replace").strip()
    except OSError:
        return ""


def replace_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Puts a file in its place as a whole: a reader sees the old text or the new one. Raises OSError."""
    temporary = path.parent / f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(handle, "w", encoding="utf-8", errors="surrogateescape") as opened:
            os.fchmod(opened.fileno(), mode)  # the umask may say otherwise
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
