"""SIF files made by hand, of the layout that apptainer writes: 48 descriptors at byte 4096, objects from 32176 on, the
file system last, on a boundary of 4096."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpccompat.artifact.sif import (
    DEFINITION,
    DESCRIPTOR,
    GROUP_MASK,
    HEADER,
    JSON_OBJECT,
    MAGIC,
    PARTITION,
    SIGNATURE,
    VERSION,
)

TABLE = 4096
SLOTS = 48
DATA = TABLE + SLOTS * DESCRIPTOR.size


@dataclass(frozen=True)
class Part:
    type: int
    data: bytes
    name: str = ""
    group: int = 1
    used: int = 1
    created: int = 0
    extra: str = ""


def sif(parts: Sequence[Part]) -> bytes:
    """The bytes of a file with these objects, numbered from 1."""
    table, body = b"", b""
    for id, part in enumerate(parts, 1):
        if part.type == PARTITION:
            body += bytes(-(DATA + len(body)) % 4096)
        group = GROUP_MASK | part.group if part.group else 0
        table += DESCRIPTOR.pack(
            part.type, part.used, id, group, 0, DATA + len(body), len(part.data), len(part.data), part.created, 0, 0, 0,
            part.name.encode(), part.extra.encode(),
        )  # fmt: skip
        body += part.data
    header = HEADER.pack(
        b"#!/usr/bin/env run-singularity\n", MAGIC, VERSION, b"02\0", bytes(16), 0, 0,
        SLOTS - len(parts), SLOTS, TABLE, SLOTS * DESCRIPTOR.size, DATA, len(body),
    )  # fmt: skip
    return (header.ljust(TABLE, b"\0") + table).ljust(DATA, b"\0") + body


def definition(text: str) -> Part:
    return Part(DEFINITION, text.encode())


def labels(values: Mapping[str, str]) -> Part:
    """As apptainer keeps them for `apptainer inspect`."""
    found = {"data": {"attributes": {"labels": dict(values), "deffile": ""}}, "type": "container"}
    return Part(JSON_OBJECT, json.dumps(found).encode(), "inspect-metadata.json")


def oci_labels(values: Mapping[str, str]) -> Part:
    return Part(JSON_OBJECT, json.dumps({"Labels": dict(values)}).encode(), "oci-config.json")


def spec(text: str, name: str = "image-compatibility.json", type: int = JSON_OBJECT, used: int = 1) -> Part:
    return Part(type, text.encode(), name, used=used)


FILE_SYSTEM = Part(PARTITION, b"hsqs" + bytes(4092))
SIGNED = Part(SIGNATURE, b"-----BEGIN DSSE MESSAGE-----")
PULLED = definition("bootstrap: docker\nfrom: registry.example.org/hpc/solver:1.0\n")
