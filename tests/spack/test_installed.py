"""What the files of an install say themselves."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from hpccompat.spack.compatibility import compatibility_of
from hpccompat.spack.elf import Elf
from hpccompat.spack.facts import Facts, facts_of
from hpccompat.spack.installed import File, Files, files_of, refined
from hpccompat.spack.model import Concrete
from hpccompat.spack.specfile import load_specfile
from tests.spack.mirrors import GLIBC, Package
from tests.spack.test_elf import elf, fat_binary, system_files


def concrete(package: Package) -> Concrete:
    return load_specfile(json.dumps({"spec": package.spec()}).encode(), "spec.json")


def facts(*files: Elf, complete: bool = True, package: Package | None = None) -> Facts:
    package = package or Package("app", needs={GLIBC: ["link"]})
    named = tuple(File(f"bin/{number}", each) for number, each in enumerate(files))
    return refined(facts_of(concrete(package)), Files(named, complete))


def needing(*versions: str, library: str = "libc.so.6") -> Elf:
    return Elf("x86_64", 64, versions={library: versions}, needed=(library,))


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["GLIBC_2.2.5", "GLIBC_2.17"], "2.17"),
        (["GLIBC_2.9", "GLIBC_2.34", "GLIBC_2.4"], "2.34"),
        (["GLIBC_2.17", "GLIBC_ABI_DT_RELR"], "2.36"),
        (["GLIBC_2.38"], "2.38"),
        (["GLIBC_PRIVATE", "OTHER_9.9"], "2.36"),
    ],
)
def test_symbols_are_finer_than_the_version_built_against(versions: list[str], expected: str) -> None:
    found = facts(needing("GLIBC_2.2.5"), needing(*versions))
    assert found.libc is not None
    assert found.libc.version == expected
    if expected not in ("2.36", "2.38"):
        assert found.libc.source == f"GLIBC_{expected} in bin/1, built against 2.36"


def test_part_of_the_files_does_not_make_it_less() -> None:
    found = facts(needing("GLIBC_2.17"), complete=False)
    assert found.libc is not None
    assert found.libc.version == "2.36"
    assert "bin/0 needs GLIBC_2.17; other files were not read" in found.notes


def test_libraries_that_nothing_provides() -> None:
    program = Elf(
        "x86_64", 64, needed=("libm.so.6", "ld-linux-x86-64.so.2", "libmpi.so.12", "libown.so.1", "libcuda.so.1")
    )
    found = facts(program, Elf("x86_64", 64, soname="libown.so.1"))
    assert "libmpi.so.12 (bin/0 needs it) must be on the host, or in LD_LIBRARY_PATH" in found.notes
    assert "libcuda.so.1 (bin/0 needs it) comes with the GPU's driver" in found.notes
    assert not any("libm.so.6" in each or "libown" in each or "ld-linux" in each for each in found.notes)
    assert found.gpu == ("nvidia",)  # though the metadata say nothing of it


def test_kernels_levels_and_runtimes() -> None:
    program = Elf("x86_64", 64, executable=True, kernel=(4, 18, 0), isa=3)
    runtime = needing("GLIBCXX_3.4.30", "GLIBCXX_3.4.9", "CXXABI_1.3.13", library="libstdc++.so.6")
    found = facts(program, Elf("x86_64", 64, kernel=(6, 1, 0)), runtime)
    assert found.kernel == "4.18.0"
    assert "its files are marked for x86-64-v3: an older CPU's loader refuses them" in found.notes
    assert "needs CXXABI_1.3.13, GLIBCXX_3.4.30 of the host's compiler runtime" in found.notes
    rules = [rule.name for rule in compatibility_of(found).compatibilities[0].rules]
    assert "kernel 4.18 or newer" in rules
    own = facts(runtime, Elf("x86_64", 64, soname="libstdc++.so.6"))
    assert not any("GLIBCXX" in each for each in own.notes)


CUDA = Package(
    "app",
    needs={GLIBC: ["link"], Package("cuda", "12.4.0", "x86_64", external="/opt/cuda"): ["link"]},
    parameters={"cuda": True, "cuda_arch": ["70"]},
)


@pytest.mark.parametrize(
    ("sass", "ptx", "tags"),
    [
        ((80,), (), ["exact"]),
        ((80,), (80,), ["exact", "ptx"]),
        ((), (90,), ["exact", "ptx"]),
        ((), (), ["exact", "ptx"]),
    ],
)
def test_cuda_code(sass: tuple[int, ...], ptx: tuple[int, ...], tags: list[str]) -> None:
    found = facts(Elf("x86_64", 64, sass=sass, ptx=ptx), package=CUDA)
    assert found.cuda_arch == (("80",) if sass else ("70",))
    assert [each.tag for each in compatibility_of(found).compatibilities] == tags


def test_a_prefix_on_this_host(tmp_path: Path) -> None:
    source = next(each for each in system_files() if each.stat().st_size < 200_000)
    prefix = tmp_path / "app"
    (prefix / "bin").mkdir(parents=True)
    (prefix / ".spack").mkdir()
    shutil.copy(source, prefix / "bin/program")
    (prefix / "bin/script").write_text("#!/bin/sh\n")
    (prefix / "bin/link").symlink_to("program")
    (prefix / "bin/away").symlink_to("/etc/passwd")
    os.mkfifo(prefix / "bin/pipe")
    (prefix / "lib.so").write_bytes(elf({".nv_fatbin": fat_binary((2, 90, 8))}))
    (prefix / "broken.so").write_bytes(b"\x7fELF" + bytes(100))
    package = Package("app", needs={GLIBC: ["link"]})
    root = concrete(package)
    read = files_of(Concrete(root.roots, root.nodes, "", {package.hash: str(prefix)}))
    assert [each.path for each in read.files] == ["lib.so", "bin/program"]
    assert (read.complete, len(read.broken)) == (False, 1)
    assert "broken.so: not an ELF file" in read.broken[0]
    (prefix / "broken.so").unlink()
    assert files_of(Concrete(root.roots, root.nodes, "", {package.hash: str(prefix)})).complete
    assert files_of(root) == Files((), False)


def test_nothing_at_hand_changes_nothing() -> None:
    before = facts_of(concrete(CUDA))
    assert refined(before, Files((), False)) == before
