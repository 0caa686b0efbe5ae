"""The table of CPU flags: by the instruction, and by Linux's names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpccompat.sources import cpu
from hpccompat.sources.cpuid import ARM_FLAGS, X86, X86_TABLE, arm_flags, power_flags
from hpccompat.sources.host import Host

ROWS = [line.split() for line in X86_TABLE.strip().splitlines()]


def test_the_table() -> None:
    names = [row[0] for row in ROWS]
    assert names == sorted(names)
    bits = [tuple(row[:5]) for row in ROWS]
    assert len(set(bits)) == len(bits)
    linux = [row[5] for row in ROWS if row[5] != "-"]
    assert {each for each in linux if linux.count(each) > 1} == {"sse", "xsave"}, "each Linux flag once, but for two"
    for name, leaf, subleaf, register, bit, _, *needs in ROWS:
        assert int(leaf, 0) > 0, name
        assert int(subleaf) in range(3), name
        assert register in ("eax", "ebx", "ecx", "edx"), name
        assert int(bit) in range(32), name
        assert not needs or needs[0] in {*names, "avx", "avx512", "AMD"}, name


def test_both_ways_agree_on_this_host() -> None:
    """What Linux tells and CPUID tells, on the machine that runs the tests."""
    host = Host("/")
    first = cpu.first_processor(host.text("proc/cpuinfo") or "")
    if "cpu family" not in first:
        pytest.skip("not an x86 machine")
    x86 = cpu._x86(host, first)
    assert x86.answer(0)[0] > 0, "the instruction can't be run here"
    by_linux = X86(x86.linux, x86.vendor, x86.family, x86.model, x86.threads, None).flags()
    by_cpuid = x86.flags()
    told = {row[0] for row in ROWS if row[5] != "-"}
    assert by_linux & told <= by_cpuid
    # Linux may hide what it doesn't support or need (umip, md_clear), never what makes a level.
    assert {flag for flag in by_cpuid if flag.startswith("X86_64_V")} == {
        flag for flag in by_linux if flag.startswith("X86_64_V")
    }


@pytest.mark.parametrize(
    ("linux", "there", "missing"),
    [
        ("sse fxsr", {"SSE", "FXSR", "FXSROPT"}, {"X86_64_V1"}),
        ("avx2 bmi2 fma4", set(), {"AVX2", "BMI2", "FMA4"}),  # without AVX, BMI1
        ("avx avx2 bmi1 bmi2", {"AVX", "AVX2", "BMI1", "BMI2"}, set()),
        ("avx512bw amx_tile", set(), {"AVX512BW", "AMXTILE"}),  # without AVX512F
        ("avx512f avx512bw amx_tile", {"AVX512F", "AVX512BW", "AMXTILE"}, set()),
        ("fma", set(), {"FMA3"}),
        ("fma xsave", {"FMA3", "OSXSAVE", "XSAVE"}, set()),
        ("npt nrip_save", set(), {"SVMNP", "NRIPS"}),
        ("svm npt nrip_save", {"SVM", "SVMNP", "NRIPS"}, set()),
        ("ht", set(), {"HTT"}),  # one thread a core
    ],
)
def test_what_depends_on_something_else(linux: str, there: set[str], missing: set[str]) -> None:
    found = X86(linux.split(), "Intel", 6, 106, False, None).flags()
    assert found >= there
    assert not found & missing


def test_flags_are_those_of_nfd_on_a_recorded_machine(shared: Path) -> None:
    """NFD's answer on a real virtual machine (AMD Milan): all names are in the table, or computed."""
    recorded = json.loads((shared / "conformance" / "features" / "node-host-debian12.json").read_text())
    names = set(recorded["flags"]["cpu.cpuid"]["elements"])
    levels = {"X86_64_V1", "X86_64_V2", "X86_64_V3"}
    assert names - {row[0] for row in ROWS} == levels
    linux = {row[5] for row in ROWS if row[0] in names} - {"-"}
    found = X86(linux, "AMD", 25, 1, False, None).flags()
    assert found >= levels
    # IBRS, STIBP and the like are several bits for one Linux flag; nothing is found that NFD didn't find.
    assert found <= names
    assert names - found <= {row[0] for row in ROWS if row[5] == "-"}


def test_leaves_beyond_the_last_are_not_asked() -> None:
    """Intel's processors answer them with the data of another leaf."""

    def instruction(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        assert leaf in (0, 1, 0x80000000), hex(leaf)
        return (1, 0, 0, 0) if leaf == 0 else (0x80000000, 0, 0, 0) if leaf == 0x80000000 else (0, 0, 0, 1)

    x86 = X86([], "Intel", 6, 1, False, instruction)
    assert x86.flags() == {"X87"}
    assert x86.avx10_version() == 0


def test_hypervisors() -> None:
    def instruction(name: bytes) -> cpu.Cpuid:
        registers = [int.from_bytes(name[at : at + 4], "little") for at in (0, 4, 8)]
        return lambda leaf, _: (0x40000010, *registers) if leaf == 0x40000000 else (0, 0, 0, 0)  # type: ignore[return-value]

    first = {"cpu family": "6"}
    names = {b"KVMKVMKVM\0\0\0": "kvm", b"Microsoft Hv": "msvm", b"Home Made(1)": "Home_Made_1_"}
    for name, expected in names.items():
        x86 = X86(["hypervisor"], "Intel", 6, 106, False, instruction(name))
        assert cpu._model(first, x86)["hypervisor"] == expected
    assert cpu._model(first, X86([], "Intel", 6, 1, False, None))["hypervisor"] == "none"
    assert "hypervisor" not in cpu._model(first, X86(["hypervisor"], "Intel", 6, 1, False, None))


def test_arm() -> None:
    assert len(ARM_FLAGS.split()) == len(set(ARM_FLAGS.split())) == 66
    assert arm_flags(["fp", "asimd", "sve", "cssc", "lse128"]) == {"FP", "ASIMD", "SVE"}


def test_power() -> None:
    def pair(key: int, value: int) -> bytes:
        return key.to_bytes(8, "little") + value.to_bytes(8, "little")

    # AT_HWCAP: 64-bit, AltiVec, FPU, little endian; AT_HWCAP2: ISA 2.07 and 3.00.
    vector = pair(6, 4096) + pair(16, 0xC0000000 | 0x18000000 | 2) + pair(26, 0x80800000) + pair(0, 0)
    assert power_flags(vector) == {"PPC32", "PPC64", "ALTIVEC", "FPU", "TRUE_LE", "ARCH_2_07", "ARCH_3_00"}
    assert power_flags(b"torn") == frozenset()


def test_power_save_states(tmp_path: Path) -> None:
    """A driver that is switched off, a governor that CPUs don't agree on, a number with a sign."""

    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")

    system = "sys/devices/system/cpu"
    write(f"{system}/cpuidle/current_driver", "intel_idle")
    write("sys/module/intel_idle/parameters/max_cstate", "-1")
    write(f"{system}/intel_pstate/status", "active")
    write(f"{system}/intel_pstate/no_turbo", "1")
    for number, governor in enumerate(("powersave", "performance")):
        write(f"{system}/cpufreq/policy{number}/affected_cpus", str(number))
        write(f"{system}/cpufreq/policy{number}/scaling_governor", governor)
    host = Host(tmp_path)
    assert cpu.read(host).attributes["cpu.cstate"] == {"enabled": "false"}
    assert cpu.read(host).attributes["cpu.pstate"] == {"status": "active", "turbo": "false"}
    write(f"{system}/cpufreq/policy1/affected_cpus", "")
    pstate = cpu.read(host).attributes["cpu.pstate"]
    assert pstate == {"status": "active", "turbo": "false", "scaling_governor": "powersave"}
    write(f"{system}/intel_pstate/status", "off")
    assert cpu.read(host).attributes["cpu.pstate"] == {}
    write("sys/bus/cpu/devices/cpu0/topology/physical_package_id", "0")
    assert cpu.read(host).attributes["cpu.topology"] == {}, "one that does not tell"
