"""NFD's domain `cpu`: model and cpuid from /proc/cpuinfo; topology, cstate and pstate from sysfs."""

from __future__ import annotations

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_CPU = "sys/devices/system/cpu"

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

# Linux's name of a CPU flag (/proc/cpuinfo) -> the name of the same CPUID bit in NFD (klauspost/cpuid).
X86_FLAGS = {
    "3dnow": "AMD3DNOW",
    "3dnowext": "AMD3DNOWEXT",
    "abm": "LZCNT",
    "adx": "ADX",
    "aes": "AESNI",
    "amx_bf16": "AMXBF16",
    "amx_fp16": "AMXFP16",
    "amx_int8": "AMXINT8",
    "amx_tile": "AMXTILE",
    "avx": "AVX",
    "avx2": "AVX2",
    "avx512_4fmaps": "AVX5124FMAPS",
    "avx512_4vnniw": "AVX5124VNNIW",
    "avx512_bf16": "AVX512BF16",
    "avx512_bitalg": "AVX512BITALG",
    "avx512_fp16": "AVX512FP16",
    "avx512_vbmi2": "AVX512VBMI2",
    "avx512_vnni": "AVX512VNNI",
    "avx512_vp2intersect": "AVX512VP2INTERSECT",
    "avx512_vpopcntdq": "AVX512VPOPCNTDQ",
    "avx512bw": "AVX512BW",
    "avx512cd": "AVX512CD",
    "avx512dq": "AVX512DQ",
    "avx512er": "AVX512ER",
    "avx512f": "AVX512F",
    "avx512ifma": "AVX512IFMA",
    "avx512pf": "AVX512PF",
    "avx512vbmi": "AVX512VBMI",
    "avx512vl": "AVX512VL",
    "avx_ifma": "AVXIFMA",
    "avx_vnni": "AVXVNNI",
    "avx_vnni_int8": "AVXVNNIINT8",
    "bmi1": "BMI1",
    "bmi2": "BMI2",
    "cldemote": "CLDEMOTE",
    "clzero": "CLZERO",
    "cmov": "CMOV",
    "cpb": "CPBOOST",
    "cx16": "CX16",
    "cx8": "CMPXCHG8",
    "enqcmd": "ENQCMD",
    "erms": "ERMS",
    "f16c": "F16C",
    "flush_l1d": "FLUSH_L1D",
    "fma": "FMA3",
    "fma4": "FMA4",
    "fpu": "X87",
    "fsrm": "FSRM",
    "fxsr": "FXSR",
    "fxsr_opt": "FXSROPT",
    "gfni": "GFNI",
    "hle": "HLE",
    "ht": "HTT",
    "hypervisor": "HYPERVISOR",
    "ibs": "IBS",
    "lahf_lm": "LAHF",
    "lwp": "LWP",
    "md_clear": "MD_CLEAR",
    "mmx": "MMX",
    "mmxext": "MMXEXT",
    "movbe": "MOVBE",
    "movdir64b": "MOVDIR64B",
    "movdiri": "MOVDIRI",
    "mpx": "MPX",
    "nrip_save": "NRIPS",
    "nx": "NX",
    "pclmulqdq": "CLMUL",
    "pconfig": "PCONFIG",
    "pni": "SSE3",
    "popcnt": "POPCNT",
    "rdpru": "RDPRU",
    "rdrand": "RDRAND",
    "rdseed": "RDSEED",
    "rdtscp": "RDTSCP",
    "rtm": "RTM",
    "sep": "SYSEE",
    "serialize": "SERIALIZE",
    "sev": "SEV",
    "sev_es": "SEV_ES",
    "sgx": "SGX",
    "sgx_lc": "SGXLC",
    "sha_ni": "SHA",
    "sse": "SSE",
    "sse2": "SSE2",
    "sse4_1": "SSE4",
    "sse4_2": "SSE42",
    "sse4a": "SSE4A",
    "ssse3": "SSSE3",
    "succor": "SUCCOR",
    "svm": "SVM",
    "syscall": "SYSCALL",
    "tbm": "TBM",
    "tme": "TME",
    "topoext": "TOPEXT",
    "tsxldtrk": "TSXLDTRK",
    "vaes": "VAES",
    "vmx": "VMX",
    "vpclmulqdq": "VPCLMULQDQ",
    "waitpkg": "WAITPKG",
    "wbnoinvd": "WBNOINVD",
    "xgetbv1": "XGETBV1",
    "xop": "XOP",
    "xsave": "XSAVE",
    "xsavec": "XSAVEC",
    "xsaveopt": "XSAVEOPT",
    "xsaves": "XSAVES",
}
# x86-64 psABI, "micro-architecture levels": what each adds to the one before it.
_LEVELS = {
    "X86_64_V1": {"CMOV", "CMPXCHG8", "X87", "FXSR", "MMX", "SYSCALL", "SSE", "SSE2"},
    "X86_64_V2": {"CX16", "LAHF", "POPCNT", "SSE3", "SSE4", "SSE42", "SSSE3"},
    "X86_64_V3": {"AVX", "AVX2", "BMI1", "BMI2", "F16C", "FMA3", "LZCNT", "MOVBE"},
    "X86_64_V4": {"AVX512F", "AVX512BW", "AVX512CD", "AVX512DQ", "AVX512VL"},
}


def read(host: Host) -> Features:
    first = _first_processor(host.text("proc/cpuinfo") or "")
    return Features(
        flags={"cpu.cpuid": _cpuid(first)},
        attributes={
            "cpu.model": _model(first),
            "cpu.topology": _topology(host),
            "cpu.cstate": _cstate(host),
            "cpu.pstate": _pstate(host),
        },
    )


def _first_processor(cpuinfo: str) -> dict[str, str]:
    """name -> value of the first processor; lines that stand before or after the processors count too."""
    found: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def _model(processor: dict[str, str]) -> dict[str, str]:
    if "CPU implementer" in processor:
        vendor = _ARM_VENDORS.get(processor["CPU implementer"], "VendorUnknown")
        return {"vendor_id": vendor, "family": "0", "id": "0"}
    if "vendor_id" not in processor or "cpu family" not in processor:
        return {}
    model = {
        "vendor_id": _X86_VENDORS.get(processor["vendor_id"], "VendorUnknown"),
        "family": processor["cpu family"],
        "id": processor.get("model", "0"),
    }
    # Which hypervisor it is, only CPUID tells.
    return model if "hypervisor" in processor.get("flags", "").split() else model | {"hypervisor": "none"}


def _cpuid(processor: dict[str, str]) -> frozenset[str]:
    if "CPU implementer" in processor:
        # NFD names Arm's flags like Linux's hardware capabilities, in capitals.
        return frozenset(flag.upper() for flag in processor.get("Features", "").split())
    flags = {X86_FLAGS[flag] for flag in processor.get("flags", "").split() if flag in X86_FLAGS}
    needed: set[str] = set()
    for level, added in _LEVELS.items():
        needed |= added
        if needed <= flags:
            flags.add(level)
    return frozenset(flags)


def _topology(host: Host) -> dict[str, str]:
    sockets, siblings = set(), []
    for name in host.entries("sys/bus/cpu/devices"):
        package = host.value(f"sys/bus/cpu/devices/{name}/topology/physical_package_id")
        if package is not None:
            sockets.add(package)
            siblings.append(host.value(f"sys/bus/cpu/devices/{name}/topology/thread_siblings_list") or "")
    if not sockets:
        return {}
    # A list of one has no comma and no range.
    threads = any("," in each or "-" in each for each in siblings)
    return {"hardware_multithreading": "true" if threads else "false", "socket_count": str(len(sockets))}


def _cstate(host: Host) -> dict[str, str]:
    """Only of the driver intel_idle."""
    if host.value(f"{_CPU}/cpuidle/current_driver") != "intel_idle":
        return {}
    deepest = host.value("sys/module/intel_idle/parameters/max_cstate") or ""
    return {"enabled": "true" if int(deepest) > 0 else "false"} if deepest.isdecimal() else {}


def _pstate(host: Host) -> dict[str, str]:
    """Only of the driver intel_pstate; the governor where it chooses the frequency itself, and all agree."""
    status = host.value(f"{_CPU}/intel_pstate/status")
    if status is None:
        return {}
    found = {"status": status}
    no_turbo = host.value(f"{_CPU}/intel_pstate/no_turbo")
    if no_turbo is not None:
        found["turbo"] = "true" if no_turbo.startswith("0") else "false"
    if status != "passive":
        policies = [f"{_CPU}/cpufreq/{name}" for name in host.entries(f"{_CPU}/cpufreq")]
        governors = {host.value(f"{each}/scaling_governor") for each in policies if host.value(f"{each}/affected_cpus")}
        if len(governors) == 1 and None not in governors:
            found["scaling_governor"] = str(governors.pop())
    return found
