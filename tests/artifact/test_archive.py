"""Archives: read in place, whatever writes them, and whatever they claim."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.artifact.archive import find_in_docker_archive, find_in_oci_archive
from hpccompat.artifact.label import LABEL
from hpccompat.artifact.manifest import digest_of
from hpccompat.artifact.regular import RegularFile
from hpccompat.artifact.tar import Tar
from hpccompat.errors import ImageError
from tests.artifact.layout_files import Layout, tar

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "image.tar"


def with_spec() -> Layout:
    layout = Layout()
    layout.list(layout.spec(layout.list(layout.image(), "v1"), "the spec", told=False))
    return layout


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("prefix", ["", "./"])
def test_an_oci_archive(archive: Path, format: int, prefix: str) -> None:
    archive.write_bytes(tar(with_spec().files, format, prefix))
    for tag in ("", "v1"):
        found = find_in_oci_archive(str(archive), tag, "amd64")
        assert found.data == b"the spec"
        assert found.found_at.startswith(f"{archive}@sha256:")


def docker(labels: dict[str, str], name: str = "", tags: tuple[str, ...] = ("solver:1.0",)) -> dict[str, bytes]:
    """What `docker save` writes, without layers."""
    config = json.dumps({"config": {"Labels": labels}}).encode()
    name = name or digest_of(config).removeprefix("sha256:") + ".json"
    manifest = [{"Config": name, "RepoTags": list(tags), "Layers": []}]
    return {name: config, "manifest.json": json.dumps(manifest).encode()}


@pytest.mark.parametrize("tag", ["", "solver:1.0", "docker.io/library/solver:1.0"])
def test_a_docker_archive(archive: Path, tag: str) -> None:
    archive.write_bytes(tar(docker({LABEL: "{}"})))
    found = find_in_docker_archive(str(archive), tag)
    assert (found.data, found.found_at) == (b"{}", f"{archive}, label {LABEL}")
    archive.write_bytes(tar(docker({"other": "{}"})))
    assert find_in_docker_archive(str(archive), tag).data is None


def test_a_docker_archive_of_several_images(archive: Path) -> None:
    first, second = docker({LABEL: "1"}, tags=("a:1", "b:1")), docker({LABEL: "2"}, tags=("x.org/c:1",))
    both = json.loads(first["manifest.json"]) + json.loads(second["manifest.json"])
    archive.write_bytes(tar({**first, **second, "manifest.json": json.dumps(both).encode()}))
    assert find_in_docker_archive(str(archive), "b:1").data == b"1"
    assert find_in_docker_archive(str(archive), "x.org/c:1").data == b"2"
    with pytest.raises(ImageError, match=r"several images; .* \(it has: a:1, b:1, x.org/c:1\)"):
        find_in_docker_archive(str(archive), "")
    with pytest.raises(ImageError, match="no image called d:1"):
        find_in_docker_archive(str(archive), "d:1")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no manifest.json"),
        ({"manifest.json": b"{}"}, "holds no image"),
        ({"manifest.json": b"[5]"}, "lacks the configuration"),
        ({"manifest.json": b"["}, "manifest.json is not JSON"),
        ({"manifest.json": b'[{"Config": "../../etc/passwd"}]'}, "lacks the configuration"),
        ({"manifest.json": b'[{"Config": ["x"]}]'}, "lacks the configuration"),
        ({"manifest.json": b'[{"Config": "c"}]', "c": b"nonsense"}, "c is not JSON"),
        (docker({}, "a" * 64 + ".json"), "another digest"),
        (docker({}, "blobs/sha256/" + "a" * 64), "another digest"),
        ({"manifest.json": b" " * (4 * 1024 * 1024 + 1)}, "at most 4194304 are read"),
    ],
)
def test_a_wrong_docker_archive_is_told(archive: Path, files: dict[str, bytes], said: str) -> None:
    archive.write_bytes(tar(files) if files else bytes(1024))
    with pytest.raises(ImageError, match=said) as error:
        find_in_docker_archive(str(archive), "")
    assert str(archive) in str(error.value)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("length", [1, 99, 100, 101, 155, 300])
def test_names_of_any_length(archive: Path, format: int, length: int) -> None:
    name = ("d/" * 150)[: length - 1] + "n"
    if format == tarfile.USTAR_FORMAT and length > 255:
        return
    archive.write_bytes(tar({name: b"content", "after": b"more"}, format))
    with RegularFile(str(archive)) as file:
        found = Tar(file)
        assert (found.read(name, 7), found.read("after", 9), found.read("d", 9)) == (b"content", b"more", None)


def test_links_are_never_followed(archive: Path) -> None:
    opened = io.BytesIO()
    with tarfile.open(fileobj=opened, mode="w") as writer:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            member = tarfile.TarInfo(f"index-{kind.decode()}.json")
            member.type, member.linkname = kind, "/etc/passwd"
            writer.addfile(member)
        last = tarfile.TarInfo("last")
        last.size = 4
        writer.addfile(last, io.BytesIO(b"here"))
    data = bytearray(opened.getvalue())
    archive.write_bytes(data)
    with RegularFile(str(archive)) as file:
        found = Tar(file)
        assert [found.read(f"index-{kind}.json", 9) for kind in range(1, 7)] == [None] * 6
        assert found.read("last", 9) == b"here"


def test_of_equal_names_the_last_counts(archive: Path) -> None:
    """As when the archive is unpacked, which is what others do with it."""
    one, other = tar({"a": b"first"}), tar({"a": b"second"})
    archive.write_bytes(one[:1024] + other)
    with RegularFile(str(archive)) as file:
        assert Tar(file).read("a", 9) == b"second"


@pytest.mark.parametrize(
    ("pack", "name"),
    [
        (gzip.compress, "gzip"),
        (bz2.compress, "bzip2"),
        (lzma.compress, "xz"),
        (lambda data: b"\x28\xb5\x2f\xfd" + data, "zstd"),
    ],
)
def test_a_compressed_archive_is_told(archive: Path, pack: object, name: str) -> None:
    assert callable(pack)
    archive.write_bytes(pack(tar(with_spec().files)))
    with pytest.raises(ImageError, match=f"compressed by {name}"):
        find_in_oci_archive(str(archive), "", "amd64")


def header(**fields: bytes | int) -> bytes:
    member = tarfile.TarInfo("a")
    for name, value in fields.items():
        setattr(member, name, value)
    return member.tobuf(tarfile.GNU_FORMAT)


def rewritten(block: bytes, size: bytes) -> bytes:
    """A header with another size, and the checksum for it."""
    block = block[:124] + size + block[136:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def test_the_size_of_a_link_is_not_its_own(archive: Path) -> None:
    """Some writers give that of what it leads to; nothing of it follows."""
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.LNKTYPE, "a"
    block = rewritten(link.tobuf(tarfile.USTAR_FORMAT), b"00000001000\0")
    archive.write_bytes(block + tar({"after": b"x"}))
    with RegularFile(str(archive)) as file:
        assert Tar(file).read("after", 9) == b"x"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (rewritten(header(), b"not a number"), "a size that is none"),
        (rewritten(header(), b"00000000009\0"), "a size that is none"),
        (rewritten(header(), b"\xff" * 12), "longer than the file"),
        (b"nonsense" * 100, "is no tar archive"),
        (header(size=600) + bytes(512), "longer than the file"),
        (header(size=2**60), "longer than the file"),
        (header(size=65537, type=b"x") + bytes(65537 + 511), "a header of 65537 bytes"),
        (header() + b"x" * 512, "damaged tar archive: a wrong header at byte 512"),
        (tar({"a": b""})[:512] * 20_001, "more than 20000 entries"),
    ],
)
def test_a_damaged_archive_is_told(archive: Path, data: bytes, said: str) -> None:
    archive.write_bytes(data)
    begun = time.monotonic()
    with RegularFile(str(archive)) as file, pytest.raises(ImageError, match=said) as error:
        Tar(file)
    assert str(archive) in str(error.value)
    assert time.monotonic() - begun < 5


@given(st.binary(max_size=60))
def test_no_pax_record_breaks_it(tmp_path_factory: pytest.TempPathFactory, record: bytes) -> None:
    extension = tarfile.TarInfo("pax")
    extension.type, extension.size = tarfile.XHDTYPE, len(record)
    data = extension.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + tar({"a": b"x"})
    path = tmp_path_factory.getbasetemp() / "pax.tar"
    path.write_bytes(data)
    with RegularFile(str(path)) as file:
        assert Tar(file).read("a", 9) in (b"x", None)


def test_no_bytes_break_it(archive: Path) -> None:
    random_ = random.Random(7)
    good = tar(with_spec().files, tarfile.PAX_FORMAT)
    headers = [place for place in range(0, len(good), 512) if good[place + 257 : place + 262] == b"ustar"]
    for _ in range(1000):
        data = bytearray(good)
        place = random_.choice(headers)
        for _ in range(random_.randrange(1, 4)):
            data[place + random_.choice([random_.randrange(512), random_.randrange(124, 158)])] = random_.randrange(256)
        block = data[place : place + 512]
        block[148:156] = b" " * 8
        data[place + 148 : place + 156] = b"%06o\0 " % sum(block)
        archive.write_bytes(data[: random_.choice([len(data), random_.randrange(len(data))])])
        try:
            find_in_oci_archive(str(archive), "", "amd64")
        except ImageError:
            pass
