"""Mirrors, install trees, installs and lockfiles: what is there, recognised by paths alone.

    build_cache/index.json, index.json.hash, <…>-<hash>.spec.json[.sig]         layout 1 and 2, Spack up to 0.23
    v3/manifests/index/index.manifest.json, v3/manifests/spec/…, blobs/sha256/  layout 3, Spack 1.0 and later
    oci://HOST/NAME, oci+http://HOST/NAME                                       a registry, see oci.py
    .spack-db/index.json                                                        an install tree
    .spack/spec.json                                                            one install

A mirror may hold trees of both kinds. Over the network only an index lists what there is; on a file system specs are
also found by their names, as Spack itself finds them by hash.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hpccompat.errors import BuildcacheError, SpackError
from hpccompat.spack.fetch import (
    INDEX_LIMIT,
    MANIFEST_LIMIT,
    SPEC_LIMIT,
    Access,
    Blob,
    fetch,
    is_local,
    local_path,
    unpacked,
    verified,
)
from hpccompat.spack.model import Concrete, Node
from hpccompat.spack.oci import SCHEMES, open_registry
from hpccompat.spack.query import Query, matching
from hpccompat.spack.specfile import Database, load_database, load_lockfile, load_specfile, unsigned

_INDEX_3 = "v3/manifests/index/index.manifest.json"
_SPEC_TYPE = re.compile(r"application/vnd\.spack\.spec\.v\d+\+json")
_TARBALL_TYPE = re.compile(r"application/vnd\.spack\.install\.v\d+\.tar\+gzip")
_INDEX_TYPE = re.compile(r"application/vnd\.spack\.db\.v\d+\+json")
# Of files in one folder of a mirror.
_MOST_FILES = 200_000


@dataclass(frozen=True)
class Mirror:
    """`location`: a path or URL without what belongs to the layout. `database`: None where no index lists it; `found`
    says which layouts are there."""

    location: str
    access: Access
    layouts: tuple[str, ...]
    database: Database | None = None

    def find(self, query: Query) -> tuple[Node, ...]:
        """The binaries that the query means. Raises BuildcacheError, SpackError."""
        if self.database is not None:
            found = matching(query, self.database.nodes, self.database.binaries)
            if found or not (is_local(self.location) or "oci" in self.layouts):
                return found
        listed = {each.roots[0]: each.nodes[each.roots[0]] for each in self._files(query)}
        return matching(query, listed, listed)

    def load(self, node: Node) -> Concrete:
        """The binary with all that it depends on: from the index, which has the whole of it, else from its own spec
        file. Raises BuildcacheError, SpackError."""
        if self.database is not None and node.hash in self.database.binaries:
            prefixes = self.database.prefixes
            return Concrete((node.hash,), self.database.nodes, f"the index of {self.location}", prefixes)
        for each in self._files(Query("", node.name, node.hash)):
            return each
        raise BuildcacheError(f"{self.location}: holds no spec of {node}")

    def tarball_of(self, node: Node) -> tuple[Blob, str] | None:
        """Of layout 3: size and checksum of its tarball, and where that is; None where it has no manifest. Raises
        BuildcacheError, SpackError."""
        path = (
            f"{self.location}/v3/manifests/spec/{node.name}/{node.name}-{node.version}-{node.hash}.spec.manifest.json"
        )
        text = fetch(path, MANIFEST_LIMIT, self.access)
        if text is None:
            return None
        blob = _entry(unsigned(text, path)[0], _TARBALL_TYPE, path)
        return blob, f"{self.location}/blobs/sha256/{blob.sha256[:2]}/{blob.sha256}"

    def _files(self, query: Query) -> Iterator[Concrete]:
        """The spec files that may be meant, of a mirror on a file system or in a registry."""
        if "oci" in self.layouts:
            yield from open_registry(self.location, self.access).specs(query)
        if "3" in self.layouts:
            for path in self._manifests(query):
                yield self._by_manifest(path)
        if "2" in self.layouts:
            for path in _names(local_path(f"{self.location}/build_cache"), f"*-{query.hash or '*'}*.spec.json*"):
                if not query.name or f"-{query.name}-" in path:
                    yield _specfile(path, self.access)

    def _manifests(self, query: Query) -> Iterator[str]:
        folder = local_path(f"{self.location}/v3/manifests/spec")
        for package in [f"{folder}/{query.name}"] if query.name else _names(folder, "*"):
            yield from _names(package, f"*-{query.hash or '*'}*.spec.manifest.json")

    def _by_manifest(self, path: str) -> Concrete:
        text = _required(path, MANIFEST_LIMIT, self.access)
        content, signed = unsigned(text, path)
        blob = _entry(content, _SPEC_TYPE, path)
        where = f"{self.location}/blobs/sha256/{blob.sha256[:2]}/{blob.sha256}"
        if blob.size > SPEC_LIMIT:
            raise BuildcacheError(f"{path}: announces {blob.size} bytes, at most {SPEC_LIMIT} are read")
        data = verified(_required(where, SPEC_LIMIT, self.access), blob, where)
        return replace(load_specfile(unpacked(data, SPEC_LIMIT, where), path), signed=signed)


def open_mirror(location: str, access: Access) -> Mirror:
    """Reads the index, if there is one. Raises BuildcacheError, SpackError."""
    location = location.rstrip("/").removesuffix("/build_cache").removesuffix("/v3")
    if location.startswith(SCHEMES):
        return Mirror(location, access, ("oci",), open_registry(location, access).index())
    tree = fetch(f"{location}/.spack-db/index.json", INDEX_LIMIT, access) if is_local(location) else None
    if tree is not None:
        return Mirror(location, access, ("tree",), load_database(tree, f"{location}/.spack-db/index.json"))
    third, second = _index_3(location, access), _index_2(location, access)
    layouts = []
    if third is not None or os.path.isdir(local_path(f"{location}/v3/manifests")):
        layouts.append("3")
    if second is not None or os.path.isdir(local_path(f"{location}/build_cache")):
        layouts.append("2")
    if not layouts:
        raise BuildcacheError(
            f"{location}: there is no buildcache: neither {_INDEX_3} nor build_cache/index.json"
            + ("" if is_local(location) else " (over the network an index is needed: spack buildcache update-index)")
        )
    found = [each for each in (third, second) if each is not None]
    return Mirror(location, access, tuple(layouts), _merged(found) if found else None)


def load_path(path: str, access: Access) -> Concrete:
    """The packages of an install's prefix, a spec file or a spack.lock. Raises BuildcacheError, SpackError."""
    if os.path.isdir(path):
        inside = f"{path.rstrip('/')}/.spack/spec.json"
        if not os.path.exists(inside):
            raise BuildcacheError(f"{path}: is not the prefix of a package that Spack installed: no .spack/spec.json")
        concrete = _specfile(inside, access)
        return replace(concrete, prefixes={concrete.roots[0]: path.rstrip("/")})
    if path.endswith(".lock"):
        return load_lockfile(_required(path, SPEC_LIMIT, access), path)
    return _specfile(path, access)


def _index_3(location: str, access: Access) -> Database | None:
    manifest = fetch(f"{location}/{_INDEX_3}", MANIFEST_LIMIT, access)
    if manifest is None:
        return None
    blob = _entry(unsigned(manifest, location)[0], _INDEX_TYPE, f"{location}/{_INDEX_3}")
    where = f"{location}/blobs/sha256/{blob.sha256[:2]}/{blob.sha256}"
    data = verified(_required(where, INDEX_LIMIT, access), blob, where)
    return load_database(unpacked(data, INDEX_LIMIT, where), where)


def _index_2(location: str, access: Access) -> Database | None:
    where = f"{location}/build_cache/index.json"
    data = fetch(where, INDEX_LIMIT, access)
    if data is None:
        return None
    checksum = (fetch(f"{where}.hash", 1024, access) or b"").strip().decode("ascii", "replace")
    if checksum:
        verified(data, Blob("", len(data), checksum), where)
    return load_database(data, where)


def _entry(manifest: bytes, wanted: re.Pattern[str], where: str) -> Blob:
    """The one entry of this media type. Raises SpackError."""
    try:
        top = json.loads(manifest)
        if top["version"] != 3:
            raise SpackError(
                "spec-type", f"{where}: manifest version {str(top['version'])[:20]} is not known here (3 is)"
            )
        entry = next(each for each in top["data"] if wanted.fullmatch(each["mediaType"]))
        size, checksum = entry["contentLength"], entry["checksum"]
        if (
            entry["checksumAlgorithm"] != "sha256"
            or not re.fullmatch(r"[0-9a-f]{64}", checksum)
            or type(size) is not int
        ):
            raise ValueError("its checksum is no sha256, or its size no number")
        return Blob(entry["mediaType"], size, checksum)
    except SpackError:
        raise
    except StopIteration:
        raise SpackError("spec-type", f"{where}: the manifest names no {wanted.pattern}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SpackError(
            "spec-type", f"{where}: the manifest can't be read: {error or type(error).__name__}"
        ) from error


def _specfile(path: str, access: Access) -> Concrete:
    return load_specfile(_required(path, SPEC_LIMIT, access), path)


def _required(location: str, limit: int, access: Access) -> bytes:
    data = fetch(location, limit, access)
    if data is None:
        raise BuildcacheError(f"{location}: is not there")
    return data


def _merged(databases: list[Database]) -> Database:
    nodes: dict[str, Node] = {}
    for each in reversed(databases):
        nodes |= each.nodes
    return Database(nodes, frozenset().union(*(each.binaries for each in databases)))


def _names(folder: str, pattern: str) -> Iterator[str]:
    """The paths in a folder whose names match, in their order."""
    try:
        with os.scandir(folder) as entries:
            names = []
            for entry in entries:
                if fnmatch.fnmatchcase(entry.name, pattern):
                    names.append(entry.name)
                if len(names) > _MOST_FILES:
                    raise BuildcacheError(f"{folder}: has more than {_MOST_FILES} files; make an index (update-index)")
    except OSError:
        return
    for name in sorted(names):
        yield f"{folder}/{name}"
