"""NFD's domain `cpu`: model, cpuid, topology, power management, resource control, security."""

from __future__ import annotations

import re

from hpccompat.features.model import Features
from hpccompat.sources.cpuid import X86, Cpuid, arm_flags, power_flags
from hpccompat.sources.host import Host

_CPU = "sys/devices/system/cpu"
_CPUS = "sys/bus/cpu/devices"

# /proc/cpuinfo's vendor_id, and "CPU implementer" on Arm -> NFD's name of the vendor.
_X86_VENDORS = {
    "GenuineIntel": "Intel",
    "AuthenticAMD": "AMD",
    "HygonGenuine": "Hygon",
    "CentaurHauls": "VIA",
}
_ARM_VENDORS = {
    "0x41": "ARM",
    "0x42": "Broadcom",
    "0x43": "Cavium",
    "0x46": "Fujitsu",
    "0x4e": "NVIDIA",
    "0x51": "Qualcomm",
    "0x56": "Marvell",
    "0xc0": "Ampere",
}
# CPUID leaf 0x40000000 -> NFD's name of the hypervisor.
_HYPERVISORS = {
    "KVMKVMKVM": "kvm",
    "Linux KVM Hv": "kvm",
    "Microsoft Hv": "msvm",
    "VMwareVMware": "vmware",
    "XenVMMXenVMM": "xenhvm",
    "bhyve bhyve ": "bhyve",
    "TCGTCGTCGTCG": "qemu",
}
# NFD's name -> the flags of /proc/cpuinfo that it takes.
_RDT = {
    "RDTMON": "cqm_llc",
    "RDTCMT": "cqm_occup_llc",
    "RDTMBM": "cqm_mbm_total cqm_mbm_local",
    "RDTL3CA": "cat_l3",
    "RDTL2CA": "cat_l2",
    "RDTMBA": "mba",
}


def read(host: Host) -> Features:
    first = first_processor(host.text("proc/cpuinfo") or "")
    family = instruction_set(first)
    x86 = _x86(host, first) if family == "x86_64" else None
    cpuid: dict[str, str] = {}
    if x86 is not None:
        flags = x86.flags()
        if x86.avx10_version():
            cpuid["AVX10_VERSION"] = str(x86.avx10_version())
    elif family == "aarch64":
        flags = arm_flags(first.get("Features", "").split())
    else:
        # POWER tells it to programs alone; of another host there is no auxiliary vector.
        flags = power_flags(host.data("proc/self/auxv") or b"") if family == "ppc64le" else frozenset()
    return Features(
        flags={"cpu.cpuid": flags},
        attributes={
            "cpu.cpuid": cpuid,
            "cpu.model": _model(first, x86),
            "cpu.topology": _topology(host),
            "cpu.cstate": _cstate(host),
            "cpu.pstate": _pstate(host),
            "cpu.rdt": _rdt(host, x86),
            "cpu.security": _security(host, x86),
            "cpu.sst": _sst(host, x86),
            "cpu.coprocessor": (
                {"nx_gzip": "true"} if host.exists("sys/devices/vio/ibm,compression-v1/nx_gzip_caps") else {}
            ),
        },
    )


def first_processor(cpuinfo: str) -> dict[str, str]:
    """name -> value of the first processor; lines that stand before or after the processors count too."""
    found: dict[str, str] = {}
    blocks = cpuinfo.split("\n\n")
    for line in "\n".join((blocks[0], blocks[-1])).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def instruction_set(first: dict[str, str]) -> str:
    """archspec's family of this processor, "" for one that we don't know."""
    marks = {"CPU implementer": "aarch64", "cpu family": "x86_64"}
    power = "ppc64le" if first.get("cpu", "").startswith("POWER") else ""
    return next((family for mark, family in marks.items() if mark in first), power)


def _x86(host: Host, first: dict[str, str]) -> X86:
    def number(name: str) -> int:
        return int(first[name]) if first.get(name, "").isdecimal() else 0

    return X86(
        first.get("flags", "").split(),
        _X86_VENDORS.get(first.get("vendor_id", ""), "VendorUnknown"),
        number("cpu family"),
        number("model"),
        number("siblings") > number("cpu cores"),
        _instruction() if host.live else None,
    )


def _instruction() -> Cpuid | None:
    """The CPUID instruction by archspec; None without archspec, and where no memory may be executed."""
    try:
        from archspec.vendor.cpuid.cpuid import CPUID

        return CPUID()  # type: ignore[no-any-return]
    except (ImportError, OSError, SystemError, MemoryError):
        return None


def _model(first: dict[str, str], x86: X86 | None) -> dict[str, str]:
    if not first:
        return {}
    if x86 is None:
        vendor = _ARM_VENDORS.get(first.get("CPU implementer", ""), "VendorUnknown")
        return {"vendor_id": vendor, "family": "0", "id": "0", "hypervisor": "none"}
    model = {"vendor_id": x86.vendor, "family": str(x86.family), "id": str(x86.model)}
    if "hypervisor" not in x86.linux:
        return model | {"hypervisor": "none"}
    # Which hypervisor it is, only CPUID tells.
    _, *registers = x86.answer(0x40000000)
    name = b"".join(each.to_bytes(4, "little") for each in registers).decode("latin-1").rstrip("\0")
    if not name:
        return model
    return model | {"hypervisor": _HYPERVISORS.get(name) or re.sub(r"[^-A-Za-z0-9_.]+", "_", name)}


def _topology(host: Host) -> dict[str, str]:
    """Nothing where one of the CPUs does not tell."""
    cpus = [
        host.values(f"{_CPUS}/{name}/topology", ("thread_siblings_list", "physical_package_id"))
        for name in host.entries(_CPUS)
    ]
    if not host.is_directory(_CPUS) or any(len(cpu) < 2 for cpu in cpus):
        return {}
    # A list of one has no comma and no range.
    threads = any(re.search("[,-]", cpu["thread_siblings_list"]) for cpu in cpus)
    sockets = {cpu["physical_package_id"] for cpu in cpus}
    return {"hardware_multithreading": _text(threads), "socket_count": str(len(sockets))}


def _cstate(host: Host) -> dict[str, str]:
    """Only of the driver intel_idle."""
    if host.value(f"{_CPU}/cpuidle/current_driver") != "intel_idle":
        return {}
    deepest = _integer(host.value("sys/module/intel_idle/parameters/max_cstate"))
    return {} if deepest is None else {"enabled": _text(deepest > 0)}


def _pstate(host: Host) -> dict[str, str]:
    """Only of the driver intel_pstate; the governor where it chooses the frequency itself, and all agree."""
    status = host.value(f"{_CPU}/intel_pstate/status")
    if status is None or status == "off":
        return {}
    found = {"status": status}
    no_turbo = host.value(f"{_CPU}/intel_pstate/no_turbo")
    if no_turbo is not None:
        found["turbo"] = _text(no_turbo.startswith("0"))
    if status == "active":
        policies = [f"{_CPU}/cpufreq/{name}" for name in host.entries(f"{_CPU}/cpufreq")]
        governors = {host.value(f"{each}/scaling_governor") for each in policies if host.value(f"{each}/affected_cpus")}
        governors.discard(None)
        if len(governors) == 1:
            found["scaling_governor"] = str(governors.pop())
    return found


def _rdt(host: Host, x86: X86 | None) -> dict[str, str]:
    linux = x86.linux if x86 else frozenset()
    found = {name: "true" for name, flags in _RDT.items() if linux.issuperset(flags.split())}
    if "RDTMON" not in found:
        found = {name: value for name, value in found.items() if name not in ("RDTCMT", "RDTMBM")}
    closids = _integer(host.value("sys/fs/resctrl/info/L3/num_closids"))
    if "RDTL3CA" in found and closids is not None:
        found["RDTL3CA_NUM_CLOSID"] = str(closids - 1)  # one is the default group's
    return found


def _security(host: Host, x86: X86 | None) -> dict[str, str]:
    found: dict[str, str] = {}
    epc = _sgx_memory(x86) if x86 else 0
    if epc:
        found |= {"sgx.enabled": "true", "sgx.epc": str(epc)}
    if host.value("sys/module/kvm_intel/parameters/tdx") == "Y":
        found |= {"tdx.enabled": "true"} | _capacity(host, "tdx", "tdx.total_keys")
    if x86 and "tdx_guest" in x86.linux:
        found["tdx.protected"] = "true"
    kvm = host.values("sys/module/kvm_amd/parameters", ("sev", "sev_es", "sev_snp"))
    enabled = {name for name, value in kvm.items() if value[:1] in ("1", "Y")}
    if "sev" in enabled:
        found |= {"sev.enabled": "true"} | _capacity(host, "sev", "sev.asids")
    if "sev_es" in enabled:
        found |= {"sev.es.enabled": "true"} | _capacity(host, "sev_es", "sev.encrypted_state_ids")
    if "sev_snp" in enabled:
        found["sev.snp.enabled"] = "true"
    return found


def _sgx_memory(x86: X86) -> int:
    """Bytes of the enclave page cache, over all its sections (Intel SDM vol. 2A, CPUID leaf 12H)."""
    size = 0
    if x86.answer(7)[1] >> 2 & 1:
        for subleaf in range(2, 34):
            eax, _, ecx, edx = x86.answer(0x12, subleaf)
            if eax & 0xF == 0:
                break
            if eax & 0xF == 1:
                size += (ecx & 0xFFFFF000) | (edx & 0xFFFFF) << 32
    return size


def _capacity(host: Host, resource: str, name: str) -> dict[str, str]:
    """Of the misc cgroup controller."""
    for file in ("sys/fs/cgroup/misc.capacity", "sys/fs/cgroup/misc/misc.capacity"):
        for line in (host.value(file) or "").splitlines():
            if line.startswith(resource):
                capacity = _integer(line.partition(" ")[2])
                return {} if capacity is None else {name: str(capacity)}
    return {}


def _sst(host: Host, x86: X86 | None) -> dict[str, str]:
    """Speed Select, base frequency: a CPU that is promised more than the nominal frequency (CPUID leaf 16H)."""
    nominal = x86.answer(0x16)[0] if x86 else 0
    if not nominal:
        return {}
    frequencies = (_integer(host.value(f"{_CPUS}/{name}/cpufreq/base_frequency")) for name in host.entries(_CPUS))
    return {"bf.enabled": "true"} if any(each and each // 1000 > nominal for each in frequencies) else {}


def _integer(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[+-]?[0-9]+", text) else None


def _text(value: bool) -> str:
    return "true" if value else "false"
