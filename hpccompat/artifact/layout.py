"""OCI image layouts (image-spec 1.1, "OCI Image Layout"): images, and the artifacts that refer to them, in a directory.

`index.json` lists them all, images by their names; referrers stand there among the images (oras), or in an index
that is named as the fallback tag of a registry would be (regclient).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from hpccompat.artifact.found import LocalSpec
from hpccompat.artifact.label import LABEL, parse_json, spec_in_config
from hpccompat.artifact.manifest import (
    OCI_EMPTY,
    Descriptor,
    Manifest,
    of_platform,
    parse_index,
    parse_manifest,
    verified,
)
from hpccompat.artifact.referrers import ARTIFACT_TYPE, fallback_tag, newest
from hpccompat.artifact.regular import read_if_there
from hpccompat.errors import ImageError, RegistryError

T = TypeVar("T")
INDEX = "index.json"
# The second one is containerd's: the whole name, where the first is the tag alone.
_NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_IMAGE_TYPES = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
# What an entry says of an artifact whose manifest has to be opened to know its type.
_UNTOLD = ("", OCI_EMPTY)
_SPEC_LIMIT = 1024 * 1024
_MANIFEST_LIMIT = 4 * 1024 * 1024
# Manifests that are opened in one layout: in number, and in bytes.
_OPENED = 256
_OPENED_BYTES = 16 * 1024 * 1024
# Names that a message lists.
_SHOWN = 10


class Files(Protocol):
    """The files of a layout."""

    @property
    def path(self) -> str:
        """What people call it."""

    def read(self, name: str, limit: int) -> bytes | None:
        """None where there is no such file. Raises ImageError, also where it has more than `limit` bytes."""


@dataclass(frozen=True)
class Directory:
    path: str

    def read(self, name: str, limit: int) -> bytes | None:
        return read_if_there(os.path.join(self.path, name), limit)


@dataclass(frozen=True)
class _Entry:
    """`manifest` is None for an index, and for what wasn't opened. Where it was, the descriptor has its type and its
    annotations."""

    descriptor: Descriptor
    manifest: Manifest | None = None

    @property
    def digest(self) -> str:
        return self.descriptor.digest

    @property
    def subject(self) -> str:
        """The digest that it refers to, or ""."""
        return self.manifest.subject.digest if self.manifest and self.manifest.subject else ""

    @property
    def names(self) -> set[str]:
        return {self.descriptor.annotations[each] for each in _NAMES if each in self.descriptor.annotations}

    @property
    def is_index(self) -> bool:
        return self.descriptor.media_type in _INDEX_TYPES

    @property
    def is_image(self) -> bool:
        if self.is_index:
            return not any(each.startswith("sha256-") for each in self.names)
        told = self.descriptor.artifact_type
        return self.manifest is not None and not self.subject and told in (*_IMAGE_TYPES, *_UNTOLD)


def find_in_layout(files: Files, tag: str, architecture: str) -> LocalSpec:
    """`tag`: the image's name or digest in the layout, "" for the only one. `architecture`: Go's name of it; of an
    image for several platforms the one of linux on it counts.

    Raises ImageError."""
    data = files.read(INDEX, _MANIFEST_LIMIT)
    if data is None:
        raise ImageError(f"{files.path} is no OCI image layout: it has no {INDEX}")
    entries = _opened(files, _entries(data, f"{files.path}: {INDEX}"))
    named = _named(files.path, entries, tag, architecture)
    image = _of_platform(files, named, architecture)
    # A spec for this platform comes before one for all of them.
    for subject in (image, named):
        found = _attached(files, entries, subject.digest) if subject is not None else None
        if found is not None:
            return LocalSpec(found[1], f"{files.path}@{found[0]}", named.digest)
    label = _label(files, image) if image is not None else None
    return LocalSpec(label, f"{files.path}, label {LABEL}" if label is not None else files.path, named.digest)


def _entries(data: bytes, where: str) -> list[_Entry]:
    return [_Entry(each) for each in _parsed(parse_index, data, where)]


def _opened(files: Files, entries: Iterable[_Entry]) -> list[_Entry]:
    """The entries, with what their manifests tell, as far as they may be images or specs."""
    result = []
    count = size = 0
    for each in entries:
        if not each.is_index and each.descriptor.artifact_type in (*_UNTOLD, *_IMAGE_TYPES, ARTIFACT_TYPE):
            count += 1
            size += each.descriptor.size
            if count > _OPENED or size > _OPENED_BYTES:
                raise ImageError(f"{files.path} lists more manifests than are opened ({_OPENED}, of 16 MiB in all)")
            each = _open(files, each)
        result.append(each)
    return result


def _open(files: Files, entry: _Entry) -> _Entry:
    data = _blob(files, entry.descriptor, _MANIFEST_LIMIT)
    if data is None:
        # A layout may hold some of an image's platforms only.
        return entry
    manifest = _parsed(parse_manifest, data, f"{files.path}: {entry.digest}")
    annotations = {**entry.descriptor.annotations, **manifest.annotations}
    # In the list, an image's name is that of the list; a manifest may say anything.
    annotations.update({name: text for name, text in entry.descriptor.annotations.items() if name in _NAMES})
    described = replace(entry.descriptor, artifact_type=manifest.artifact_type, annotations=annotations)
    return _Entry(described, manifest)


def _named(path: str, entries: list[_Entry], tag: str, architecture: str) -> _Entry:
    if tag:
        chosen = [each for each in entries if tag in (*each.names, each.digest)]
    else:
        chosen = [each for each in entries if each.is_image]
    if len({each.digest for each in chosen}) > 1:
        of_this = of_platform([each.descriptor for each in chosen], "linux", architecture)
        chosen = [each for each in chosen if of_this and each.digest == of_this.digest] or chosen
    if len({each.digest for each in chosen}) == 1:
        return chosen[0]
    names = sorted(name for each in entries if each.is_image for name in each.names)
    listed = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    if chosen:
        raise ImageError(f"{path} holds several images; name one, as oci:PATH:NAME (it has: {listed or 'no names'})")
    raise ImageError(f"{path} holds no image{f' called {tag}' if tag else ''} (it has: {listed or 'no names'})")


def _of_platform(files: Files, named: _Entry, architecture: str) -> _Entry | None:
    """The image itself, or the one of an index for the platform; None where there is none."""
    if not named.is_index:
        return named
    data = _blob(files, named.descriptor, _MANIFEST_LIMIT)
    if data is None:
        raise ImageError(f"{files.path} lacks {named.digest}, which its {INDEX} lists")
    chosen = of_platform(_parsed(parse_index, data, f"{files.path}: {named.digest}"), "linux", architecture)
    return _open(files, _Entry(chosen)) if chosen is not None else None


def _attached(files: Files, entries: list[_Entry], subject: str) -> tuple[str, bytes] | None:
    """The digest and the bytes of the newest spec that refers to the subject."""
    candidates = list(entries)
    tagged = next((each for each in entries if each.is_index and fallback_tag(subject) in each.names), None)
    if tagged is not None:
        listed = _blob(files, tagged.descriptor, _MANIFEST_LIMIT) or b"{}"
        candidates += _opened(files, _entries(listed, f"{files.path}: {tagged.digest}"))
    for each in candidates:
        if each.manifest is None and each.descriptor.artifact_type == ARTIFACT_TYPE:
            raise ImageError(f"{files.path} lacks {each.digest}, a spec that its {INDEX} lists")
    specs = {each.digest: each for each in candidates if each.subject == subject}
    chosen = newest(each.descriptor for each in specs.values())
    if chosen is None:
        return None
    manifest = specs[chosen.digest].manifest
    if manifest is None or not manifest.layers:
        raise ImageError(f"{files.path}@{chosen.digest}, a spec by its type, holds no file")
    data = _blob(files, manifest.layers[0], _SPEC_LIMIT)
    if data is None:
        raise ImageError(f"{files.path} lacks {manifest.layers[0].digest}, the file of the spec {chosen.digest}")
    return chosen.digest, data


def _label(files: Files, image: _Entry) -> bytes | None:
    config = image.manifest.config if image.manifest else None
    data = _blob(files, config, _MANIFEST_LIMIT) if config and config.media_type in _IMAGE_TYPES else None
    return spec_in_config(parse_json(data, f"{files.path}: its configuration")) if data is not None else None


def _blob(files: Files, descriptor: Descriptor, limit: int) -> bytes | None:
    """The verified bytes; None where the layout hasn't got them."""
    if descriptor.size > limit:
        raise ImageError(
            f"{files.path}: {descriptor.digest}: {descriptor.size} bytes are announced, at most {limit} are read"
        )
    data = files.read(f"blobs/{descriptor.digest.replace(':', '/')}", limit)
    return None if data is None else _parsed(lambda each: verified(each, descriptor), data, files.path)


def _parsed(parse: Callable[..., T], data: object, where: str) -> T:
    try:
        return parse(data)
    except RegistryError as error:
        raise ImageError(f"{where}: {error}") from error
