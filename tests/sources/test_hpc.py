"""What the sources under `hpc.` find on written hosts, and what every source keeps to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hpccompat.features.codec import load_features
from hpccompat.features.known import KNOWN_SETS
from hpccompat.features.model import Features
from hpccompat.sources import microarchitecture, slurm
from hpccompat.sources.cpuid import X86_TABLE
from hpccompat.sources.discover import SOURCES, Discovered, discover
from hpccompat.sources.host import Host
from tests.cluster.site import HOSTS

ROOTS = sorted(path.name for path in HOSTS.iterdir())
NODE = "gpu07"


def of(name: str) -> Features:
    return discover(HOSTS / name, NODE).features


def test_nvidia_and_infiniband() -> None:
    found = of("sapphirerapids-rocky9-h100")
    assert found.attributes["hpc.gpu.nvidia"] == {
        "count": "2", "driver": "550.54.15", "cuda": "12.4", "open": "true", "mig": "true",
    }  # fmt: skip
    first, second = found.instances["hpc.gpu.device"]
    assert first == {
        "vendor": "nvidia", "device": "2330", "driver": "nvidia", "model": "NVIDIA H100 80GB HBM3", "numa_node": "0",
        "mig_instances": "0",
    }  # fmt: skip
    assert second["mig_instances"] == "2"
    active, down = found.instances["hpc.fabric.port"]
    assert active == {
        "kind": "infiniband", "device": "mlx5_0", "port": "1", "driver": "mlx5_core", "firmware": "28.39.1002",
        "model": "MT4129", "board": "DEL0000000026", "link_layer": "infiniband", "state": "active",
        "rate_gbps": "400", "generation": "NDR",
    }  # fmt: skip
    assert (down["state"], down["rate_gbps"]) == ("down", "10")
    assert found.flags["hpc.fabric.kind"] == {"infiniband"}
    assert found.attributes["hpc.slurm.gres"] == {"gpu": "2", "gpu:h100": "2", "nvme": str(3 << 40)}
    assert found.instances["hpc.mpi.library"] == (
        {"implementation": "intel-mpi", "version": "2021.11"},
        {"implementation": "mpich", "version": "4.1.2"},
        {"implementation": "openmpi", "version": "4.1.6"},
    )
    assert found.attributes["hpc.mpi.pmix"] == {"version": "4.2.9"}
    assert found.attributes["hpc.container"] == {"enroot": "3.4.1", "user_namespaces": "true"}
    assert found.flags["hpc.container.runtime"] == {"apptainer", "enroot"}
    assert found.flags["hpc.filesystem.type"] == {"lustre", "nfs4", "tmpfs", "xfs"}
    assert found.attributes["hpc.filesystem.client"] == {"lustre": "2.15.5"}
    assert found.attributes["hpc.cmdline"]["hugepagesz"] == "1G 2M"  # type: ignore[index]
    assert found.attributes["hpc.libc"] == {"name": "glibc", "version": "2.34"}


def test_amd_and_slingshot() -> None:
    found = of("zen3-sles15-mi250x-slingshot")
    assert found.attributes["hpc.gpu.amd"] == {"count": "2", "driver": "6.3.6", "rocm": "5.7.1"}
    assert found.instances["hpc.gpu.device"][0] == {
        "vendor": "amd", "device": "7408", "driver": "amdgpu", "gfx": "gfx90a", "memory_mib": "65536", "numa_node": "0",
    }  # fmt: skip
    assert found.flags["hpc.fabric.kind"] == {"slingshot"}
    assert found.instances["hpc.fabric.port"][0] == {
        "kind": "slingshot", "device": "cxi0", "firmware": "1.5.49", "model": "SS11 200Gb 2P NIC Mezz",
        "board": "P43012-001", "link_layer": "ethernet", "state": "active", "rate_gbps": "200",
    }  # fmt: skip
    assert found.attributes["hpc.container"] == {"user_namespaces": "false"}
    assert found.attributes["cpu.security"] == {"sev.enabled": "true", "sev.asids": "410"}


def test_arm_and_efa() -> None:
    found = of("graviton3-amazon2023-efa")
    assert found.attributes["cpu.model"] == {"vendor_id": "ARM", "family": "0", "id": "0", "hypervisor": "none"}
    assert found.flags["cpu.cpuid"] is not None
    assert found.flags["cpu.cpuid"] >= {"ASIMD", "SVE", "SVEBF16", "I8MM", "RNG"}
    assert found.flags["hpc.fabric.kind"] == {"efa"}
    assert found.attributes["hpc.filesystem.client"] == {"beegfs": "7.4.2", "lustre": "2.12.8"}


def test_power() -> None:
    found = of("power9-rhel8-v100")
    assert found.attributes["cpu.coprocessor"] == {"nx_gzip": "true"}
    assert found.attributes["hpc.gpu.nvidia"] == {
        "count": "1", "driver": "470.223.02", "cuda": "11.4", "open": "false", "mig": "false",
    }  # fmt: skip
    assert found.flags["hpc.fabric.kind"] == {"roce"}


def test_omni_path_and_musl() -> None:
    found = of("skylake-debian12-omnipath")
    assert found.flags["hpc.fabric.kind"] == {"omni-path", "iwarp"}
    assert found.attributes["hpc.libc"] == {"name": "musl", "version": "1.2.4"}
    assert found.attributes["hpc.slurm"] == {"version": "22.05.8"}
    # What Debian has removed is no version, and what a link calls singularity is apptainer.
    assert found.attributes["hpc.container"] == {"apptainer": "1.3.4", "user_namespaces": "false"}


@pytest.mark.parametrize(
    ("root", "name", "levels"),
    [
        ("sapphirerapids-rocky9-h100", "sapphirerapids", {"x86_64_v4", "icelake", "haswell"}),
        ("zen3-sles15-mi250x-slingshot", "zen3", {"x86_64_v3", "zen2", "zen"}),
        ("graviton3-amazon2023-efa", "neoverse_v1", {"neoverse_n1", "aarch64"}),
        ("power9-rhel8-v100", "power9le", {"power8le", "ppc64le"}),
        ("skylake-debian12-omnipath", "skylake_avx512", {"x86_64_v4", "skylake"}),
    ],
)
def test_microarchitectures(root: str, name: str, levels: set[str]) -> None:
    found = of(root)
    assert (found.attributes["hpc.microarchitecture"] or {})["name"] == name
    assert (found.flags["hpc.microarchitecture.compatible"] or set()) >= levels | {name}
    derived = microarchitecture.derived(found)
    if root == "skylake-debian12-omnipath":
        # In a virtual machine clwb may be hidden, and NFD does not tell.
        assert derived is not None
        assert (derived.attributes["hpc.microarchitecture"] or {})["name"] == "x86_64_v4"
    elif root != "power9-rhel8-v100":  # its flags are told to programs only
        assert derived is not None
        assert derived.flags["hpc.microarchitecture.compatible"] == found.flags["hpc.microarchitecture.compatible"]


def test_microarchitectures_of_records_from_nfd(shared: Path) -> None:
    names = {}
    for file in sorted((shared / "conformance" / "features").glob("node-*.json")):
        derived = microarchitecture.derived(load_features(json.loads(file.read_text())))
        names[file.stem.split("-")[1]] = derived and (derived.attributes["hpc.microarchitecture"] or {})["name"]
    expected = """
        a64fx a64fx alderlake alderlake bulldozer bulldozer cascadelake cascadelake grace neoverse_v2 haswell haswell
        icelake icelake power8 power8le power9 power9le skylake skylake_avx512 spr sapphirerapids thunderx2 thunderx2
        zen2 zen2 zen3 zen3 zen5 zen5
    """.split()
    assert names.items() >= dict(zip(expected[::2], expected[1::2], strict=True)).items()


def test_no_microarchitecture_stands_out_by_features_that_nfd_has_no_name_for() -> None:
    """Else `derived` would take an older processor for a newer one."""
    from archspec.cpu import TARGETS

    untold = microarchitecture._known_features() - {row.split()[5] for row in X86_TABLE.strip().splitlines()}
    targets = [target for target in TARGETS.values() if target.family.name == "x86_64"]
    for older in targets:
        for newer in targets:
            if newer.vendor == older.vendor and newer.features - untold <= older.features:
                known = (older.name, newer.name) in {("zen", "zen2"), ("piledriver", "steamroller")}
                known = known or older.name == "cannonlake"
                assert known or newer.features <= older.features, f"{older.name} would pass for {newer.name}"


@pytest.mark.parametrize(("model", "name"), [("1", "zen"), ("49", "zen2")])
def test_the_models_tell_what_the_flags_do_not(model: str, name: str) -> None:
    from archspec.cpu import TARGETS

    of_linux = {row.split()[5]: row.split()[0] for row in X86_TABLE.strip().splitlines()}
    features = Features(
        {"cpu.cpuid": frozenset({"X87", *(of_linux[each] for each in TARGETS["zen"].features if each in of_linux)})},
        {"cpu.model": {"vendor_id": "AMD", "family": "23", "id": model, "hypervisor": "none"}},
    )
    derived = microarchitecture.derived(features)
    assert derived is not None
    assert (derived.attributes["hpc.microarchitecture"] or {})["name"] == name


def test_without_archspec() -> None:
    """Flags come from /proc/cpuinfo, and the microarchitecture is not known: said, and not taken for "none"."""
    code = (
        "import sys; sys.modules['archspec'] = None\n"
        "from hpccompat.sources.discover import discover\n"
        "found = discover('/', 'n1')\n"
        "print(sorted(found.errors), 'cpu.cpuid' in found.features.flags, bool(found.features.flags['cpu.cpuid']),\n"
        "    any('microarch' in name for name in found.features.names()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['hpc.microarchitecture'] True True False\n"


# -- what every source keeps to


@pytest.fixture(scope="module")
def discovered() -> dict[str, Discovered]:
    return {name: discover(HOSTS / name, NODE) for name in ROOTS}


def elements(features: Features) -> dict[tuple[str, str], set[str]]:
    """(kind, feature set) -> names of elements."""
    found: dict[tuple[str, str], set[str]] = {}
    for name, flags in features.flags.items():
        found["flags", name] = set(flags or ())
    for name, values in features.attributes.items():
        found["attributes", name] = set(values or ())
    for name, instances in features.instances.items():
        found["instances", name] = {each for instance in instances for each in instance}
    return found


def test_only_known_elements_are_reported(discovered: dict[str, Discovered]) -> None:
    for each in discovered.values():
        assert not each.errors
        for (kind, name), names in elements(each.features).items():
            known = KNOWN_SETS[name]
            assert kind in known.kinds, name
            assert not known.elements or kind == "flags" or names <= known.elements, name


def test_every_documented_element_is_seen_on_some_host(discovered: dict[str, Discovered]) -> None:
    seen: dict[str, set[str]] = {}
    for each in discovered.values():
        for (_, name), names in elements(each.features).items():
            seen.setdefault(name, set()).update(names)
    for name, known in KNOWN_SETS.items():
        if not name.startswith("hpc."):
            continue
        assert seen[name], f"no host has {name}"
        if name not in ("hpc.sysctl", "hpc.cmdline"):
            unseen = known.elements - seen[name]
            # Programs that only tell their version when they are asked.
            assert unseen <= ({"charliecloud", "docker", "podman", "sarus", "shifter", "singularity"}
                              if name == "hpc.container" else set()), name  # fmt: skip


def test_values_are_clean(discovered: dict[str, Discovered]) -> None:
    for each in discovered.values():
        values: list[Mapping[str, str] | None] = [
            *each.features.attributes.values(),
            *(instance for instances in each.features.instances.values() for instance in instances),
        ]
        for mapping in values:
            for name, value in (mapping or {}).items():
                assert isinstance(value, str), name
                assert value == value.strip(), name


def test_nothing_reaches_the_live_host(tmp_path: Path) -> None:
    """Every file that is opened or looked at below /proc, /sys, /etc or /boot, and every program that is run, while
    another root is read."""
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "sbin").mkdir()
    for name in ("usr/bin/apptainer", "usr/bin/podman", "usr/sbin/slurmd"):
        (tmp_path / name).touch()
    code = f"""
import sys
from hpccompat.sources.discover import discover
import archspec.cpu
seen = []
def watch(event, arguments):
    if event in ("open", "os.listdir", "subprocess.Popen", "os.posix_spawn", "ctypes.dlopen", "mmap.__new__"):
        seen.append((event, str(arguments[0])))
sys.addaudithook(watch)
discover({str(tmp_path)!r}, "n1")
discover({str(HOSTS / "sapphirerapids-rocky9-h100")!r}, "n1")
for event, name in seen:
    if event not in ("open", "os.listdir") or name.startswith(("/proc", "/sys", "/etc", "/boot", "/var", "/usr/bin")):
        print(event, name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


@pytest.mark.parametrize("name", SOURCES)
def test_rubbish_is_an_error_or_nothing(name: str, tmp_path: Path) -> None:
    """Every file of a host replaced by bytes that mean nothing: no exception but OSError and ValueError, which
    are reported."""
    template = HOSTS / "sapphirerapids-rocky9-h100"
    for file in template.rglob("*"):
        copy = tmp_path / file.relative_to(template)
        if file.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(b"\xff\xfe\x00: = ( [0-" * 40 + b"\n" * 3)
    SOURCES[name](Host(tmp_path, "n1"))


@pytest.mark.parametrize(
    ("hostlist", "node", "there"),
    [
        ("n1", "n1", True),
        ("n1", "n10", False),
        ("n[1-4,7],gpu[01-10]", "n7", True),
        ("n[1-4,7],gpu[01-10]", "n5", False),
        ("n[1-4,7],gpu[01-10]", "gpu07", True),
        ("n[1-4,7],gpu[01-10]", "gpu7", False),
        ("r[1-2]n[1-3]", "r2n3", True),
        ("r[1-2]n[1-3]", "r3n3", False),
        ("n[1-100]", "n012", False),
        ("n[1-", "n1", False),
        ("DEFAULT", "n1", False),
        ("", "n1", False),
    ],
)
def test_hostlists_of_slurm_conf(hostlist: str, node: str, there: bool) -> None:
    assert slurm.names_node(hostlist, node) is there
