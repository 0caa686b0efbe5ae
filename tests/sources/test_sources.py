"""Feature sources on recorded and hostile roots."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hpccompat.features.codec import dump_features
from hpccompat.features.known import KNOWN_SETS
from hpccompat.nodes.record import failed
from hpccompat.sources import kernel, memory, system
from hpccompat.sources.discover import SOURCES, discover
from hpccompat.sources.host import Host
from tests.cluster.site import HOSTS

RECORDED = [
    "128arm-2pa2n8cluster4co", "16amd64-8n2c", "20em64t-hybrid-1p6c2t+2ca4co1t", "256ppc-8n8s4t", "2pa-pcidomain32bits",
    "32em64t-2n8c+dax+nvme+mic+dimms", "40intel64-2g2n4c+pcilocality", "memorysidecaches", "nvidiagpunumanodes",
]  # fmt: skip


def elements(features: object) -> dict[tuple[str, str], object]:
    """(kind, feature set) -> its elements, instances in one order; empty ones may as well be absent."""
    kinds = json.loads(json.dumps(features))
    found = {
        (kind, name): sorted(each["elements"], key=json.dumps) if kind == "instances" else each["elements"]
        for kind, sets in kinds.items()
        for name, each in sets.items()
    }
    return {key: each for key, each in found.items() if each}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_hosts_are_what_nfd_says(name: str, shared: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-C", tmp_path, "-xjf", shared / "hosts" / f"{name}.tar.bz2"], check=True)
    (root,) = tmp_path.iterdir()
    expected = elements(json.loads((shared / "hosts" / f"{name}.expected.json").read_text()))
    found = discover(root)
    assert not found.errors
    ours = elements(dump_features(found.features))
    assert {key: each for key, each in ours.items() if key in expected} == expected
    # NFD took these from the running machine, not from the recording.
    live = {"cpu.cpuid", "cpu.model", "cpu.rdt", "memory.swap", "system.name", "system.osrelease"}
    assert {name for _, name in ours.keys() - expected.keys() if not name.startswith(("kernel.", "hpc."))} <= live


def test_the_written_hosts() -> None:
    found = {root.name: discover(root) for root in HOSTS.iterdir()}
    assert all(not each.errors for each in found.values())
    levels = {
        name: sorted(flag for flag in each.features.flags["cpu.cpuid"] or () if flag.startswith("X86_64_V"))[-1:]
        for name, each in found.items()
    }
    assert levels == {
        "graviton3-amazon2023-efa": [],
        "haswell-centos7-infiniband": ["X86_64_V3"],
        "icelake-rocky9-infiniband": ["X86_64_V4"],
        "neoverse-ubuntu22-ethernet": [],
        "power9-rhel8-v100": [],
        "sandybridge-rocky9-infiniband": ["X86_64_V2"],
        "sapphirerapids-rocky9-h100": ["X86_64_V4"],
        "skylake-debian12-omnipath": ["X86_64_V4"],
        "zen3-rocky9-ethernet": ["X86_64_V3"],
        "zen3-rocky9-infiniband": ["X86_64_V3"],
        "zen3-sles15-mi250x-slingshot": ["X86_64_V3"],
    }
    zen3 = found["zen3-rocky9-infiniband"].features
    assert zen3.attributes["cpu.model"] == {"vendor_id": "AMD", "family": "25", "id": "1", "hypervisor": "none"}
    assert zen3.attributes["kernel.version"] == {
        "full": "5.14.0-427.13.1.el9_4.x86_64",
        "major": "5",
        "minor": "14",
        "revision": "0",
    }
    assert zen3.attributes["system.osrelease"] == {
        "NAME": "Rocky Linux", "VERSION": "9.4 (Blue Onyx)", "ID": "rocky", "ID_LIKE": "rhel centos fedora",
        "VERSION_ID": "9.4", "VERSION_ID.major": "9", "VERSION_ID.minor": "4",
    }  # fmt: skip
    assert "mlx5_ib" in (zen3.flags["kernel.loadedmodule"] or ())
    assert found["neoverse-ubuntu22-ethernet"].features.attributes["cpu.model"]["vendor_id"] == "ARM"  # type: ignore[index]


def test_an_empty_root_has_empty_feature_sets(tmp_path: Path) -> None:
    found = discover(tmp_path)
    assert not found.errors
    stated = {"memory.hugepages", "memory.numa", "kernel.kvm", "hpc.container", "system.name"}
    assert {name for _, name in elements(dump_features(found.features))} == stated
    assert found.features.attributes["memory.numa"] == {"is_numa": "false", "node_count": "0"}
    assert found.features.names() > stated | {"cpu.model", "pci.device", "storage.block"}


def test_a_failing_source_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "proc" / "cpuinfo").mkdir(parents=True)
    found = discover(tmp_path)
    assert found.errors.keys() == {"cpu", "hpc.microarchitecture"}
    assert "IsADirectoryError" in found.errors["cpu"]
    assert {"kernel.version", "system.osrelease", "pci.device", "memory.numa"} < found.features.names()
    assert not [name for name in found.features.names() if name.startswith("cpu.")]


def test_every_sources_name_begins_its_feature_sets(tmp_path: Path) -> None:
    for name, read in SOURCES.items():
        sets = read(Host(tmp_path)).names()
        assert sets
        assert all(failed(each, {name: ""}) for each in sets)


def test_links_do_not_lead_out_of_the_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").symlink_to("/etc/os-release")
    (tmp_path / "proc").symlink_to("../../../../../../../../proc")
    assert system.read(Host(tmp_path)).attributes["system.osrelease"] == {}
    assert kernel.read(Host(tmp_path)).attributes["kernel.version"] == {}
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    (tmp_path / "usr" / "lib" / "os-release").write_text("ID=inside\n")
    (tmp_path / "etc" / "os-release").unlink()
    (tmp_path / "etc" / "os-release").symlink_to("../usr/lib/os-release")
    assert system.read(Host(tmp_path)).attributes["system.osrelease"] == {"ID": "inside"}


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.18.44-fc-v595", {"full": "6.18.44-fc-v595", "major": "6", "minor": "18", "revision": "44"}),
        ("5.10.0+rpt~1", {"full": "5.10.0_rpt_1"}),
        ("6.1", {"full": "6.1", "major": "6", "minor": "1", "revision": ""}),
        ("-weird-", {"full": "weird"}),
    ],
)
def test_kernel_versions(tmp_path: Path, release: str, version: dict[str, str]) -> None:
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/osrelease").write_text(release + "\n")
    assert kernel.read(Host(tmp_path)).attributes["kernel.version"] == version


@pytest.mark.parametrize(
    ("kibibytes", "text"), [(64, "64Ki"), (2048, "2Mi"), (1048576, "1Gi"), (3072, "3Mi"), (1536, "1536Ki")]
)
def test_sizes_of_pages_are_kubernetes_quantities(tmp_path: Path, kibibytes: int, text: str) -> None:
    pages = tmp_path / f"sys/kernel/mm/hugepages/hugepages-{kibibytes}kB"
    pages.mkdir(parents=True)
    (pages / "nr_hugepages").write_text("3\n")
    found = memory.read(Host(tmp_path)).attributes["memory.hugepages"]
    assert found == {"enabled": "true", f"hugepages-{text}": "3"}


@pytest.mark.parametrize(
    ("swaps", "enabled"), [("Filename Type\n", "false"), ("Filename Type\n/dev/sda2 partition\n", "true")]
)
def test_swap(tmp_path: Path, swaps: str, enabled: str) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/swaps").write_text(swaps)
    assert memory.read(Host(tmp_path)).attributes["memory.swap"] == {"enabled": enabled}


def test_this_host_is_told_completely() -> None:
    """Every feature set that there is on each host is here, and what Linux surely tells is in it."""
    found = discover("/", "n1")
    assert not found.errors
    always = {name for name, known in KNOWN_SETS.items() if not known.may_be_absent}
    assert always <= found.features.names()
    for name in ("kernel.version", "cpu.model", "memory.numa", "hpc.libc", "hpc.microarchitecture", "hpc.sysctl"):
        assert found.features.attributes[name], name
    assert found.features.flags["cpu.cpuid"]
    assert found.features.flags["hpc.microarchitecture.compatible"]
    assert found.features.attributes["system.name"] == {"nodename": "n1"}
