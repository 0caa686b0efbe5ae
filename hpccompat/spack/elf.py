"""What an ELF file says of the host that can load it (pure; ELF specification, and the notes of the GNU ABI).

Only the headers, the dynamic section, the versions needed and the notes are read, through a function that gives bytes
at an offset: a library of a gigabyte costs a few kilobytes. All counts are bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from hpccompat.errors import SpackError

Read = Callable[[int, int], bytes]
"""Offset, size -> the bytes there, fewer at the end of the file."""

_DYNAMIC, _INTERP, _NOTE, _LOAD, _PROPERTY = 2, 3, 4, 1, 0x6474E553
_NEEDED, _STRTAB, _SONAME, _RPATH, _RUNPATH = 1, 5, 14, 15, 29
_VERNEED, _VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_ABI_TAG, _GNU_PROPERTY = 1, 5
_X86_ISA_NEEDED = 0xC0008002
_WEAK = 2
_MACHINES = {62: "x86_64", 183: "aarch64", 21: "ppc64le", 243: "riscv64"}
_MOST_SEGMENTS = 4096
_MOST_SECTIONS = 65536
_MOST_ENTRIES = 65536
_NAME_LIMIT = 4096
_NOTES_LIMIT = 65536
# Headers of a fat binary are read, and skipped over: so many at most.
_MOST_KERNELS = 20_000
_FATBIN = 0xBA55ED50


@dataclass(frozen=True)
class Elf:
    """`versions`: library -> the versions that are needed of it, without weak ones. `kernel`: the oldest that the file
    asks for, of executables and libc. `isa`: the x86-64 levels that it says it needs (1 baseline, 2, 3, 4), 0 without.
    `executable`: it names an interpreter. `sass`, `ptx`: compute capabilities of its CUDA code (80)."""

    machine: str
    bits: int
    executable: bool = False
    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: tuple[str, ...] = ()
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kernel: tuple[int, ...] = ()
    isa: int = 0
    sass: tuple[int, ...] = ()
    ptx: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Segment:
    type: int
    offset: int
    address: int
    size: int


def is_elf(begin: bytes) -> bool:
    return begin[:4] == b"\x7fELF"


def read_elf(read: Read) -> Elf:
    """Raises SpackError for what is no ELF file, or breaks the format's own rules."""
    try:
        return _File(read).facts()
    except (struct.error, IndexError, OverflowError) as error:
        raise SpackError("spec-type", f"broken ELF file: {error}") from error


class _File:
    def __init__(self, read: Read) -> None:
        begin = read(0, 64)
        if not is_elf(begin) or len(begin) < 52 or begin[4] not in (1, 2) or begin[5] not in (1, 2):
            raise SpackError("spec-type", "not an ELF file")
        self.read = read
        self.wide = begin[4] == 2
        self.order = "<" if begin[5] == 1 else ">"
        layout = "HHIQQQIHHHHHH" if self.wide else "HHIIIIIHHHHHH"
        (_, self.machine, _, _, self.segments_at, self.sections_at, _, _, self.segment_size, self.segment_count,
         self.section_size, self.section_count, self.names_in) = self.unpack(layout, begin[16:])  # fmt: skip

    def unpack(self, layout: str, data: bytes) -> tuple[int, ...]:
        return struct.unpack_from(self.order + layout, data)

    def facts(self) -> Elf:
        segments = list(self._segments())
        loads = [each for each in segments if each.type == _LOAD]
        dynamic = self._dynamic(segments)
        strings = next((self._offset(loads, value) for tag, value in dynamic if tag == _STRTAB), None)

        def texts(*tags: int) -> tuple[str, ...]:
            if strings is None:
                return ()
            return tuple(self._text(strings + value) for tag, value in dynamic if tag in tags)

        notes = [note for each in segments if each.type in (_NOTE, _PROPERTY) for note in self._notes(each)]
        rpath = tuple(path for text in texts(_RPATH, _RUNPATH) for path in text.split(":") if path)
        sass, ptx = self._cuda()
        return Elf(
            _MACHINES.get(self.machine, str(self.machine)),
            64 if self.wide else 32,
            any(each.type == _INTERP for each in segments),
            texts(_NEEDED),
            "".join(texts(_SONAME)[:1]),
            rpath,
            self._versions(dynamic, loads, strings),
            max((kernel for kernel in map(self._kernel, notes) if kernel), default=()),
            max((self._isa(type, text) for type, text in notes), default=0),
            sass,
            ptx,
        )

    def _segments(self) -> Iterator[_Segment]:
        if self.segment_count > _MOST_SEGMENTS:
            raise SpackError("limit", f"broken ELF file: {self.segment_count} segments")
        data = self.read(self.segments_at, self.segment_count * self.segment_size)
        for index in range(self.segment_count):
            part = data[index * self.segment_size :]
            if self.wide:
                type, _, offset, address, _, size = self.unpack("IIQQQQ", part)
            else:
                type, offset, address, _, size = self.unpack("IIIII", part)
            yield _Segment(type, offset, address, size)

    def _dynamic(self, segments: list[_Segment]) -> list[tuple[int, int]]:
        segment = next((each for each in segments if each.type == _DYNAMIC), None)
        if segment is None:
            return []
        layout, size = ("qQ", 16) if self.wide else ("iI", 8)
        data = self.read(segment.offset, min(segment.size, _MOST_ENTRIES * size))
        found = []
        for start in range(0, len(data) - size + 1, size):
            tag, value = self.unpack(layout, data[start : start + size])
            if tag == 0:
                break
            found.append((tag, value))
        return found

    @staticmethod
    def _offset(loads: list[_Segment], address: int) -> int | None:
        for each in loads:
            if each.address <= address < each.address + each.size:
                return address - each.address + each.offset
        return None

    def _text(self, offset: int) -> str:
        """Up to the first zero byte; most names are short."""
        for size in (64, _NAME_LIMIT):
            text, end, _ = self.read(offset, size).partition(b"\0")
            if end:
                return text.decode("utf-8", "replace")
        raise SpackError("limit", f"broken ELF file: a name of more than {_NAME_LIMIT} bytes")

    def _versions(
        self, dynamic: list[tuple[int, int]], loads: list[_Segment], strings: int | None
    ) -> dict[str, tuple[str, ...]]:
        tags = dict(dynamic)
        offset = self._offset(loads, tags[_VERNEED]) if _VERNEED in tags else None
        if offset is None or strings is None:
            return {}
        found: dict[str, tuple[str, ...]] = {}
        left = _MOST_ENTRIES
        for _ in range(min(tags.get(_VERNEEDNUM, 0), _MOST_ENTRIES)):
            _, count, file, first, next_library = self.unpack("HHIII", self.read(offset, 16))
            library = self._text(strings + file)
            at = offset + first
            for _ in range(count):
                left -= 1
                if left < 0:
                    raise SpackError("limit", f"broken ELF file: more than {_MOST_ENTRIES} versions")
                _, flags, _, name, following = self.unpack("IHHII", self.read(at, 16))
                if not flags & _WEAK:
                    found[library] = (*found.get(library, ()), self._text(strings + name))
                if not following:
                    break
                at += following
            if not next_library:
                break
            offset += next_library
        return found

    def _notes(self, segment: _Segment) -> Iterator[tuple[int, bytes]]:
        """Type and text of GNU's notes. They are padded to 4 bytes, those of properties to 8 in 64-bit files."""
        align = 8 if segment.type == _PROPERTY and self.wide else 4
        data = self.read(segment.offset, min(segment.size, _NOTES_LIMIT))
        at = 0
        while at + 12 <= len(data):
            name_size, size, type = self.unpack("III", data[at : at + 12])
            name = data[at + 12 : at + 12 + name_size]
            start = at + 12 + (name_size + 3) // 4 * 4
            if name == b"GNU\0":
                yield type, data[start : start + size]
            at = start + (size + align - 1) // align * align

    def _kernel(self, note: tuple[int, bytes]) -> tuple[int, ...]:
        """Of Linux (operating system 0)."""
        type, text = note
        if type != _ABI_TAG or len(text) < 16:
            return ()
        system, *numbers = self.unpack("IIII", text)
        return tuple(numbers) if system == 0 else ()

    def _isa(self, type: int, text: bytes) -> int:
        """The highest level of the property, x86 alone."""
        if type != _GNU_PROPERTY or self.machine not in (3, 62):
            return 0
        align = 8 if self.wide else 4
        at, level = 0, 0
        while at + 8 <= len(text):
            kind, size = self.unpack("II", text[at : at + 8])
            if kind == _X86_ISA_NEEDED and size == 4 and at + 12 <= len(text):
                level = max(level, self.unpack("I", text[at + 8 : at + 12])[0].bit_length())
            at += 8 + (size + align - 1) // align * align
        return level

    def _cuda(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Machine code and PTX in `.nv_fatbin`. (The header has magic, version, its size and that of all that follows;
        each piece has its kind, its header's size, its own, and the compute capability at byte 28.)"""
        found: dict[int, set[int]] = {1: set(), 2: set()}
        left = _MOST_KERNELS
        for start, size in self._sections(b".nv_fatbin"):
            at = start
            while at + 16 <= start + size and left > 0:
                header = self.read(at, 16)
                if len(header) < 16:
                    break
                magic, _, header_size, fat_size = struct.unpack("<IHHQ", header)
                if magic != _FATBIN:
                    at += 8  # padding between them
                    left -= 1
                    continue
                piece, end = at + header_size, min(at + header_size + fat_size, start + size)
                while piece + 32 <= end and left > 0:
                    left -= 1
                    data = self.read(piece, 32)
                    if len(data) < 32:
                        break
                    kind, _, piece_header, piece_size = struct.unpack("<HHIQ", data[:16])
                    found.get(kind, set()).add(struct.unpack("<I", data[28:32])[0])
                    piece += max(piece_header + piece_size, 32)
                at = max(end, at + 16)
        sass, ptx = (tuple(sorted(each for each in found[kind] if 10 <= each < 1000)) for kind in (2, 1))
        return sass, ptx

    def _sections(self, wanted: bytes) -> Iterator[tuple[int, int]]:
        """Offset and size of the sections of this name."""
        if not self.section_count or self.section_size < (64 if self.wide else 40):
            return
        data = self.read(self.sections_at, min(self.section_count, _MOST_SECTIONS) * self.section_size)
        headers = []
        for start in range(0, len(data) - self.section_size + 1, self.section_size):
            part = data[start : start + self.section_size]
            if self.wide:
                name, _, _, _, offset, size = self.unpack("IIQQQQ", part)
            else:
                name, _, _, _, offset, size = self.unpack("IIIIII", part)
            headers.append((name, offset, size))
        if self.names_in >= len(headers):
            return
        _, names_at, names_size = headers[self.names_in]
        names = self.read(names_at, min(names_size, 1024 * 1024))
        for name, offset, size in headers:
            if names[name : name + len(wanted) + 1] == wanted + b"\0":
                yield offset, size
