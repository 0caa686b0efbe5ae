"""Binaries for all kinds of CPUs and GPUs, on recorded nodes of all kinds."""

from __future__ import annotations

import functools
import json
import lzma
from collections.abc import Mapping
from pathlib import Path

import pytest

from hpccompat.features.codec import load_features
from hpccompat.features.model import Features, merge
from hpccompat.plan.selection import NodeVerdict, judge
from hpccompat.sources.derived import completed
from hpccompat.sources.discover import discover
from hpccompat.spack.buildcache import load_path, open_mirror
from hpccompat.spack.compatibility import compatibility_of
from hpccompat.spack.facts import facts_of
from hpccompat.spack.fetch import Access
from hpccompat.spack.model import Concrete
from hpccompat.spack.query import parse_query
from hpccompat.spack.specfile import load_specfile
from hpccompat.spec.decode import load_spec
from hpccompat.spec.encode import dump_spec
from hpccompat.spec.lint import lint
from hpccompat.spec.model import CompatibilitySpec
from tests.cluster.site import HOSTS
from tests.spack.mirrors import Package, lockfile, tool

VECTORS = Path(__file__).parents[1] / "conformance/vectors/features.json.xz"
# Older than that of any node.
OLD_GLIBC = Package("glibc", "2.12", "x86_64", external="/usr", provides="libc")


@functools.cache
def recorded() -> Mapping[str, Features]:
    """Nodes as NFD recorded them, and hosts of ours."""
    found = {
        name.removeprefix("node-").removesuffix(".json"): completed(load_features(features))
        for name, features in json.loads(lzma.decompress(VECTORS.read_bytes())).items()
        if name.startswith("node-")
    }
    return found | {f"host {root.name}": discover(root).features for root in HOSTS.iterdir()}


def concrete(package: Package, version: int = 5) -> Concrete:
    return load_specfile(json.dumps({"spec": package.spec(version)}).encode(), "spec.json")


def spec_of(package: Package, version: int = 5) -> CompatibilitySpec:
    spec = compatibility_of(facts_of(concrete(package, version)))
    # It is an ordinary spec: it can be written, and read again, and there is nothing wrong with it.
    assert load_spec(dump_spec(spec)) == spec
    assert [each for each in lint(spec) if "not portable" not in each.text] == []
    return spec


def verdict(spec: CompatibilitySpec, node: str) -> NodeVerdict:
    return judge(spec, recorded()[node], {}, ())


def sign(spec: CompatibilitySpec, node: str) -> str:
    """`=` fits, `~` fits with a warning, `-` does not, `?` is not known."""
    judged = verdict(spec, node)
    if judged.verdict.value == "compatible":
        assert judged.report is not None
        return "=" if judged.report.weight == 100 else "~"
    return {"incompatible": "-", "unknown": "?"}[judged.verdict.value]


TARGETS = """x86_64 x86_64_v2 x86_64_v3 x86_64_v4 haswell skylake_avx512 icelake sapphirerapids zen2 zen3 zen4 aarch64
neoverse_v1 a64fx power9le""".split()
# Node: a sign for each target. In virtual machines, and on another vendor's CPU, NFD does not tell clwb and the like.
CPUS = """
a64fx-rocky8                        -----------=-=-
alderlake-ubuntu24                  ===-=----------
bulldozer-sl6                       ??-------------
cascadelake-centos7                 ======---------
gh200-rhel9                         -----------=-~-
grace-ubuntu22-64k                  -----------=-~-
graviton3-amzn2-efa                 -----------==~-
haswell-rhel7                       ===-=----------
host-debian12                       ===-~---??-----
icelake-rhcos                       =======--------
icelake-rhel8                       =======--------
power8-centos7                      ---------------
power9-rhel8                        --------------=
skylake-rhel7                       ======---------
spr-rhel9-h100                      ========-------
spr-sles15-pvc                      ========-------
thunderx2-centos7                   -----------=---
zen2-rhel8                          ===-----=------
zen3-sles15-mi250x                  ===-----==-----
zen3-ubuntu20-a100                  ===-~---==-----
zen4-amzn2-efa                      ====~??-???----
zen4-rocky8-mi300a                  ====~??-===----
zen5-rocky9                         ====~??-===----
host graviton3-amazon2023-efa       -----------==~-
host haswell-centos7-infiniband     ===-=----------
host icelake-rocky9-infiniband      ====~----------
host neoverse-ubuntu22-ethernet     -----------=---
host power9-rhel8-v100              --------------=
host sandybridge-rocky9-infiniband  ==-------------
host sapphirerapids-rocky9-h100     ========-------
host skylake-debian12-omnipath      ---------------
host zen3-rocky9-ethernet           ===-~----------
host zen3-rocky9-infiniband         ===-~----------
host zen3-sles15-mi250x-slingshot   ===-~---==-----
"""


@pytest.mark.parametrize(("node", "expected"), [line.rsplit(maxsplit=1) for line in CPUS.strip().splitlines()])
def test_cpus(node: str, expected: str) -> None:
    found = "".join(sign(spec_of(Package("app", target=each, needs={OLD_GLIBC: ["link"]})), node) for each in TARGETS)
    assert found == expected


def test_every_recorded_node_is_in_the_table() -> None:
    assert {line.rsplit(maxsplit=1)[0].strip() for line in CPUS.strip().splitlines()} == recorded().keys()


def test_what_is_missing_is_named() -> None:
    spec = spec_of(Package("app", target="sapphirerapids", needs={OLD_GLIBC: ["link"]}))
    text = "; ".join(verdict(spec, "zen3-ubuntu20-a100").reasons)
    assert "AMXTILE missing" in text
    assert "AVX512F missing" in text
    assert "AVX2 missing" not in text  # it has that
    other = "; ".join(verdict(spec, "graviton3-amzn2-efa").reasons)
    assert other.startswith("hpc.microarchitecture: family is 'aarch64' (wanted In [x86_64])")


def test_what_only_probably_runs_is_told() -> None:
    judged = verdict(spec_of(Package("app", target="haswell", needs={OLD_GLIBC: ["link"]})), "zen5-rocky9")
    assert judged.report is not None
    matched = [each.compatibility for each in judged.report.sets if each.matched]
    assert [(each.tag, each.weight) for each in matched] == [("features", 80)]
    assert matched[0].description.endswith("warning: has all instructions of haswell, but is no CPU of that line")


def test_what_a_node_can_not_report_is_unknown() -> None:
    judged = verdict(spec_of(Package("app", target="icelake", needs={OLD_GLIBC: ["link"]})), "zen5-rocky9")
    assert (judged.verdict.value, judged.reasons) == (
        "unknown",
        ("hpc.microarchitecture.feature is not in the node's record",),
    )


def test_dependencies_for_other_targets_count() -> None:
    """A program of a generic level, on a library for zen3; and the other way round."""
    library = Package("lib", target="zen3", needs={OLD_GLIBC: ["link"]})
    for types, expected in (["link"], "-"), (["run"], "-"), (["build"], "="), (["test"], "="):
        package = Package("app", target="x86_64_v2", needs={library: types, OLD_GLIBC: ["link"]})
        assert sign(spec_of(package), "zen2-rhel8") == expected
        assert sign(spec_of(package), "zen3-ubuntu20-a100") == "="


LIBC = [
    (Package("glibc", "2.36", "x86_64", external="/usr", provides="libc"), "rocky9=- debian12=="),
    (Package("glibc", "2.34", "x86_64", external="/usr", provides="libc"), "rocky9== debian12=="),
    (Package("musl", "1.2.3", "x86_64", external="/usr", provides="libc"), "rocky9=- debian12=-"),
    # Built by Spack: the host's own does not matter.
    (Package("glibc", "2.99", "x86_64", provides="libc"), "rocky9== debian12=="),
]


@pytest.mark.parametrize(("libc", "expected"), LIBC)
def test_the_c_library(libc: Package, expected: str) -> None:
    spec = spec_of(Package("app", target="x86_64_v2", needs={libc: ["link"]}))
    nodes = {"rocky9": "zen5-rocky9", "debian12": "host-debian12"}
    assert " ".join(f"{name}={sign(spec, node)}" for name, node in nodes.items()) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [("debian12", "-="), ("rhel9", "=="), ("rocky8", "=="), ("ubuntu22.04", "-="), ("sles15", "=="), ("gentoo", "==")],
)
def test_without_a_c_library_in_the_metadata_the_system_counts(label: str, expected: str) -> None:
    """Spack before 0.22. What can't be known asks for nothing, and is noted."""
    package = Package("app", target="x86_64_v2", os=label)
    spec = spec_of(package, 3)
    assert sign(spec, "zen5-rocky9") + sign(spec, "host-debian12") == expected
    told = facts_of(concrete(package, 3)).notes
    assert any("which C library it needs is not known" in each for each in told) == (label in ("sles15", "gentoo"))


def cuda(version: str = "12.4.0", *archs: str, target: str = "x86_64_v3") -> Package:
    toolkit = Package("cuda", version, "x86_64", external="/opt/cuda")
    parameters = {"cuda": True, "cuda_arch": list(archs) or ["none"]}
    return Package(
        "gpuapp", target=target, needs={toolkit: ["build", "link"], OLD_GLIBC: ["link"]}, parameters=parameters
    )


def with_driver(node: str, driver: str, newest: str) -> Features:
    nvidia = {"hpc.gpu.nvidia": {"driver": driver, "cuda": newest, "count": "2"}}
    return merge([recorded()[node], Features(attributes=nvidia)])


@pytest.mark.parametrize(
    ("package", "node", "driver", "expected"),
    [
        (cuda("12.4.0", "80", "90"), "zen3-ubuntu20-a100", ("550.54.15", "12.4"), 100),
        (cuda("12.4.0", "80"), "spr-rhel9-h100", ("550.54.15", "12.4"), 60),  # by PTX
        (cuda("12.4.0", "80"), "spr-rhel9-h100", ("535.104.12", "12.2"), "none of"),  # a driver before 12.4
        (cuda("12.4.0", "90a"), "zen3-ubuntu20-a100", ("550.54.15", "12.4"), "none of"),
        (cuda("12.4.0", "70"), "zen3-ubuntu20-a100", ("550.54.15", "12.4"), 60),
        (cuda("12.4.0", "86"), "zen3-ubuntu20-a100", ("550.54.15", "12.4"), "pci.device"),
        (cuda("12.4.0", "80"), "zen3-ubuntu20-a100", ("470.57.02", "11.4"), "is '470.57.02' (wanted Ge [525.60.13]"),
        (cuda("11.8.0", "80"), "zen3-ubuntu20-a100", ("470.57.02", "11.4"), 100),  # minor versions are compatible
        (cuda("12.4.0"), "zen3-ubuntu20-a100", ("550.54.15", "12.4"), 100),
        (cuda("12.4.0"), "zen2-rhel8", ("550.54.15", "12.4"), "none of"),
        (cuda("12.4.0", "80"), "alderlake-ubuntu24", ("550.54.15", "12.4"), 100),  # 8.6 runs code for 8.0
    ],
)  # fmt: skip
def test_cuda(package: Package, node: str, driver: tuple[str, str], expected: int | str) -> None:
    judged = judge(spec_of(package), with_driver(node, *driver), {}, ())
    if isinstance(expected, int):
        assert judged.report is not None
        assert judged.report.weight == expected
    else:
        assert judged.verdict.value == "incompatible"
        assert expected in "; ".join(judged.reasons)


def test_without_a_record_of_the_driver_nothing_is_known() -> None:
    assert sign(spec_of(cuda("12.4.0", "80")), "zen3-ubuntu20-a100") == "?"
    assert sign(spec_of(cuda("12.4.0", "80")), "haswell-rhel7") == "-"  # it has no GPU at all
    assert sign(spec_of(cuda("12.4.0", "90")), "host sapphirerapids-rocky9-h100") == "="
    assert (
        sign(spec_of(cuda("12.4.0", "70", target="power9le")), "host power9-rhel8-v100") == "-"
    )  # its driver is older


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["gfx90a", "gfx942"], "==-"),
        (["gfx90a:xnack-"], "=--"),
        (["gfx942"], "-=-"),
        (["gfx999"], "??-"),
        (["none"], "==-"),
    ],
)
def test_rocm(targets: list[str], expected: str) -> None:
    hip = Package("hip", "6.0.2", "x86_64", external="/opt/rocm")
    parameters = {"rocm": True, "amdgpu_target": targets}
    spec = spec_of(Package("app", needs={hip: ["link"], OLD_GLIBC: ["link"]}, parameters=parameters))
    assert "".join(sign(spec, each) for each in ("zen3-sles15-mi250x", "zen4-rocky8-mi300a", "zen2-rhel8")) == expected


def test_libraries_that_may_use_a_gpu_do_not_need_one() -> None:
    toolkit = Package("cuda", "12.4.0", "x86_64", external="/opt/cuda")
    parameters = {"cuda": True, "cuda_arch": ["80"]}
    for name, expected in ("ucx", "="), ("kokkos", "-"):
        library = Package(name, needs={toolkit: ["link"]}, parameters=parameters)
        package = Package("app", needs={library: ["link"], OLD_GLIBC: ["link"]})
        assert sign(spec_of(package), "haswell-rhel7") == expected


def test_fabrics() -> None:
    library = Package("libfabric", needs={OLD_GLIBC: ["link"]}, parameters={"fabrics": ["sockets", "tcp", "verbs"]})
    mpich = Package("mpich", "4.2", needs={library: ["link"]}, provides="mpi")
    spec = spec_of(Package("app", needs={mpich: ["link"], OLD_GLIBC: ["link"]}))
    found = {
        node: verdict(spec, node).report for node in ("host sapphirerapids-rocky9-h100", "host zen3-rocky9-ethernet")
    }
    assert [each.weight if each else None for each in found.values()] == [100, 90]
    own = facts_of(concrete(Package("app", needs={mpich: ["link"]})))
    assert "MPI: mpich@4.2" in own.notes
    assert own.fabrics == ("infiniband", "iwarp", "roce")


def test_externals_are_listed_without_the_c_library() -> None:
    mpi = Package("cray-mpich", "8.1", external="/opt/cray/mpich", modules=("cray-mpich/8.1",), provides="mpi")
    compiler = Package("gcc", "12", external="/usr")
    facts = facts_of(concrete(Package("app", needs={mpi: ["link"], compiler: ["build"], OLD_GLIBC: ["link"]})))
    assert list(map(str, facts.externals)) == ["cray-mpich@8.1 at /opt/cray/mpich (module cray-mpich/8.1)"]
    assert facts.externals[0].of.startswith("app@1.0/")


@pytest.mark.parametrize(
    ("package", "because"),
    [
        (Package("app", external="/usr"), "is an external, which Spack has not built"),
        (Package("app", platform="darwin"), "is built for darwin, and these hosts run Linux"),
        (Package("app", needs={Package("lib", target="aarch64"): ["link"]}), "is built for aarch64 and x86_64"),
    ],
)
def test_what_runs_on_no_node(package: Package, because: str) -> None:
    with pytest.raises(Exception, match=because):
        facts_of(concrete(package))


def test_a_target_that_archspec_here_does_not_know() -> None:
    spec = Package("app", target="x86_64", needs={OLD_GLIBC: ["link"]}).spec()
    new = {
        "name": "zen9",
        "vendor": "AuthenticAMD",
        "features": ["avx2", "avx512f"],
        "generation": 0,
        "parents": ["zen4"],
    }
    spec["nodes"][0]["arch"]["target"] = new
    facts = facts_of(load_specfile(json.dumps({"spec": spec}).encode(), "spec.json"))
    assert (facts.family, facts.features) == ("x86_64", {"avx2", "avx512f"})
    assert "target zen9 is not known to this archspec: by the features that its builder recorded" in facts.notes
    found = {node: sign(compatibility_of(facts), node) for node in ("zen5-rocky9", "zen2-rhel8")}
    assert found == {"zen5-rocky9": "~", "zen2-rhel8": "-"}


def test_versions_of_specs_agree() -> None:
    found = {dump_spec(spec_of(tool("zen3"), version)) for version in (4, 5)}
    assert len(found) == 1


REAL = {
    # glibc 2.36 is on no node but Debian's and Ubuntu's.
    "hpctool target=sapphirerapids": "zen3-ubuntu20-a100- spr-rhel9-h100- host-debian12-",
    "hpctool target=x86_64_v3": "zen3-ubuntu20-a100- host-debian12= alderlake-ubuntu24=",
    "hpctool target=zen3": "host-debian12? alderlake-ubuntu24-",  # Debian's is a virtual machine on zen3
    "hpcutil target=x86_64_v2": "host-debian12= alderlake-ubuntu24= haswell-rhel7-",
    "hpccuda": "host-debian12- alderlake-ubuntu24?",
    "hpcrocm": "zen3-sles15-mi250x- host-debian12-",
}


@pytest.mark.parametrize("mirror", ["mirror-v2", "mirror-v3"])
def test_real_binaries(shared: Path, mirror: str) -> None:
    opened = open_mirror(str(shared / "spack" / mirror), Access())
    for query, expected in REAL.items():
        (node,) = opened.find(parse_query(query))
        spec = compatibility_of(facts_of(opened.load(node)))
        found = " ".join(each[:-1] + sign(spec, each[:-1]) for each in expected.split())
        assert (query, found) == (query, expected)
    (hpccuda,) = opened.find(parse_query("hpccuda"))
    facts = facts_of(opened.load(hpccuda))
    assert (facts.cuda, facts.cuda_arch, list(map(str, facts.externals))) == (
        "12.4.0", ("80", "90"), ["cuda@12.4.0 at /opt/cuda"],
    )  # fmt: skip


def test_an_environment_is_named_by_its_first_roots(tmp_path: Path) -> None:
    roots = [Package(f"app{number}", needs={OLD_GLIBC: ["link"]}) for number in range(5)]
    (tmp_path / "spack.lock").write_text(lockfile(roots))
    facts = facts_of(load_path(str(tmp_path / "spack.lock"), Access()))
    assert facts.name.startswith("app0@1.0/")
    assert facts.name.endswith(" and 2 more")
