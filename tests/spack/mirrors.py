"""Buildcaches as Spack writes them, of packages that are made up: both layouts, all specfile versions."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archspec.cpu import TARGETS


def dag_hash(name: str) -> str:
    """Something that looks like a DAG hash, and is the same for the same name."""
    digits = hashlib.sha256(name.encode()).digest()
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[each % 32] for each in digits)


@dataclass(frozen=True)
class Package:
    """`needs`: package -> the types of dependency; `provides`: the virtual that its dependents need it for."""

    name: str
    version: str = "1.0"
    target: str = "x86_64_v3"
    os: str = "debian12"
    needs: Mapping[Package, Sequence[str]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    external: str = ""
    modules: tuple[str, ...] = ()
    provides: str = ""
    platform: str = "linux"

    def __hash__(self) -> int:
        return hash(self.hash)

    @property
    def hash(self) -> str:
        return dag_hash(f"{self.name} {self.version} {self.target} {self.os} {self.external} {dict(self.parameters)}")

    def node(self, version: int = 5) -> dict[str, Any]:
        """As a node of a spec file of this version."""
        uarch = TARGETS.get(self.target)
        target: Any = self.target
        if uarch is not None and uarch.vendor != "generic":
            parents = [each.name for each in uarch.parents]
            features = sorted(uarch.features)
            target = {"name": self.target, "vendor": uarch.vendor, "features": features, "generation": 0}
            target["parents"] = parents
        found: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "arch": {"platform": self.platform, "platform_os": self.os, "target": target},
            "namespace": "builtin",
            "parameters": {"build_system": "generic", **self.parameters, "cflags": []},
            "hash": self.hash,
        }
        if version < 5:
            found["compiler"] = {"name": "gcc", "version": "12.2.0"}
        if self.external:
            found["external"] = {"path": self.external, "module": list(self.modules) or None, "extra_attributes": {}}
        if self.needs:
            found["dependencies"] = [_edge(each, types, version) for each, types in self.needs.items()]
        return found

    def closure(self) -> list[Package]:
        """This, and all below, each once."""
        found = {self.hash: self}
        for each in self.needs:
            for below in each.closure():
                found.setdefault(below.hash, below)
        return list(found.values())

    def spec(self, version: int = 5) -> dict[str, Any]:
        return {"_meta": {"version": version}, "nodes": [each.node(version) for each in self.closure()]}


def _edge(package: Package, types: Sequence[str], version: int) -> dict[str, Any]:
    if version < 4:
        return {"name": package.name, "hash": package.hash, "type": list(types)}
    virtuals = [package.provides] if package.provides else []
    return {"name": package.name, "hash": package.hash, "parameters": {"deptypes": list(types), "virtuals": virtuals}}


def clearsigned(text: str) -> str:
    lines = "\n".join(f"- {line}" if line.startswith("-") else line for line in text.splitlines())
    return (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
        f"{lines}\n-----BEGIN PGP SIGNATURE-----\n\niQIz\n-----END PGP SIGNATURE-----\n"
    )


def index(packages: Sequence[Package], version: int = 5) -> str:
    """The database of a buildcache: with all that the packages need, of which externals are not in it."""
    everything = {each.hash: each for package in packages for each in package.closure()}
    installs = {
        hash: {"spec": each.node(version), "ref_count": 0, "in_buildcache": not each.external}
        for hash, each in everything.items()
    }
    return json.dumps({"database": {"version": str(version + 3), "installs": installs}})


def layout_2(
    root: Path, packages: Sequence[Package], version: int = 4, signed: bool = False, indexed: bool = True
) -> Path:
    cache = root / "build_cache"
    cache.mkdir(parents=True, exist_ok=True)
    for each in packages:
        text = json.dumps(
            {
                "spec": each.spec(version),
                "buildcache_layout_version": 1,
                "binary_cache_checksum": {"hash_algorithm": "sha256", "hash": "0" * 64},
            },
            indent=1,
        )
        name = f"linux-{each.os}-{each.target}-gcc-12.2.0-{each.name}-{each.version}-{each.hash}.spec.json"
        (cache / (f"{name}.sig" if signed else name)).write_text(clearsigned(text) if signed else text)
    if indexed:
        text = index(packages, version)
        (cache / "index.json").write_text(text)
        (cache / "index.json.hash").write_text(hashlib.sha256(text.encode()).hexdigest())
    return root


def layout_3(
    root: Path, packages: Sequence[Package], version: int = 5, signed: bool = False, indexed: bool = True
) -> Path:
    (root / "v3/manifests/spec").mkdir(parents=True, exist_ok=True)
    (root / "v3/layout.json").write_text('{"signing": "gpg"}')
    for each in packages:
        packed = gzip.compress(json.dumps({"spec": each.spec(version), "buildcache_layout_version": 2}).encode())
        folder = root / "v3/manifests/spec" / each.name
        folder.mkdir(exist_ok=True)
        # A migrated mirror says v5 of specs of version 4, too.
        text = _manifest(root, packed, "application/vnd.spack.spec.v5+json", "gzip")
        name = f"{each.name}-{each.version}-{each.hash}.spec.manifest.json"
        (folder / name).write_text(clearsigned(text) if signed else text)
    if indexed:
        folder = root / "v3/manifests/index"
        folder.mkdir(exist_ok=True)
        data = index(packages, version).encode()
        (folder / "index.manifest.json").write_text(_manifest(root, data, "application/vnd.spack.db.v8+json", "none"))
    return root


def _manifest(root: Path, data: bytes, media_type: str, compression: str) -> str:
    checksum = hashlib.sha256(data).hexdigest()
    blob = root / "blobs/sha256" / checksum[:2] / checksum
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    entry = {"contentLength": len(data), "mediaType": media_type, "compression": compression}
    tarball = {**entry, "mediaType": "application/vnd.spack.install.v2.tar+gzip", "checksum": "0" * 64}
    entries = [tarball, {**entry, "checksumAlgorithm": "sha256", "checksum": checksum}]
    return json.dumps({"version": 3, "data": entries}, indent=1)


def lockfile(roots: Sequence[Package], version: int = 5) -> str:
    everything = {each.hash: each for root in roots for each in root.closure()}
    return json.dumps(
        {
            "_meta": {"file-type": "spack-lockfile", "lockfile-version": version + 1, "specfile-version": version},
            "roots": [{"hash": each.hash, "spec": each.name} for each in roots],
            "concrete_specs": {hash: each.node(version) for hash, each in everything.items()},
        }
    )


GLIBC = Package("glibc", "2.36", "x86_64", external="/usr", provides="libc")
GCC = Package("gcc", "12.2.0", "x86_64", external="/usr", provides="c")
RUNTIME = Package("gcc-runtime", "12.2.0", needs={GLIBC: ["link"]})
UTIL = Package("hpcutil", "1.2", needs={GCC: ["build"], RUNTIME: ["link"], GLIBC: ["link"]})


def tool(target: str, version: str = "2.1", **parameters: Any) -> Package:
    """A program on a library of its own target, and on a runtime of a generic one."""
    util = Package("hpcutil", "1.2", target, needs={GCC: ["build"], RUNTIME: ["link"], GLIBC: ["link"]})
    return Package("hpctool", version, target, needs={util: ["build", "link"], GLIBC: ["link"]}, parameters=parameters)
