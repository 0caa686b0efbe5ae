"""Buildcaches in a registry: a tag for each binary, whose image config holds the spec; the index under `index.spack`.

(Spack 0.21 and later. Images of several binaries, `push --tag`, have no spec in their config, and are passed over.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hpccompat.errors import BuildcacheError, InvalidReference, RegistryError, SpackError
from hpccompat.reference import ImageReference, parse_reference
from hpccompat.spack.fetch import INDEX_LIMIT, MANIFEST_LIMIT, SPEC_LIMIT, Access, Blob, in_time, may_be_plain, verified
from hpccompat.spack.model import Concrete, Node
from hpccompat.spack.query import Query
from hpccompat.spack.specfile import Database, load_database, load_specfile

SCHEMES = ("oci://", "oci+http://")
_INDEX = "index.spack"
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_TAGS_LIMIT = 64 * 1024 * 1024

Get = Callable[[str, int, Sequence[str]], tuple[int, bytes]]
"""Path below the repository, limit, media types -> status, body. Raises RegistryError."""


@dataclass(frozen=True)
class Registry:
    """`location`: as it was given."""

    location: str
    get: Get

    def index(self) -> Database | None:
        """None where nobody made one. Raises BuildcacheError, SpackError."""
        manifest = self._manifest(_INDEX)
        if manifest is None:
            return None
        where = f"{self.location}:{_INDEX}"
        # Its type says tar+gzip, and it is neither.
        return load_database(self._blob(_first(manifest, "layers", where), INDEX_LIMIT, where), where)

    def specs(self, query: Query) -> Iterator[Concrete]:
        """Those that may be meant, by the names of their tags. (Of a registry that lists them page by page the first
        page; with an index none is asked for.)"""
        answer = self._answer("tags/list", _TAGS_LIMIT, ())
        if answer is None:
            return
        for tag in sorted(_tags(answer, self.location)):
            if tag == _INDEX or not tag.endswith(".spack") or not _may_be_meant(tag, query):
                continue
            manifest = self._manifest(tag)
            where = f"{self.location}:{tag}"
            if manifest is None:
                continue
            config = self._blob(_blob_of(manifest.get("config"), where), SPEC_LIMIT, where)
            if b'"spec"' in config:
                yield load_specfile(config, where)

    def _manifest(self, tag: str) -> dict[str, Any] | None:
        answer = self._answer(f"manifests/{tag}", MANIFEST_LIMIT, _MANIFESTS)
        return None if answer is None else _decoded(answer, f"{self.location}:{tag}")

    def _blob(self, blob: Blob, limit: int, where: str) -> bytes:
        if blob.size > limit:
            raise BuildcacheError(f"{where}: announces {blob.size} bytes, at most {limit} are read")
        data = self._answer(f"blobs/sha256:{blob.sha256}", limit, ())
        if data is None:
            raise BuildcacheError(f"{where}: blob {blob.sha256} is not there")
        return verified(data, blob, where)

    def _answer(self, path: str, limit: int, accept: Sequence[str]) -> bytes | None:
        try:
            status, body = self.get(path, limit, accept)
        except RegistryError as error:
            raise BuildcacheError(f"{self.location}: {error}") from error
        if status == 404:
            return None
        if status != 200:
            raise BuildcacheError(f"{self.location}: the registry answers {status} for {path}")
        return body


def open_registry(location: str, access: Access) -> Registry:
    """Nothing is asked yet. Raises BuildcacheError, SpackError."""
    scheme, _, name = location.partition("://")
    try:
        reference = parse_reference(f"docker://{name}")
    except InvalidReference as error:
        raise SpackError("spec-type", f"{location}: {error}") from error
    assert isinstance(reference, ImageReference)
    plain = scheme == "oci+http"
    if plain and not may_be_plain(reference.host, access):
        raise BuildcacheError(f"{location}: is not TLS (the setting plain_http lists the hosts where that may be)")
    return Registry(location, _transport(reference, plain, access))


def _transport(reference: ImageReference, plain: bool, access: Access) -> Get:
    # Imported here: oras costs more than all the rest, and only mirrors in registries need it.
    from hpccompat.artifact.transport import Transport

    def get(path: str, limit: int, accept: Sequence[str]) -> tuple[int, bytes]:
        def ask(ends: float) -> tuple[int, bytes]:
            transport = Transport(reference.endpoint, reference.repository, plain, ends, reference.host)
            answer = transport.get(path, limit, accept)
            return answer.status, answer.body

        return in_time(access, f"registry {reference.endpoint}", ask)

    return get


def image_of(location: str, node: Node) -> ImageReference | None:
    """The image that Spack pushes a binary as; None for a mirror that is no registry, or a name that is too long for a
    tag."""
    scheme, separator, name = location.partition("://")
    tag = re.sub(r"[^\w.-]", "_", f"{node.name}-{node.version}-{node.hash}.spack", flags=re.ASCII)
    if f"{scheme}{separator}" not in SCHEMES or len(tag) > 128:
        return None
    try:
        reference = parse_reference(f"docker://{name}:{tag}")
    except InvalidReference:
        return None
    return reference if isinstance(reference, ImageReference) else None


def _may_be_meant(tag: str, query: Query) -> bool:
    """Of a long name the tag has but beginning and end; the hash is at the end."""
    hash = tag.removesuffix(".spack").rpartition("-")[2]
    short = len(tag) == 128
    return hash.startswith(query.hash) and (short or not query.name or tag.startswith(f"{query.name}-".lower()))


def _tags(answer: bytes, where: str) -> list[str]:
    tags = _decoded(answer, where).get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(each, str) for each in tags):
        raise SpackError("spec-type", f"{where}: the registry's list of tags can't be read")
    return tags


def _first(manifest: dict[str, Any], key: str, where: str) -> Blob:
    listed = manifest.get(key)
    return _blob_of(listed[0] if isinstance(listed, list) and listed else None, where)


def _blob_of(descriptor: object, where: str) -> Blob:
    found = descriptor if isinstance(descriptor, dict) else {}
    digest, size = found.get("digest"), found.get("size")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest) or type(size) is not int:
        raise SpackError("spec-type", f"{where}: the manifest can't be read: no sha256 digest and size")
    return Blob(str(found.get("mediaType")), size, digest.removeprefix("sha256:"))


def _decoded(data: bytes, where: str) -> dict[str, Any]:
    try:
        top = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SpackError("yaml-syntax", f"{where}: not JSON, or cut off: {error}") from error
    if not isinstance(top, dict):
        raise SpackError("spec-type", f"{where}: must be an object")
    return top
