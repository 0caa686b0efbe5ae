"""SIF, the image format of apptainer and SingularityCE: what a file says about itself.

Only the header, the table of descriptors and small objects are read, never a file system; nothing in the file is
believed before it is compared with the file's size. Numbers are little endian, and records are packed:

    header       128  launch[32] magic[10] version[3] architecture[3] uuid[16] created, modified: i64
                      free, total, table offset, table length, data offset, data length: i64
    descriptor   585  type: i32, used: u8, id, group, link: u32
                      offset, size, padded size, created, modified, user, group: i64, name[128] extra[384]
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from hpccompat.artifact.label import member, parse_json, spec_in, spec_in_config
from hpccompat.artifact.origin import Origin, origin_in
from hpccompat.artifact.regular import RegularFile
from hpccompat.errors import ImageError

MAGIC = b"SIF_MAGIC\0"
VERSION = b"01\0"
HEADER = struct.Struct("<32s10s3s3s16s2q6q")
DESCRIPTOR = struct.Struct("<iBIII7q128s384s")

DEFINITION = 0x4001
PARTITION = 0x4004
SIGNATURE = 0x4005
JSON_OBJECT = 0x4006
OBJECT = 0x4007
OCI_INDEX = 0x400A
OCI_BLOB = 0x400B
# In the field of a group this marks that there is one; in a link, that it leads to a group.
GROUP_MASK = 0xF0000000

# Names of an object that holds a spec; the last is the media type of NFD's specs.
SPEC_NAMES = (
    "image-compatibility.json",
    "image-compatibility.yaml",
    "application/vnd.nfd.image-compatibility.spec.v1alpha1+yaml",
)
# Apptainer makes 48.
_DESCRIPTORS = 1024
_OBJECT_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Object:
    """An entry of the table. `group` is 0 for none. `created`: seconds since the epoch. `name`: of any content.
    `digest`: of an OCI blob, else ""."""

    type: int
    id: int
    group: int
    offset: int
    size: int
    created: int
    name: str
    digest: str


@dataclass(frozen=True)
class Sif:
    path: str
    objects: tuple[Object, ...]

    @property
    def signed(self) -> bool:
        return any(each.type == SIGNATURE for each in self.objects)

    @property
    def groups(self) -> frozenset[int]:
        return frozenset(each.group for each in self.objects if each.group)

    @property
    def specs(self) -> tuple[Object, ...]:
        """The objects that hold a spec, in the order in which they were added; the last one counts."""
        found = (each for each in self.objects if each.type in (JSON_OBJECT, OBJECT) and each.name in SPEC_NAMES)
        # A number that was deleted is given again: it tells the order only where the times don't.
        return tuple(sorted(found, key=lambda each: (each.created, each.id)))


def is_sif(file: RegularFile) -> bool:
    return file.size >= HEADER.size and file.read(32, len(MAGIC)) == MAGIC


def is_oci_sif(sif: Sif) -> bool:
    """Whether it holds an OCI layout (SingularityCE 4) instead of a file system of its own."""
    return any(each.type == OCI_INDEX for each in sif.objects)


def read_sif(file: RegularFile) -> Sif:
    """Raises ImageError: it is no SIF file, or its header can't be meant."""
    if not is_sif(file):
        raise ImageError(f"{file.path} is not a SIF file")
    _, _, version, _, _, _, _, _, total, offset, *_ = HEADER.unpack(file.read(0, HEADER.size))
    if version != VERSION:
        raise ImageError(f"{file.path} is a SIF file of another version: {version!r}")
    if not 0 <= total <= _DESCRIPTORS:
        raise ImageError(f"{file.path} is a damaged SIF file: it announces {total} objects")
    if not HEADER.size <= offset <= file.size - total * DESCRIPTOR.size:
        raise ImageError(f"{file.path} is a damaged SIF file: its table of objects lies outside of it")
    table = file.read(offset, total * DESCRIPTOR.size)
    return Sif(file.path, tuple(_objects(table)))


def _objects(table: bytes) -> Iterator[Object]:
    for kind, used, id, group, _, offset, size, _, created, _, _, _, name, extra in DESCRIPTOR.iter_unpack(table):
        if used:
            number = group & ~GROUP_MASK if group & GROUP_MASK == GROUP_MASK else 0
            digest = _text(extra) if kind == OCI_BLOB else ""
            yield Object(kind, id, number, offset, size, created, _text(name), digest)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def content(file: RegularFile, each: Object, limit: int = _OBJECT_LIMIT) -> bytes:
    """A small object's bytes. Raises ImageError."""
    if each.size > limit:
        raise ImageError(f"{file.path}: object {each.id} has {each.size} bytes, at most {limit} are read")
    if each.size < 0 or not HEADER.size <= each.offset <= file.size - each.size:
        raise ImageError(f"{file.path} is a damaged SIF file: object {each.id} lies outside of it")
    return file.read(each.offset, each.size)


def embedded_spec(file: RegularFile, sif: Sif) -> bytes | None:
    """Raises ImageError."""
    return content(file, sif.specs[-1]) if sif.specs else None


def label_spec(file: RegularFile, sif: Sif) -> bytes | None:
    """The spec among the labels, of the definition file or of the OCI image that it was made from.

    Raises ImageError."""
    for name in ("inspect-metadata.json", "oci-config.json"):
        for each in sif.objects:
            if each.type == JSON_OBJECT and each.name == name:
                found = parse_json(content(file, each), f"{file.path}: its {name}")
                # Of the OCI image either the whole configuration, or the part of it that has the labels.
                spec = (
                    spec_in(member(found, "data", "attributes", "labels"))
                    or spec_in(member(found, "Labels"))
                    or spec_in_config(found)
                )
                if spec is not None:
                    return spec
    return None


def origin(file: RegularFile, sif: Sif) -> Origin | None:
    """Raises ImageError."""
    definitions = [each for each in sif.objects if each.type == DEFINITION]
    return origin_in(content(file, definitions[-1]).decode("utf-8", "replace")) if definitions else None
