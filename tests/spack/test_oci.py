"""Buildcaches in a registry: what Spack pushes, from a registry of our own on loopback."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hpccompat.artifact.access import Access as RegistryAccess
from hpccompat.artifact.referrers import ARTIFACT_TYPE
from hpccompat.demand import Demand
from hpccompat.errors import BuildcacheError, HpccompatError, SpackError
from hpccompat.resolution import Search, resolve
from hpccompat.spack.buildcache import open_mirror
from hpccompat.spack.fetch import Access
from hpccompat.spack.query import parse_query
from tests.spack.mirrors import Package, index, tool

TOOLS = [tool("zen3"), tool("x86_64_v3")]
OCI = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Pushed:
    """Tags and blobs of one repository, `lab/cache`."""

    manifests: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    url: str = ""

    def blob(self, data: bytes) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = data
        return {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": len(data)}

    def tag(self, name: str, config: bytes, *layers: bytes) -> None:
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI,
            "config": self.blob(config),
            "layers": [*map(self.blob, layers)],
        }
        self.manifests[name] = json.dumps(manifest).encode()

    def push(self, package: Package) -> None:
        config = {"architecture": "amd64", "os": "linux", "spec": package.spec(), "buildcache_layout_version": 3}
        self.tag(f"{package.name}-{package.version}-{package.hash}.spack", json.dumps(config).encode(), b"tarball")

    def index(self, packages: list[Package]) -> None:
        self.tag("index.spack", b"{}", index(packages).encode())


@pytest.fixture
def pushed() -> Iterator[Pushed]:
    registry = Pushed()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            kind, _, name = self.path.removeprefix("/v2/lab/cache/").partition("?")[0].partition("/")
            if kind == "tags":
                body: bytes | None = json.dumps({"name": "lab/cache", "tags": [*registry.manifests]}).encode()
            else:
                body = {"manifests": registry.manifests, "blobs": registry.blobs}.get(kind, {}).get(name)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", OCI if kind == "manifests" else "application/octet-stream")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    registry.url = f"oci+http://127.0.0.1:{server.server_port}/lab/cache"
    yield registry
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("indexed", [True, False])
def test_binaries_are_found_and_read(pushed: Pushed, indexed: bool) -> None:
    for each in TOOLS:
        pushed.push(each)
    pushed.tag("several", b'{"architecture": "amd64"}', b"tarball")
    pushed.tag("several-1.0-x.spack", b'{"architecture": "amd64"}', b"tarball")
    if indexed:
        pushed.index(TOOLS)
    mirror = open_mirror(pushed.url, Access())
    assert (mirror.database is not None) == indexed
    for query in ("hpctool target=zen3", f"/{TOOLS[0].hash}", f"hpctool/{TOOLS[0].hash[:8]}"):
        (found,) = mirror.find(parse_query(query))
        assert found.hash == TOOLS[0].hash
        names = [each.name for each in mirror.load(found).closure()]
        assert names == ["hpctool", "hpcutil", "glibc", "gcc-runtime"]


def test_what_is_attached_to_a_binary_counts_too(pushed: Pushed) -> None:
    package = TOOLS[0]
    pushed.push(package)
    tag = f"{package.name}-{package.version}-{package.hash}.spack"
    search = Search(RegistryAccess(5))
    demand = Demand("spack", f"{pushed.url}#/{package.hash}", "test")
    alone = resolve(demand, search)
    assert alone is not None
    subject = f"sha256:{hashlib.sha256(pushed.manifests[tag]).hexdigest()}"
    spec = b"compatibilities: [{description: attached, weight: 3, rules: [{name: of the author}]}]"
    artifact = json.dumps(
        {"artifactType": ARTIFACT_TYPE, "layers": [pushed.blob(spec)], "subject": {"digest": subject, "size": 1}}
    ).encode()
    digest = f"sha256:{hashlib.sha256(artifact).hexdigest()}"
    pushed.manifests[digest] = artifact
    entries = [{"digest": digest, "size": len(artifact), "artifactType": ARTIFACT_TYPE}]
    pushed.manifests[subject.replace(":", "-")] = json.dumps({"manifests": entries}).encode()
    both = resolve(demand, search)
    assert both is not None
    assert [each.weight for each in both.spec.compatibilities] == [
        each.weight + 3 for each in alone.spec.compatibilities
    ]
    assert all(each.rules[-1].name == "of the author" for each in both.spec.compatibilities)
    assert both.facts == alone.facts
    assert digest in both.found_at


def test_a_binary_that_the_index_misses(pushed: Pushed) -> None:
    pushed.index(TOOLS[:1])
    pushed.push(TOOLS[1])
    mirror = open_mirror(pushed.url, Access())
    (found,) = mirror.find(parse_query(f"/{TOOLS[1].hash}"))
    assert mirror.load(found).roots == (TOOLS[1].hash,)


def test_what_is_not_what_its_digest_says(pushed: Pushed) -> None:
    pushed.index(TOOLS)
    (digest,) = (each for each, data in pushed.blobs.items() if b"database" in data)
    pushed.blobs[digest] = pushed.blobs[digest][:-1] + b" "
    with pytest.raises(BuildcacheError, match=r"index\.spack: its sha256 is"):
        open_mirror(pushed.url, Access())
    pushed.blobs[digest] += b" "
    with pytest.raises(BuildcacheError, match="cut off, or replaced"):
        open_mirror(pushed.url, Access())
    del pushed.blobs[digest]
    with pytest.raises(BuildcacheError, match="is not there"):
        open_mirror(pushed.url, Access())


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"layers": [{"digest": "md5:x", "size": 1}]}', '{"layers": 7}'])
def test_manifests_that_can_not_be_read(pushed: Pushed, manifest: str) -> None:
    pushed.manifests["index.spack"] = manifest.encode()
    with pytest.raises(SpackError, match=r"index\.spack"):
        open_mirror(pushed.url, Access())


@pytest.mark.parametrize(
    ("location", "because"),
    [
        ("oci+http://registry.invalid/lab/cache", "is not TLS"),
        ("oci://UPPER/Lab", "is not the name of an image"),
        ("oci://127.0.0.1:1/lab/cache", "can't be reached|did not answer|nothing came"),
    ],
)
def test_places_that_lead_nowhere(location: str, because: str) -> None:
    with pytest.raises(HpccompatError, match=because):
        open_mirror(location, Access(2))


def test_real_tags(pushed: Pushed, shared: Path) -> None:
    folder = shared / "spack/oci"
    for manifest in folder.glob("*.spack.manifest.json"):
        name = manifest.name.removesuffix(".manifest.json")
        pushed.manifests[name] = manifest.read_bytes()
        for suffix in ("config.json", "layer0.json"):
            file = folder / f"{name}.{suffix}"
            if file.exists():
                pushed.blob(file.read_bytes())
    mirror = open_mirror(pushed.url, Access())
    assert len(mirror.find(parse_query(""))) == 16
    del pushed.manifests["index.spack"]
    (found,) = open_mirror(pushed.url, Access()).find(parse_query("hpctool target=sapphirerapids"))
    assert found.hash.startswith("7v3wpi5")
