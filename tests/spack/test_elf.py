"""Our ELF reader against pyelftools, over the system's own files; and what is wrong with files."""

from __future__ import annotations

import functools
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import SpackError
from hpccompat.spack.elf import Elf, read_elf

FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64")
MOST = 400


@functools.cache
def system_files() -> tuple[Path, ...]:
    """Programs and libraries of this system, and the modules of this Python's packages."""
    found = []
    for folder in (*FOLDERS, sys.prefix + "/lib"):
        paths = sorted(Path(folder).rglob("*.so*") if folder.startswith(sys.prefix) else Path(folder).glob("*"))
        elf = [each for each in paths if each.is_file() and not each.is_symlink() and begins_like_elf(each)]
        found += elf[:: max(1, len(elf) // (MOST // 4))]
    return tuple(found[:MOST])


def begins_like_elf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, size: data[offset : offset + size]


def ours(path: Path) -> Elf:
    with path.open("rb") as file:
        return read_elf(lambda offset, size: os.pread(file.fileno(), size, offset))


def test_the_same_as_pyelftools() -> None:
    elftools = pytest.importorskip("elftools.elf.elffile", reason="pyelftools is not installed")
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.gnuversions import GNUVerNeedSection
    from elftools.elf.segments import NoteSegment

    compared = 0
    for path in system_files():
        found = ours(path)
        with path.open("rb") as file:
            elf = elftools.ELFFile(file)
            needed, soname, rpath, kernel, isa = [], "", [], (), 0
            for segment in elf.iter_segments():
                if isinstance(segment, DynamicSegment):
                    for tag in segment.iter_tags():
                        if tag.entry.d_tag == "DT_NEEDED":
                            needed.append(tag.needed)
                        elif tag.entry.d_tag == "DT_SONAME":
                            soname = tag.soname
                        elif tag.entry.d_tag in ("DT_RPATH", "DT_RUNPATH"):
                            rpath += [each for each in getattr(tag, tag.entry.d_tag[3:].lower()).split(":") if each]
                elif isinstance(segment, NoteSegment):
                    for note in segment.iter_notes():
                        if note["n_name"] == "GNU" and note["n_type"] == "NT_GNU_ABI_TAG":
                            tag = note["n_desc"]
                            kernel = (tag["abi_major"], tag["abi_minor"], tag["abi_tiny"])
                        elif note["n_type"] == "NT_GNU_PROPERTY_TYPE_0":
                            for each in note["n_desc"]:
                                if each["pr_type"] in (0xC0008002, "GNU_PROPERTY_X86_ISA_1_NEEDED"):
                                    isa = max(isa, int(each["pr_data"]).bit_length())
            versions: dict[str, set[str]] = {}
            for section in elf.iter_sections():
                if isinstance(section, GNUVerNeedSection):
                    for library, names in section.iter_versions():
                        strong = {each.name for each in names if not each["vna_flags"] & 2}
                        if strong:
                            versions.setdefault(library.name, set()).update(strong)
        assert found.needed == tuple(needed), path
        assert (found.soname, list(found.rpath)) == (soname, rpath), path
        assert {library: set(names) for library, names in found.versions.items()} == versions, path
        assert (found.kernel, found.isa) == (kernel, isa), path
        compared += 1
    assert compared > 50


def test_something_was_found_in_them() -> None:
    found = [ours(path) for path in system_files()]
    assert any("GLIBC_2.34" in names for each in found for names in each.versions.values())
    assert any(each.executable and each.kernel >= (2, 6, 32) for each in found)
    assert any(each.soname.startswith("lib") for each in found)


def elf(sections: dict[str, bytes], *, order: str = "<", wide: bool = True) -> bytes:
    """A file of nothing but sections."""
    names = b"\0" + b"".join(f"{name}\0".encode() for name in (*sections, ".shstrtab"))
    bodies = [*sections.values(), names]
    start = 64
    headers, text = [struct.pack(f"{order}IIQQQQIIQQ", *[0] * 10)], b""
    for name, body in zip((*sections, ".shstrtab"), bodies, strict=True):
        at = names.index(f"{name}\0".encode())
        headers.append(struct.pack(f"{order}IIQQQQIIQQ", at, 1, 0, 0, start + len(text), len(body), 0, 0, 8, 0))
        text += body + b"\0" * (-len(body) % 8)
    ident = b"\x7fELF" + bytes([2, 1 if order == "<" else 2, 1]) + bytes(9)
    fields = (3, 62, 1, 0, 0, start + len(text), 0, 64, 56, 0, 64, len(headers), len(headers) - 1)
    return ident + struct.pack(f"{order}HHIQQQIHHHHHH", *fields) + text + b"".join(headers)


def fat_binary(*pieces: tuple[int, int, int]) -> bytes:
    """Of (kind, compute capability, size of the code)."""
    body = b"".join(
        struct.pack("<HHIQIIHHI", kind, 0x101, 64, size, 0, 0, 0, 0, capability) + bytes(32 + size)
        for kind, capability, size in pieces
    )
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def test_cuda_code() -> None:
    section = fat_binary((2, 80, 128), (2, 90, 64), (1, 90, 32)) + bytes(8) + fat_binary((2, 70, 8))
    found = read_elf(reader(elf({".text": b"x" * 9, ".nv_fatbin": section})))
    assert (found.sass, found.ptx) == ((70, 80, 90), (90,))
    assert read_elf(reader(elf({".text": b"x"}))).sass == ()


def test_a_fat_binary_that_lies_ends() -> None:
    endless = fat_binary(*[(2, 80, 0)] * 10)[:-100] + struct.pack("<IHHQ", 0xBA55ED50, 1, 0, 0) * 1000
    assert read_elf(reader(elf({".nv_fatbin": endless}))).sass == (80,)
    huge = struct.pack("<IHHQ", 0xBA55ED50, 1, 16, 2**64 - 1) + struct.pack(
        "<HHIQIIHHI", 2, 0, 64, 2**63, 0, 0, 0, 0, 80
    )
    read_elf(reader(elf({".nv_fatbin": huge})))


@pytest.mark.parametrize("text", [b"", b"\x7fELF", b"MZ" * 40, b"\x7fELF" + bytes(60), b"#!/bin/sh\n"])
def test_what_is_no_elf_file(text: bytes) -> None:
    with pytest.raises(SpackError, match="not an ELF file"):
        read_elf(reader(text))


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=20), st.integers(0, 3))
def test_no_damage_crashes_it(damage: list[tuple[int, int]], which: int) -> None:
    data = bytearray(small_files()[which % len(small_files())])
    for position, value in damage:
        data[position % len(data)] = value
    try:
        read_elf(reader(bytes(data)))
    except SpackError:
        pass


@given(st.integers(4, 200_000), st.integers(0, 3))
def test_no_end_crashes_it(end: int, which: int) -> None:
    try:
        read_elf(reader(small_files()[which % len(small_files())][:end]))
    except SpackError:
        pass


@functools.cache
def small_files() -> tuple[bytes, ...]:
    small = sorted((each for each in system_files() if each.stat().st_size < 200_000), key=lambda each: each.name)
    return (elf({".nv_fatbin": fat_binary((2, 80, 8), (1, 90, 8))}), *(each.read_bytes() for each in small[:3]))
