"""Manifests and descriptors (OCI image-spec 1.1), read from verified bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hpccompat.errors import RegistryError

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
MANIFEST_TYPES = (
    OCI_INDEX,
    OCI_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Platform:
    """As Go names them: `linux`, `amd64`."""

    os: str = ""
    architecture: str = ""
    variant: str = ""


@dataclass(frozen=True)
class Descriptor:
    media_type: str
    digest: str
    size: int
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform = Platform()


@dataclass(frozen=True)
class Manifest:
    """`artifact_type`: its own, or that of its config (image-spec, "Guidelines for Artifact Usage")."""

    layers: tuple[Descriptor, ...]
    subject: Descriptor | None
    annotations: Mapping[str, str]
    config: Descriptor | None = None
    artifact_type: str = ""


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def verified(data: bytes, descriptor: Descriptor) -> bytes:
    """The bytes, once they are those that the descriptor names. Raises RegistryError."""
    if len(data) != descriptor.size:
        raise RegistryError(f"{descriptor.digest} has {len(data)} bytes where {descriptor.size} were announced")
    if digest_of(data) != descriptor.digest:
        raise RegistryError(f"the content of {descriptor.digest} has another digest: {digest_of(data)}")
    return data


def parse_index(data: bytes) -> tuple[Descriptor, ...]:
    """The manifests that an image index lists. Raises RegistryError."""
    return tuple(_descriptor(each) for each in _list(_object(data), "manifests"))


def parse_manifest(data: bytes) -> Manifest:
    """Raises RegistryError."""
    top = _object(data)
    subject, config = (top.get(name) for name in ("subject", "config"))
    described = _descriptor(config) if config is not None else None
    return Manifest(
        tuple(_descriptor(each) for each in _list(top, "layers")),
        _descriptor(subject) if subject is not None else None,
        _strings(top.get("annotations")),
        described,
        str(top.get("artifactType") or (described.media_type if described else "")),
    )


def is_index(data: bytes) -> bool:
    """Whether these are the bytes of an image index, or of Docker's manifest list. Raises RegistryError."""
    return "manifests" in _object(data)


def of_platform(entries: Sequence[Descriptor], os: str, architecture: str) -> Descriptor | None:
    """The manifest of an image index for a host; of several variants the first."""
    for each in entries:
        if (each.platform.os, each.platform.architecture) == (os, architecture):
            return each
    return None


def _object(data: bytes) -> dict[str, object]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"a manifest is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RegistryError("a manifest is not a JSON object")
    return value


def _list(top: Mapping[str, object], name: str) -> list[object]:
    value = top.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise RegistryError(f"a manifest's {name!r} is not a list")
    return value


def _descriptor(value: object) -> Descriptor:
    entry = value if isinstance(value, dict) else {}
    digest, size = entry.get("digest"), entry.get("size")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest) or type(size) is not int or size < 0:
        raise RegistryError("a manifest holds a descriptor without a sha256 digest and a size")
    return Descriptor(
        str(entry.get("mediaType") or ""),
        digest,
        size,
        str(entry.get("artifactType") or ""),
        _strings(entry.get("annotations")),
        Platform(*(str(_strings(entry.get("platform")).get(name, "")) for name in ("os", "architecture", "variant"))),
    )


def _strings(value: object) -> dict[str, str]:
    entries = value if isinstance(value, dict) else {}
    return {key: each for key, each in entries.items() if isinstance(each, str)}
