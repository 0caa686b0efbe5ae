"""A file that a user names, opened so that nothing it may be can hold us up."""

from __future__ import annotations

import os
import stat
from types import TracebackType

from hpccompat.errors import ImageError


class RegularFile:
    """`size` is that of the moment of opening, in bytes. Links are followed: users name their images by them.

    Raises ImageError, which names the file: it isn't there, can't be read, or is a directory, a FIFO or a device."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            # Not to wait for a writer where the name is a FIFO's.
            self._handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error
        about = os.fstat(self._handle)
        if not stat.S_ISREG(about.st_mode):
            os.close(self._handle)
            raise ImageError(f"{path} is not a regular file")
        self.size = about.st_size

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes. Raises ImageError where the file ends before."""
        if offset < 0 or size < 0 or size > self.size - offset:
            raise ImageError(f"{self.path} is cut short: it has {self.size} bytes, and should have more")
        parts, missing = [], size
        while missing:
            try:
                part = os.pread(self._handle, missing, offset)
            except OSError as error:
                raise unreadable(self.path, error) from error
            if not part:
                raise ImageError(f"{self.path} became shorter while it was read")
            parts.append(part)
            missing -= len(part)
            offset += len(part)
        return b"".join(parts)

    def close(self) -> None:
        os.close(self._handle)

    def __enter__(self) -> RegularFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_whole(path: str, limit: int) -> bytes:
    """A file of at most `limit` bytes. Raises ImageError."""
    with RegularFile(path) as file:
        if file.size > limit:
            raise ImageError(f"{path} has {file.size} bytes, at most {limit} are read")
        return file.read(0, file.size)


def read_if_there(path: str, limit: int) -> bytes | None:
    """The same; None where there is no such file. Raises ImageError."""
    return read_whole(path, limit) if is_there(path) else None


def is_there(path: str) -> bool:
    """Whether something has this name; a link that leads nowhere counts, and opening it tells. Raises ImageError where
    that can't be known."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return True


def unreadable(path: str, error: OSError | ValueError) -> ImageError:
    """ValueError: a name with a NUL in it."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ImageError(f"{path} can't be read: {reason}")
