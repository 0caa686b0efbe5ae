"""The files of a binary that is at hand: what its programs and libraries ask for themselves.

They are finer than the metadata. A binary that was built against glibc 2.36 may need no symbol newer than 2.17; which
is told only if all its files could be read, since a dependency may need more.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from hpccompat.errors import SpackError
from hpccompat.spack.elf import Elf, is_elf, read_elf
from hpccompat.spack.facts import Facts, Libc
from hpccompat.spack.model import Concrete

# Of all prefixes together.
MOST_FILES = 200_000
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.(\d+))?", re.ASCII)
_RUNTIMES = re.compile(r"(?:GLIBCXX|CXXABI|GFORTRAN|GCC)_[\d.]+", re.ASCII)
# Libraries of glibc itself, and the loader (glibc, "The GNU C Library Reference Manual").
_OF_GLIBC = re.compile(
    r"(?:lib(?:c|m|dl|rt|pthread|util|resolv|nsl|anl|crypt|mvec|thread_db|BrokenLocale)\.so\.\d+|ld[-\w]*\.so\.\d+|ld64\.so\.\d)"
)
# Libraries that come with a driver.
_OF_DRIVER = {"libcuda.so.1": "nvidia", "libnvidia-ml.so.1": "nvidia", "libdrm_amdgpu.so.1": "amd"}


@dataclass(frozen=True)
class File:
    """`path` below its prefix."""

    path: str
    elf: Elf


@dataclass(frozen=True)
class Files:
    """`complete`: those of all packages that the binary needs, and Spack has built, could be read. `install_root`: of
    the builder, where that is known."""

    files: tuple[File, ...]
    complete: bool
    broken: tuple[str, ...] = ()
    install_root: str = ""


def files_of(concrete: Concrete) -> Files:
    """The ELF files of the prefixes that are on this host; none where none is."""
    files: list[File] = []
    broken: list[str] = []
    complete = True
    left = MOST_FILES
    for node in concrete.closure():
        if node.external is not None:
            continue
        prefix = concrete.prefixes.get(node.hash, "")
        if not prefix or not os.path.isdir(prefix):
            complete = False
            continue
        for path in _files(prefix):
            left -= 1
            if left < 0:
                return Files(tuple(files), False, tuple(broken))
            try:
                elf = _read(path)
            except (SpackError, OSError) as error:
                broken.append(f"{path}: {getattr(error, 'strerror', None) or error}")
                continue
            if elf is not None:
                files.append(File(os.path.relpath(path, prefix), elf))
    return Files(tuple(files), complete and not broken, tuple(broken[:10]))


def refined(facts: Facts, files: Files) -> Facts:
    """The facts with what the files say; where a file says more than the metadata, its name is told (pure)."""
    if not files.files:
        return facts
    elfs = [each.elf for each in files.files]
    notes = [f"{len(elfs)} ELF files were read{'' if files.complete else '; not of all that it needs'}"]
    notes += [f"can't be read: {each}" for each in files.broken]
    if files.install_root:
        length = len(files.install_root)
        notes.append(
            f"an install root of more than {length} characters, as the builder's had, can't be put into its files"
        )
    facts = _glibc(facts, files)
    kernel = max((each.kernel for each in elfs if each.executable and each.kernel), default=())
    level = max(each.isa for each in elfs)
    if level > 1:
        notes.append(f"its files are marked for x86-64-v{level}: an older CPU's loader refuses them")
    provided = {each.soname for each in elfs if each.soname} | {os.path.basename(each.path) for each in files.files}
    wanting = _wanting(files.files, provided)
    gpu = {vendor for library, vendor in _OF_DRIVER.items() if library in wanting}
    for library, who in sorted(wanting.items()):
        where = "comes with the GPU's driver" if library in _OF_DRIVER else "must be on the host, or in LD_LIBRARY_PATH"
        if files.complete or library in _OF_DRIVER:
            notes.append(f"{library} ({who} needs it) {where}")
    if not any("libstdc++.so.6" in (each.soname, os.path.basename(path)) for path, each in _pairs(files)):
        newest = _newest_runtimes(elfs)
        notes += [f"needs {', '.join(newest)} of the host's compiler runtime"] if newest else []
    sass, ptx = {each for elf in elfs for each in elf.sass}, {each for elf in elfs for each in elf.ptx}
    if sass or ptx:
        notes.append(f"its files hold CUDA code for {_listed(sass)}, PTX for {_listed(ptx)}")
    return replace(
        facts,
        kernel=".".join(map(str, kernel)) if kernel else facts.kernel,
        gpu=tuple(sorted({*facts.gpu, *gpu})),
        cuda_arch=tuple(map(str, sorted(sass))) if sass else facts.cuda_arch,
        ptx=tuple(map(str, sorted(ptx))) if (sass or ptx) and files.complete else facts.ptx,
        notes=(*facts.notes, *notes),
    )


def _glibc(facts: Facts, files: Files) -> Facts:
    needed = [
        (version, each.path, name)
        for each in files.files
        for names in each.elf.versions.values()
        for name in names
        if (version := _glibc_version(name))
    ]
    if not needed or (facts.libc is not None and facts.libc.name != "glibc"):
        return facts
    private = next((each.path for each in files.files if _needs_private(each.elf)), None)
    if private is not None:
        note = f"{private} needs GLIBC_PRIVATE: surely right is only the C library that it was built against"
        return replace(facts, notes=(*facts.notes, note))
    version, path, name = max(needed)
    text = ".".join(map(str, version))
    if facts.libc is not None and not files.complete:
        return replace(facts, notes=(*facts.notes, f"{path} needs {name}; other files were not read"))
    recorded = f", built against {facts.libc.version}" if facts.libc is not None else ""
    return replace(facts, libc=Libc("glibc", text, f"{name} in {path}{recorded}"))


def _needs_private(elf: Elf) -> bool:
    """What glibc has for itself alone, and other programs are not to use; its own parts may be in a closure."""
    return not _OF_GLIBC.fullmatch(elf.soname) and any("GLIBC_PRIVATE" in names for names in elf.versions.values())


def _glibc_version(name: str) -> tuple[int, ...]:
    """Of a version that is needed. DT_RELR relocations are understood from 2.36 on."""
    if name == "GLIBC_ABI_DT_RELR":
        return (2, 36)
    match = _GLIBC.fullmatch(name)
    return tuple(int(part) for part in match.groups() if part) if match else ()


def _newest_runtimes(elfs: Iterable[Elf]) -> list[str]:
    names = {name for elf in elfs for versions in elf.versions.values() for name in versions}
    newest: dict[str, str] = {}
    for name in filter(_RUNTIMES.fullmatch, names):
        prefix = name.partition("_")[0]
        newest[prefix] = max(newest.get(prefix, ""), name, key=_numbers)
    return sorted(newest.values())


def _numbers(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)]


def _wanting(files: Iterable[File], provided: set[str]) -> Mapping[str, str]:
    """Libraries that are needed and provided by none of the files -> a file that needs them."""
    return {
        library: each.path
        for each in files
        for library in each.elf.needed
        if os.path.basename(library) not in provided and not _OF_GLIBC.fullmatch(library)
    }


def _pairs(files: Files) -> Iterator[tuple[str, Elf]]:
    return ((each.path, each.elf) for each in files.files)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "none"


def _files(prefix: str) -> Iterator[str]:
    """Regular files, without those behind links, which are met where they are."""
    for folder, folders, names in os.walk(prefix):
        folders.sort()
        if folder == prefix and ".spack" in folders:
            folders.remove(".spack")
        yield from (os.path.join(folder, name) for name in sorted(names))


def _read(path: str) -> Elf | None:
    """None for what is no ELF file. Raises OSError, SpackError."""
    if os.path.islink(path):
        return None
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode) or not is_elf(os.pread(handle, 4, 0)):
            return None
        return read_elf(lambda offset, size: os.pread(handle, size, offset))
    finally:
        os.close(handle)
