"""The tarball of a binary, fetched on request and looked into, without being unpacked anywhere."""

from __future__ import annotations

import io
import json
import re
import tarfile
import zlib
from dataclasses import replace

from hpccompat.errors import BuildcacheError, SpackError
from hpccompat.spack.buildcache import Mirror, open_mirror
from hpccompat.spack.elf import Elf, is_elf, read_elf
from hpccompat.spack.fetch import SPEC_LIMIT, Access, Blob, fetch, verified
from hpccompat.spack.installed import MOST_FILES, File, Files
from hpccompat.spack.model import Concrete, Node
from hpccompat.spack.specfile import unsigned

TARBALL_LIMIT = 2 * 1024**3
# Of all files in one, unpacked; and of one ELF file, which is held in memory.
_UNPACKED_LIMIT = 64 * 1024**3
_ELF_LIMIT = 1024**3
_PATIENCE = 600.0
_CHECKSUM = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BUILD_PATH = re.compile(rb"^buildpath:[ \t]*[\"']?(/[^\s\"']*)", re.MULTILINE)


def downloaded(concrete: Concrete, access: Access) -> Files:
    """The ELF files of the binary and of all that it needs, from the mirror where it was found. Raises BuildcacheError,
    SpackError."""
    if not concrete.mirror:
        raise BuildcacheError(f"{concrete.found_at}: is no binary of a mirror, and can't be downloaded")
    patient = replace(access, deadline=max(access.deadline, _PATIENCE))
    mirror = open_mirror(concrete.mirror, patient)
    files: list[File] = []
    root = ""
    for node in concrete.closure():
        if node.external is None:
            found = look_into(fetch_tarball(mirror, node), str(node))
            files += found.files
            root = root or found.install_root
    return Files(tuple(files), True, (), root)


def fetch_tarball(mirror: Mirror, node: Node) -> bytes:
    """Verified. Raises BuildcacheError, SpackError."""
    if any("/" in each for each in (node.name, node.version, node.platform, node.os, node.target.name, node.compiler)):
        raise SpackError("spec-type", f"{node}: what a file is to be named after has a slash")
    if "oci" in mirror.layouts or "tree" in mirror.layouts:
        raise BuildcacheError(f"{mirror.location}: tarballs are fetched from mirrors of files alone")
    manifest = mirror.tarball_of(node) if "3" in mirror.layouts else None
    if manifest is not None:
        blob, where = manifest
        if blob.size > TARBALL_LIMIT:
            raise BuildcacheError(f"{where}: announces {blob.size} bytes, at most {TARBALL_LIMIT} are read")
        data = fetch(where, TARBALL_LIMIT, mirror.access)
        if data is None:
            raise BuildcacheError(f"{where}: is not there")
        return verified(data, blob, where)
    return _of_layout_2(mirror, node)


def look_into(data: bytes, name: str) -> Files:
    """Raises SpackError for what is no tarball."""
    files: list[File] = []
    broken: list[str] = []
    root, unpacked = "", 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r|gz") as archive:
            for number, member in enumerate(archive):
                unpacked += max(member.size, 0)
                if number >= MOST_FILES or unpacked > _UNPACKED_LIMIT:
                    text = f"tarball of {name}: more than {MOST_FILES} files, or {_UNPACKED_LIMIT} bytes"
                    raise SpackError("limit", text)
                content = archive.extractfile(member) if member.isreg() and member.size <= _ELF_LIMIT else None
                if content is None:
                    continue
                begin = content.read(4)
                if is_elf(begin):
                    try:
                        files.append(File(f"{name}: {member.name}", _elf(begin + content.read())))
                    except SpackError as error:
                        broken.append(f"{name}: {member.name}: {error}")
                elif member.name.endswith(".spack/binary_distribution"):
                    match = _BUILD_PATH.search(begin + content.read(SPEC_LIMIT))
                    root = match[1].decode("utf-8", "replace") if match else ""
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        raise SpackError("spec-type", f"tarball of {name}: can't be read: {error}") from error
    return Files(tuple(files), not broken, tuple(broken[:10]), root)


def _elf(data: bytes) -> Elf:
    return read_elf(lambda offset, size: data[offset : offset + size])


def _of_layout_2(mirror: Mirror, node: Node) -> bytes:
    """Spack up to 0.23 names files after the compiler, too, and keeps the checksum in the spec file."""
    compiler = node.compiler.replace("@", "-")
    arch = f"{node.platform}-{node.os}-{node.target.name}"
    base = f"{arch}-{compiler}-{node.name}-{node.version}-{node.hash}"
    folder = f"{mirror.location}/build_cache"
    for name in (f"{folder}/{base}.spec.json.sig", f"{folder}/{base}.spec.json"):
        text = fetch(name, SPEC_LIMIT, mirror.access)
        if text is not None:
            break
    else:
        raise BuildcacheError(f"{folder}/{base}.spec.json: is not there")
    try:
        checksum = json.loads(unsigned(text, name)[0])["binary_cache_checksum"]["hash"]
        if not _CHECKSUM.fullmatch(checksum):
            raise ValueError("no sha256")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SpackError("spec-type", f"{name}: tells no checksum of its tarball: {error}") from error
    where = f"{folder}/{arch}/{compiler}/{node.name}-{node.version}/{base}.spack"
    data = fetch(where, TARBALL_LIMIT, mirror.access)
    if data is None:
        raise BuildcacheError(f"{where}: is not there")
    return verified(data, Blob("", len(data), checksum), where)
