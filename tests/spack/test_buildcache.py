"""Mirrors of all layouts, installs and lockfiles; and what is wrong with them."""

from __future__ import annotations

import functools
import gzip
import http.server
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import BuildcacheError, HpccompatError, SpackError
from hpccompat.spack.buildcache import load_path, open_mirror
from hpccompat.spack.fetch import Access, fetch, unpacked
from hpccompat.spack.model import Concrete
from hpccompat.spack.query import parse_query
from hpccompat.spack.specfile import load_database, load_lockfile, load_specfile
from tests.spack.mirrors import GLIBC, UTIL, Package, clearsigned, index, layout_2, layout_3, lockfile, tool

TOOLS = [tool("zen3"), tool("x86_64_v3"), tool("sapphirerapids", "2.2", mpi=True), UTIL]


def hashes(mirror: Path | str, query: str = "") -> set[str]:
    return {each.hash for each in open_mirror(str(mirror), Access()).find(parse_query(query))}


def closure(concrete: Concrete) -> set[str]:
    return {each.hash for each in concrete.closure()}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize(("layout", "version"), [(layout_2, 3), (layout_2, 4), (layout_3, 4), (layout_3, 5)])
def test_every_layout_is_read(tmp_path: Path, layout: object, version: int, indexed: bool, signed: bool) -> None:
    layout(tmp_path, TOOLS, version, signed, indexed)  # type: ignore[operator]
    for location in (str(tmp_path), f"{tmp_path}/", tmp_path.as_uri()):
        mirror = open_mirror(location, Access())
        found = mirror.find(parse_query("hpctool"))
        assert [each.target.name for each in found] == ["x86_64_v3", "zen3", "sapphirerapids"]
        for each in found:
            concrete = mirror.load(each)
            # What it was built with is not needed to run it.
            assert [node.name for node in concrete.closure()] == ["hpctool", "hpcutil", "glibc", "gcc-runtime"]
            assert concrete.signed == (signed and not indexed)
            zen3 = each.target.name == "zen3"
            assert ("clzero" in each.target.features) == zen3
            assert each.compiler == ("gcc@12.2.0" if version < 5 else "")


def test_a_migrated_mirror_has_both_trees(tmp_path: Path) -> None:
    layout_2(tmp_path, TOOLS[:2])
    layout_3(tmp_path, TOOLS[1:], version=4)
    assert hashes(tmp_path, "hpctool") == {each.hash for each in TOOLS[:3]}


def test_a_binary_that_the_index_misses_is_found_by_its_file(tmp_path: Path) -> None:
    layout_3(tmp_path, TOOLS[:1])
    layout_3(tmp_path, TOOLS[1:2], indexed=False)
    assert hashes(tmp_path, f"/{TOOLS[1].hash}") == {TOOLS[1].hash}


def test_an_install_tree_knows_the_prefixes(tmp_path: Path) -> None:
    text = json.loads(index(TOOLS))
    for record in text["database"]["installs"].values():
        record["installed"] = not record.pop("in_buildcache") or record["spec"]["name"] != "hpcutil"
        record["path"] = f"/opt/spack/{record['spec']['name']}"
    (tmp_path / ".spack-db").mkdir()
    (tmp_path / ".spack-db/index.json").write_text(json.dumps(text))
    mirror = open_mirror(str(tmp_path), Access())
    assert {each.name for each in mirror.find(parse_query(""))} == {"hpctool", "gcc-runtime"}
    one = mirror.load(mirror.find(parse_query("hpctool target=zen3"))[0])
    assert one.prefixes[one.roots[0]] == "/opt/spack/hpctool"


def test_an_install_a_spec_file_and_a_lockfile(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    (prefix / ".spack").mkdir(parents=True)
    (prefix / ".spack/spec.json").write_text(json.dumps({"spec": TOOLS[0].spec()}))
    (tmp_path / "spack.lock").write_text(lockfile([TOOLS[0], UTIL]))
    (tmp_path / "x.spec.json.sig").write_text(clearsigned(json.dumps({"spec": UTIL.spec(4)}, indent=1)))
    assert load_path(str(prefix), Access()).prefixes == {TOOLS[0].hash: str(prefix)}
    assert load_path(str(tmp_path / "spack.lock"), Access()).roots == (TOOLS[0].hash, UTIL.hash)
    assert load_path(str(tmp_path / "x.spec.json.sig"), Access()).signed
    for missing in (tmp_path, tmp_path / "nothing.lock", tmp_path / "nothing"):
        with pytest.raises(BuildcacheError, match=str(missing)):
            load_path(str(missing), Access())


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("hpctool@2.1", {0, 1}), ("hpctool@2", {0, 1, 2}), ("hpctool@=2", set()), ("@2.2:", {2}),
        ("hpctool@:2.1", {0, 1}),
        ("hpctool@2.0:2.1,2.2", {0, 1, 2}), ("hpctool+mpi", {2}), ("hpctool~mpi", set()), ("hpctool mpi=true", {2}),
        ("target=zen3", {0}), ("hpctool os=debian12 target=zen3", {0}), ("hpctool arch=linux-debian12-zen3", {0}),
        (f"/{TOOLS[1].hash[:9]}", {1}), (f"hpctool/{TOOLS[1].hash}", {1}), (f"hpcutil/{TOOLS[1].hash}", set()),
        ("nothing", set()),
    ],
)  # fmt: skip
def test_queries(tmp_path: Path, query: str, expected: set[int]) -> None:
    layout_3(tmp_path, TOOLS[:3])
    found = hashes(tmp_path, query) - {each.hash for each in UTIL.closure()}
    found -= {each.hash for one in TOOLS for each in one.needs}
    assert found == {TOOLS[number].hash for number in expected}


@pytest.mark.parametrize("query", ["hpctool ^mpich", "a b", "hpctool%gcc@12", "hpctool /-", "/ABC", "@", "name=="])
def test_what_a_query_can_not_say(query: str) -> None:
    with pytest.raises(SpackError, match="is not understood; a binary is named by its /hash"):
        parse_query(query)


# What is wrong with a mirror


def spoil_index_3(root: Path) -> Path:
    """The blob of the index."""
    return max((each for each in (root / "blobs").rglob("*") if each.is_file()), key=lambda each: each.stat().st_size)


@pytest.mark.parametrize("indexed", [False, True])
def test_a_blob_that_was_damaged_or_cut_off(tmp_path: Path, indexed: bool) -> None:
    layout_3(tmp_path, TOOLS[:1], indexed=indexed)
    blob = spoil_index_3(tmp_path)
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BuildcacheError, match=rf"{blob.name}: its sha256 is [0-9a-f]{{64}}, not {blob.name}: damaged"):
        hashes(tmp_path, "hpctool")
    blob.write_bytes(data[:-1])
    with pytest.raises(BuildcacheError, match=rf"has {len(data) - 1} bytes, {len(data)} are announced: cut off"):
        hashes(tmp_path, "hpctool")
    blob.unlink()
    with pytest.raises(BuildcacheError, match=f"{blob.name}: is not there"):
        hashes(tmp_path, "hpctool")


def test_an_index_that_is_not_what_its_checksum_says(tmp_path: Path) -> None:
    layout_2(tmp_path, TOOLS[:1])
    (tmp_path / "build_cache/index.json").write_text("{}")
    with pytest.raises(BuildcacheError, match=r"index\.json: its sha256 is"):
        hashes(tmp_path)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "not JSON, or cut off"),
        ("{", "not JSON, or cut off"),
        ("[" * 100_000, "not JSON, or cut off"),
        ("[]", "must be an object, not list"),
        ("{}", "database: must be an object, not nothing"),
        ('{"database": {"version": "5", "installs": {}}}', r"database version '5' is not known \(6 to 8 are"),
        ('{"database": {"version": "9", "installs": {}}}', "database version '9' is not known"),
        ('{"database": {"version": "8", "installs": {"x": {}}}}', "'x' is not a DAG hash"),
        ('{"database": {"version": "8", "installs": {"' + "a" * 32 + '": {"spec": {}}}}}', "name: must be text"),
    ],
)
def test_a_broken_index(text: str, because: str) -> None:
    with pytest.raises(SpackError, match=because):
        load_database(text.encode(), "index.json")


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (lambda spec: spec["_meta"].update(version=6), r"specfile version 6 is not known \(3 to 5 are"),
        (lambda spec: spec["_meta"].update(version=2), "specfile version 2 is not known"),
        (lambda spec: spec.update(nodes=[]), "holds no package"),
        (lambda spec: spec.update(nodes={}), "nodes: must be a list"),
        (lambda spec: spec["nodes"][0].update(arch=None), "hpctool: arch: must be an object, not nothing"),
        (lambda spec: spec["nodes"][0].update(hash="../../etc"), "'../../etc' is not a DAG hash"),
        (lambda spec: spec["nodes"][0]["dependencies"][0].update(hash=7), "'7' is not a DAG hash"),
        (lambda spec: spec["nodes"][0]["arch"].update(target=["zen3"]), "arch.target: must be an object"),
        (lambda spec: spec["nodes"][0]["arch"]["target"].update(features=["x"] * 1001), "a list of at most 1000 texts"),
        (lambda spec: spec["nodes"][0]["arch"]["target"].update(features=["x", 7]), "a list of at most 1000 texts"),
        (lambda spec: spec["nodes"][0].update(version="1" * 2000), "version: has 2000 characters"),
    ],
)
def test_a_broken_spec(change: object, because: str) -> None:
    spec = TOOLS[0].spec()
    change(spec)  # type: ignore[operator]
    with pytest.raises(SpackError, match=because):
        load_specfile(json.dumps({"spec": spec}).encode(), "spec.json")


def test_a_package_that_is_named_but_not_described() -> None:
    spec = TOOLS[0].spec()
    spec["nodes"] = [each for each in spec["nodes"] if each["hash"] != GLIBC.hash]
    concrete = load_specfile(json.dumps({"spec": spec}).encode(), "spec.json")
    with pytest.raises(SpackError, match=f"package {GLIBC.hash} is named, but not described"):
        concrete.closure()


def test_a_signed_message_without_an_end() -> None:
    text = clearsigned("{}").partition("-----BEGIN PGP SIGNATURE")[0]
    with pytest.raises(SpackError, match="a signed message without an end"):
        load_specfile(text.encode(), "spec.json.sig")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda below: (
            st.lists(below, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "spec",
                        "_meta",
                        "version",
                        "nodes",
                        "database",
                        "installs",
                        "name",
                        "hash",
                        "arch",
                        "target",
                        "dependencies",
                        "roots",
                        "concrete_specs",
                        "file-type",
                    ]
                ),
                below,
            )
        ),
    )
)
def test_no_json_crashes_a_reader(value: object) -> None:
    for load in (load_specfile, load_database, load_lockfile):
        try:
            load(json.dumps(value).encode(), "x")
        except SpackError:
            pass


@given(st.text(max_size=30))
def test_no_query_crashes(text: str) -> None:
    try:
        parse_query(text)
    except SpackError:
        pass


def test_a_place_without_a_buildcache(tmp_path: Path) -> None:
    with pytest.raises(BuildcacheError, match="there is no buildcache: neither v3/manifests/index"):
        open_mirror(str(tmp_path), Access())


def test_sizes_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 1000)
    assert fetch(str(tmp_path / "x"), 1000, Access()) == b"x" * 1000
    with pytest.raises(BuildcacheError, match="is larger than 999 bytes"):
        fetch(str(tmp_path / "x"), 999, Access())
    bomb = gzip.compress(b"\0" * 1_000_000)
    with pytest.raises(BuildcacheError, match="unpacks to more than 999 bytes"):
        unpacked(bomb, 999, "blob")
    with pytest.raises(BuildcacheError, match="it is cut off"):
        unpacked(bomb[:-10], 2_000_000, "blob")
    with pytest.raises(BuildcacheError, match="broken gzip"):
        unpacked(bomb[:10] + b"\xff" * 90, 2_000_000, "blob")
    with pytest.raises(BuildcacheError, match="is not a file"):
        fetch("/dev/zero", 999, Access())


# Over the network


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A folder on loopback; below /slow nothing comes, /elsewhere leads out."""
    root = tmp_path / "served"
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path.startswith("/slow"):
                time.sleep(5)
            elif self.path.startswith("/elsewhere"):
                self.send_response(302)
                self.send_header("Location", "http://mirror.invalid/x" if "http" in self.path else "file:///etc/passwd")
                self.end_headers()
            elif self.path.startswith("/short"):
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"{")
            else:
                super().do_GET()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", root
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("layout", [layout_2, layout_3])
def test_mirrors_over_the_network(served: tuple[str, Path], layout: object) -> None:
    url, root = served
    layout(root, TOOLS)  # type: ignore[operator]
    assert hashes(url, "hpctool") == {each.hash for each in TOOLS[:3]}
    assert hashes(f"{url}/", "nothing") == set()


def test_trouble_over_the_network(served: tuple[str, Path]) -> None:
    url, root = served
    layout_3(root, TOOLS, indexed=False)
    with pytest.raises(BuildcacheError, match="over the network an index is needed: spack buildcache update-index"):
        open_mirror(url, Access())
    with pytest.raises(BuildcacheError, match=r"nothing came within 0\.2 s"):
        fetch(f"{url}/slow", 10, Access(0.2))
    with pytest.raises(BuildcacheError, match="is not https://"):
        fetch(f"{url}/elsewhere-http", 10, Access())
    with pytest.raises(BuildcacheError):
        fetch(f"{url}/elsewhere-file", 10, Access())
    with pytest.raises(BuildcacheError, match="1 of 1000 bytes came"):
        fetch(f"{url}/short", 10_000, Access())
    with pytest.raises(BuildcacheError, match="is not https://"):
        fetch("http://mirror.invalid/x", 10, Access())
    with pytest.raises(BuildcacheError, match="s3:// is not read"):
        fetch("s3://bucket/x", 10, Access())
    with pytest.raises(BuildcacheError, match="refused"):
        fetch("http://127.0.0.1:1/x", 10, Access())


# What real Spack wrote


def test_real_mirrors(shared: Path) -> None:
    for name, count in (("mirror-v2", 15), ("mirror-v3", 16)):
        mirror = open_mirror(str(shared / "spack" / name), Access())
        found = mirror.find(parse_query(""))
        assert len(found) == count
        alone = replace(mirror, database=None)
        assert {each.hash for each in alone.find(parse_query(""))} == {each.hash for each in found}
        for each in found:
            assert closure(alone.load(each)) == closure(mirror.load(each))
    for name in ("spack-0.23.lock", "spack-1.1.0.lock"):
        assert load_path(str(shared / "spack/env" / name), Access()).closure()


def test_nothing_else_is_raised(tmp_path: Path) -> None:
    package = Package("a", needs={})
    layout_3(tmp_path, [package])
    manifest = next(tmp_path.glob("v3/manifests/index/*"))
    for text in ("", "{}", "[]", '{"version": 4, "data": []}', '{"version": 3, "data": [{"mediaType": 3}]}'):
        manifest.write_text(text)
        with pytest.raises(HpccompatError, match="manifest"):
            open_mirror(str(tmp_path), Access())
