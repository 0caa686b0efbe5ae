"""Images in one tar archive: an OCI layout (`oci-archive:`), or what `docker save` writes (`docker-archive:`)."""

from __future__ import annotations

import re

from hpccompat.artifact.found import LocalSpec
from hpccompat.artifact.label import LABEL, member, parse_json, spec_in_config
from hpccompat.artifact.layout import find_in_layout
from hpccompat.artifact.manifest import digest_of
from hpccompat.artifact.regular import RegularFile
from hpccompat.artifact.tar import Tar
from hpccompat.errors import ImageError, InvalidReference
from hpccompat.reference import parse_reference

_MANIFEST = "manifest.json"
_LIMIT = 4 * 1024 * 1024
# Names of an image's configuration; the digest of older ones is part of theirs, too.
_CONFIGURATION = re.compile(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?", re.ASCII)


def find_in_oci_archive(path: str, tag: str, architecture: str) -> LocalSpec:
    """As `find_in_layout`. Raises ImageError."""
    with RegularFile(path) as file:
        return find_in_layout(Tar(file), tag, architecture)


def find_in_docker_archive(path: str, tag: str) -> LocalSpec:
    """The image's label: such an archive holds nothing else, and no digests of manifests. `tag`: the name of one of
    several images. Raises ImageError."""
    with RegularFile(path) as file:
        archive = Tar(file)
        data = archive.read(_MANIFEST, _LIMIT)
        if data is None:
            raise ImageError(f"{path} is no archive of docker's: it has no {_MANIFEST}")
        name = member(_image(parse_json(data, f"{path}: {_MANIFEST}"), path, tag), "Config")
        config = archive.read(name, _LIMIT) if isinstance(name, str) else None
        if config is None:
            raise ImageError(f"{path} lacks the configuration of its image")
        digest = _CONFIGURATION.fullmatch(str(name))
        if digest and digest_of(config) != f"sha256:{digest[1]}":
            raise ImageError(f"{path}: the content of {name} has another digest: {digest_of(config)}")
        label = spec_in_config(parse_json(config, f"{path}: {name}"))
    return LocalSpec(label, f"{path}, label {LABEL}" if label is not None else path)


def _image(manifest: object, path: str, tag: str) -> object:
    images = manifest if isinstance(manifest, list) else []
    named = [each for each in images if not tag or _canonical(tag) in map(_canonical, _tags(each))]
    if len(named) == 1:
        return named[0]
    listed = ", ".join(name for each in images[:10] for name in _tags(each)[:10]) or "no names"
    if named:
        raise ImageError(f"{path} holds several images; name one, as docker-archive:PATH:NAME (it has: {listed})")
    raise ImageError(f"{path} holds no image{f' called {tag}' if tag else ''} (it has: {listed})")


def _tags(image: object) -> list[str]:
    tags = member(image, "RepoTags")
    return [each for each in tags if isinstance(each, str)] if isinstance(tags, list) else []


def _canonical(name: str) -> str:
    try:
        return str(parse_reference(name))
    except InvalidReference:
        return name
