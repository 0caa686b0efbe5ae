"""Spack's JSON: spec files (version 3 to 5), databases and buildcache indexes, lockfiles (pure).

Version 3 is written by Spack 0.18 to 0.20, version 4 by 0.21 to 0.23, version 5 by 1.x. A file's own
`buildcache_layout_version` is not to be trusted (2 in a mirror of layout 3), and not looked at.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hpccompat.errors import SpackError
from hpccompat.spack.model import Concrete, Edge, External, Node, Parameter, Target

SPECFILE_VERSIONS = (3, 4, 5)
# Databases of Spack 0.18 to 1.x; their nodes are read alike.
DATABASE_VERSIONS = range(6, 9)
LOCKFILE_VERSIONS = range(4, 8)
_COMPILER_FLAGS = {"cflags", "cppflags", "cxxflags", "fflags", "ldflags", "ldlibs"}
# Of names, versions and the like; of a target's features, and of other lists.
_LONGEST = 1024
_MOST_TEXTS = 1000
_HASH = re.compile(r"[a-z2-7]{32}", re.ASCII)
_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"


@dataclass(frozen=True)
class Database:
    """`binaries`: what is installed, or in the buildcache; the others are only needed by these."""

    nodes: Mapping[str, Node]
    binaries: frozenset[str]
    prefixes: Mapping[str, str] = field(default_factory=dict)


def load_specfile(text: bytes, found_at: str) -> Concrete:
    """A spec.json, also a clearsigned one, an image config of a buildcache in a registry, or a spec alone. Raises
    SpackError."""
    text, signed = unsigned(text, found_at)
    top = _object(_decoded(text, found_at), found_at)
    return replace(_spec(_object(top.get("spec"), f"{found_at}: spec"), found_at), signed=signed)


def load_database(text: bytes, found_at: str) -> Database:
    """The index.json of a buildcache, or of an install tree. Raises SpackError."""
    top = _object(_object(_decoded(text, found_at), found_at).get("database"), f"{found_at}: database")
    _version(top.get("version"), DATABASE_VERSIONS, "database", found_at)
    nodes: dict[str, Node] = {}
    binaries: set[str] = set()
    prefixes: dict[str, str] = {}
    installs = _object(top.get("installs"), f"{found_at}: installs")
    for hash, each in installs.items():
        where = f"{found_at}: {_hash(hash, found_at)}"
        record = _object(each, where)
        node = _node({"hash": hash, **_object(record.get("spec"), where)}, where)
        if node.hash != hash:
            raise SpackError("spec-type", f"{where}: is the record of {node.hash}")
        nodes[hash] = node
        if record.get("in_buildcache") is True or (record.get("installed") is True and node.external is None):
            binaries.add(hash)
            path = record.get("path")
            if isinstance(path, str):
                prefixes[hash] = path
    return Database(nodes, frozenset(binaries), prefixes)


def load_lockfile(text: bytes, found_at: str) -> Concrete:
    """A spack.lock. Raises SpackError."""
    top = _object(_decoded(text, found_at), found_at)
    meta = _object(top.get("_meta"), f"{found_at}: _meta")
    if meta.get("file-type") != "spack-lockfile":
        raise SpackError("spec-type", f"{found_at}: is no lockfile of Spack")
    _version(meta.get("lockfile-version"), LOCKFILE_VERSIONS, "lockfile", found_at)
    _version(meta.get("specfile-version"), SPECFILE_VERSIONS, "specfile", found_at)
    nodes = {}
    for hash, each in _object(top.get("concrete_specs"), f"{found_at}: concrete_specs").items():
        where = f"{found_at}: {_hash(hash, found_at)}"
        # A node of a lockfile is known by its key; older ones have no hash inside.
        nodes[hash] = _node({**_object(each, where), "hash": hash}, where)
    roots = [_object(each, f"{found_at}: roots").get("hash") for each in _list(top.get("roots"), f"{found_at}: roots")]
    return _concrete([_hash(each, found_at) for each in roots], nodes, found_at)


def unsigned(text: bytes, found_at: str) -> tuple[bytes, bool]:
    """The text of a clearsigned message (RFC 4880, section 7), and whether it was one. The signature is not verified.
    Raises SpackError."""
    if not text.startswith(_SIGNED.encode()):
        return text, False
    lines = text.decode("utf-8", "replace").splitlines()
    try:
        begin = lines.index("") + 1
        end = lines.index(_SIGNATURE, begin)
    except ValueError:
        raise SpackError("spec-type", f"{found_at}: a signed message without an end") from None
    return "\n".join(line.removeprefix("- ") for line in lines[begin:end]).encode(), True


def _spec(spec: Mapping[str, object], found_at: str) -> Concrete:
    meta = _object(spec.get("_meta"), f"{found_at}: _meta")
    _version(meta.get("version"), SPECFILE_VERSIONS, "specfile", found_at)
    listed = [_node(_object(each, found_at), found_at) for each in _list(spec.get("nodes"), f"{found_at}: nodes")]
    # A spliced spec holds the spec that it was built from, too, after its own nodes.
    return _concrete([listed[0].hash] if listed else [], {each.hash: each for each in reversed(listed)}, found_at)


def _concrete(roots: Sequence[str], nodes: Mapping[str, Node], found_at: str) -> Concrete:
    missing = [each for each in roots if each not in nodes]
    if missing or not roots:
        raise SpackError("spec-type", f"{found_at}: holds no package{f' {missing[0]}' if missing else ''}")
    return Concrete(tuple(roots), nodes, found_at)


def _node(data: Mapping[str, object], where: str) -> Node:
    name = _text(data.get("name"), f"{where}: name")
    here = f"{where}: {name}"
    arch = _object(data.get("arch"), f"{here}: arch")
    parameters = _object(data.get("parameters") or {}, f"{here}: parameters")
    return Node(
        name,
        _text(data.get("version"), f"{here}: version"),
        _hash(data.get("hash"), here),
        _text(arch.get("platform"), f"{here}: arch.platform"),
        _text(arch.get("platform_os"), f"{here}: arch.platform_os"),
        _target(arch.get("target"), f"{here}: arch.target"),
        {key: _parameter(each) for key, each in parameters.items() if key not in _COMPILER_FLAGS},
        tuple(_edge(each, here) for each in _list(data.get("dependencies") or [], f"{here}: dependencies")),
        _external(data.get("external"), here),
        _compiler(data),
    )


def _target(data: object, where: str) -> Target:
    if isinstance(data, str):
        return _shared_target(Target(_text(data, where)))
    found = _object(data, where)
    return _shared_target(
        Target(
            _text(found.get("name"), where),
            _text(found.get("vendor"), where),
            frozenset(_texts(found.get("features") or [], where)),
            tuple(_texts(found.get("parents") or [], where)),
        )
    )


@functools.lru_cache(maxsize=4096)
def _shared_target(target: Target) -> Target:
    """One object for equal targets: an index repeats them with every package."""
    return target


def _edge(data: object, where: str) -> Edge:
    """One of many: an index of 10,000 packages has 70,000."""
    found = _object(data, where)
    parameters = found.get("parameters", found)
    if not isinstance(parameters, dict):
        raise SpackError("spec-type", f"{where}: dependencies: must be an object, not {_kind(parameters)}")
    types = parameters.get("deptypes") or parameters.get("type") or []
    return Edge(
        _text(found.get("name"), where),
        _hash(found.get("hash"), where),
        _texts(types, where),
        _texts(parameters.get("virtuals") or [], where),
    )


def _external(data: object, where: str) -> External | None:
    if not data:
        return None
    found = _object(data, f"{where}: external")
    modules = found.get("module") or []
    path = found.get("path")
    return External(
        path if isinstance(path, str) else "",
        (modules,) if isinstance(modules, str) else _texts(modules, f"{where}: external.module"),
    )


def _compiler(data: Mapping[str, object]) -> str:
    compiler = data.get("compiler")
    if isinstance(compiler, Mapping):
        return f"{compiler.get('name', '')}@{compiler.get('version', '')}"
    annotations = data.get("annotations")
    noted = annotations.get("compiler") if isinstance(annotations, Mapping) else None
    return noted.replace("@=", "@") if isinstance(noted, str) else ""


def _parameter(value: object) -> Parameter:
    if isinstance(value, list):
        return tuple(str(each) for each in value)
    return value if isinstance(value, bool) else str(value)


def _decoded(text: bytes, found_at: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpackError("yaml-syntax", f"{found_at}: not JSON, or cut off: {error}") from error


def _version(value: object, known: Sequence[int], what: str, found_at: str) -> None:
    number = int(value) if isinstance(value, int | str) and str(value).isdecimal() and len(str(value)) < 9 else None
    if number not in known:
        raise SpackError(
            "spec-type",
            f"{found_at}: {what} version {value!r} is not known ({known[0]} to {known[-1]} are: Spack 0.18 to 1.x)",
        )


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise SpackError("spec-type", f"{where}: must be an object, not {_kind(value)}")
    return value


def _list(value: object, where: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise SpackError("spec-type", f"{where}: must be a list, not {_kind(value)}")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise SpackError("spec-type", f"{where}: must be text, not {_kind(value)}")
    if len(value) > _LONGEST:
        raise SpackError("limit", f"{where}: has {len(value)} characters")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    texts = tuple(_list(value, where))
    try:
        return _shared_texts(texts)
    except (TypeError, ValueError):
        raise SpackError(
            "spec-type", f"{where}: must be a list of at most {_MOST_TEXTS} texts, not {_kind(value)}"
        ) from None


@functools.lru_cache(maxsize=4096)
def _shared_texts(texts: tuple[object, ...]) -> tuple[str, ...]:
    """One object for equal lists, as those of targets' features and types of dependencies are. Raises ValueError."""
    found = tuple(each for each in texts if isinstance(each, str) and 0 < len(each) <= _LONGEST)
    if len(found) != len(texts) or len(found) > _MOST_TEXTS:
        raise ValueError
    return found


def _hash(value: object, where: str) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise SpackError("spec-type", f"{where}: {str(value)[:80]!r} is not a DAG hash")
    return value


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
