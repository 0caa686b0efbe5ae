"""Looking into tarballs, as Spack lays them in both kinds of mirrors."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from pathlib import Path

import pytest

from hpccompat.errors import BuildcacheError, SpackError
from hpccompat.reference import SpackReference
from hpccompat.spack.facts import facts_of
from hpccompat.spack.fetch import Access
from hpccompat.spack.find import find_binary
from hpccompat.spack.installed import refined
from hpccompat.spack.tarball import downloaded, look_into
from tests.spack.mirrors import GLIBC, Package, index, layout_2, layout_3
from tests.spack.test_elf import elf, fat_binary, system_files

LIBRARY = Package("lib", needs={GLIBC: ["link"]})
APP = Package("app", needs={LIBRARY: ["link"], GLIBC: ["link"]})


def tarball(package: Package, **files: bytes) -> bytes:
    """With the builder's prefix; the layouts differ in what stands before it."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        contents = {**files, ".spack/binary_distribution": b"buildpath: /home/builder/spack/opt\nhash_to_prefix: {}\n"}
        for name, content in contents.items():
            member = tarfile.TarInfo(f"home/builder/spack/opt/{package.name}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("home/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return data.getvalue()


def program() -> bytes:
    return next(each for each in system_files() if each.stat().st_size < 200_000).read_bytes()


def with_tarballs_3(root: Path, tarballs: dict[Package, bytes]) -> None:
    layout_3(root, list(tarballs))
    for package, data in tarballs.items():
        path = next(root.glob(f"v3/manifests/spec/{package.name}/*{package.hash}*"))
        manifest = json.loads(path.read_text())
        checksum = hashlib.sha256(data).hexdigest()
        manifest["data"][0] |= {"checksum": checksum, "contentLength": len(data), "checksumAlgorithm": "sha256"}
        path.write_text(json.dumps(manifest))
        blob = root / "blobs/sha256" / checksum[:2] / checksum
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)


def with_tarballs_2(root: Path, tarballs: dict[Package, bytes]) -> None:
    layout_2(root, list(tarballs))
    for package, data in tarballs.items():
        (path,) = root.glob(f"build_cache/*{package.hash}.spec.json")
        spec = json.loads(path.read_text())
        spec["binary_cache_checksum"]["hash"] = hashlib.sha256(data).hexdigest()
        path.write_text(json.dumps(spec))
        folder = root / f"build_cache/linux-debian12-{package.target}/gcc-12.2.0/{package.name}-{package.version}"
        folder.mkdir(parents=True)
        (folder / path.name.replace(".spec.json", ".spack")).write_bytes(data)


@pytest.mark.parametrize("lay", [with_tarballs_2, with_tarballs_3])
def test_what_is_in_them_refines_the_facts(tmp_path: Path, lay: object) -> None:
    cuda = elf({".nv_fatbin": fat_binary((2, 90, 8))})
    lay(tmp_path, {APP: tarball(APP, program=program()), LIBRARY: tarball(LIBRARY, library=cuda)})  # type: ignore[operator]
    binary = find_binary(SpackReference("app"), [str(tmp_path)], Access())
    files = downloaded(binary, Access())
    assert (len(files.files), files.complete, files.install_root) == (2, True, "/home/builder/spack/opt")
    facts = refined(facts_of(binary), files)
    assert facts.cuda_arch == ("90",)
    assert facts.libc is not None
    assert "GLIBC_2." in facts.libc.source
    assert any("an install root of more than 23 characters" in each for each in facts.notes)


@pytest.mark.parametrize("lay", [with_tarballs_2, with_tarballs_3])
def test_what_is_damaged_or_missing(tmp_path: Path, lay: object) -> None:
    data = tarball(APP)
    lay(tmp_path, {APP: data, LIBRARY: tarball(LIBRARY)})  # type: ignore[operator]
    binary = find_binary(SpackReference("app"), [str(tmp_path)], Access())
    (file,) = (each for each in tmp_path.rglob("*") if each.is_file() and each.read_bytes() == data)
    file.write_bytes(data[:-1] + b"x")
    with pytest.raises(BuildcacheError, match="its sha256 is"):
        downloaded(binary, Access())
    file.unlink()
    with pytest.raises(BuildcacheError, match="is not there"):
        downloaded(binary, Access())


def test_no_name_leads_out_of_the_mirror(tmp_path: Path) -> None:
    evil = Package("app", "1/../../../x")
    (tmp_path / "build_cache").mkdir()
    (tmp_path / "build_cache/index.json").write_text(index([evil]))
    binary = find_binary(SpackReference("app"), [str(tmp_path)], Access())
    with pytest.raises(SpackError, match="has a slash"):
        downloaded(binary, Access())


@pytest.mark.parametrize(
    "data", [b"", b"no tarball", gzip.compress(b"no tarball"), tarball(APP, x=random.Random(1).randbytes(9999))[:5000]]
)
def test_what_is_no_tarball(data: bytes) -> None:
    with pytest.raises(SpackError, match="tarball of app: can't be read"):
        look_into(data, "app")


def test_an_elf_file_that_is_broken_is_told() -> None:
    found = look_into(tarball(APP, broken=b"\x7fELF" + bytes(50), text=b"text"), "app")
    assert (found.files, found.complete) == ((), False)
    assert "broken: not an ELF file" in found.broken[0]
