"""A tar archive as a folder of regular files: their places are listed once, and nothing is unpacked.

POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU's long names, and its binary sizes. Links are
no files here, and so none is ever followed.
"""

from __future__ import annotations

import re

from hpccompat.artifact.regular import RegularFile
from hpccompat.errors import ImageError

_BLOCK = 512
# Entries of one archive; an image has some hundreds.
_ENTRIES = 20_000
# Bytes of a header that only tells about the next one.
_EXTENSION = 64 * 1024
# Links, devices, folders, FIFOs.
_WITHOUT_DATA = b"123456"
_SIZE = re.compile(r"\d{1,18}", re.ASCII)
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
}


class Tar:
    """Raises ImageError: it is no tar archive, or one that can't be meant."""

    def __init__(self, file: RegularFile) -> None:
        self.path = file.path
        self._file = file
        # Name -> offset and size; of equal names the last one counts, as when unpacking.
        self._places: dict[str, tuple[int, int]] = {}
        self._walk()

    def read(self, name: str, limit: int) -> bytes | None:
        """A file's bytes, None where the archive hasn't got it. Raises ImageError, also where it is larger."""
        if name not in self._places:
            return None
        offset, size = self._places[name]
        if size > limit:
            raise ImageError(f"{self.path}: its {name} has {size} bytes, at most {limit} are read")
        return self._file.read(offset, size)

    def _walk(self) -> None:
        start = self._file.read(0, min(8, self._file.size))
        for magic, program in _COMPRESSED.items():
            if start.startswith(magic):
                raise ImageError(f"{self.path} is compressed by {program}, and would have to be unpacked to be read")
        offset = count = 0
        name, size = "", -1  # of the next entry, where a header before it tells
        while offset + _BLOCK <= self._file.size:
            header = self._file.read(offset, _BLOCK)
            if not any(header):
                return
            self._check(header, offset)
            count += 1
            if count > _ENTRIES:
                raise ImageError(f"{self.path} has more than {_ENTRIES} entries")
            kind = header[156:157]
            extension = kind in b"xgLK"
            length = _number(header[124:136]) if extension or size < 0 else size
            if kind in _WITHOUT_DATA:
                length = 0  # whatever it says: of a link it may be the size of what it leads to
            offset += _BLOCK
            if length < 0:
                raise ImageError(f"{self.path} is a damaged tar archive: an entry has a size that is none")
            if length > self._file.size - offset:
                raise ImageError(f"{self.path} is a damaged tar archive: an entry is longer than the file")
            if extension:
                if length > _EXTENSION:
                    raise ImageError(f"{self.path}: a header of {length} bytes, at most {_EXTENSION} are read")
                data = self._file.read(offset, length)
                if kind == b"L":
                    name = _text(data)
                elif kind == b"x":
                    told = _records(data)
                    name = told.get("path", name)
                    size = int(told["size"]) if _SIZE.fullmatch(told.get("size", "")) else size
            else:
                if kind in b"0\0":
                    self._places[(name or _name(header)).removeprefix("./")] = (offset, length)
                name, size = "", -1
            offset += -(-length // _BLOCK) * _BLOCK

    def _check(self, header: bytes, offset: int) -> None:
        """The checksum counts itself as blanks."""
        if sum(header) - sum(header[148:156]) + 8 * 32 != _number(header[148:156]):
            what = "is a damaged tar archive" if offset else "is no tar archive"
            raise ImageError(f"{self.path} {what}: a wrong header at byte {offset}")


def _number(field: bytes) -> int:
    """Octal digits; with the first bit set the rest is binary (GNU). -1 where it is neither."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.strip(b" \0")
    try:
        return int(digits or b"0", 8) if digits.isdigit() or not digits else -1
    except ValueError:
        return -1


def _name(header: bytes) -> str:
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{_text(header[:100])}" if prefix else _text(header[:100])


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _records(data: bytes) -> dict[str, str]:
    """`LENGTH KEY=VALUE\\n`, where the length counts the whole record; what comes after a wrong one is left out."""
    found = {}
    while data:
        digits, blank, _ = data[:8].partition(b" ")
        length = int(digits) if blank and digits.isdigit() else 0
        if length <= len(digits) + 1 or length > len(data):
            break
        key, _, value = data[len(digits) + 1 : length - 1].partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        data = data[length:]
    return found
