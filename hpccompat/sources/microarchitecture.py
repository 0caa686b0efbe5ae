"""`hpc.microarchitecture`: archspec's name of the CPU, all that it is compatible with, and the features behind it."""

from __future__ import annotations

import re
from collections.abc import Collection

from hpccompat.features.model import Features
from hpccompat.sources.cpu import first_processor, instruction_set
from hpccompat.sources.cpuid import X86_TABLE
from hpccompat.sources.host import Host

NAME = "hpc.microarchitecture"
# NFD's name of the vendor -> /proc/cpuinfo's and archspec's.
_X86_VENDORS = {"Intel": "GenuineIntel", "AMD": "AuthenticAMD"}
# Vendor, family, models -> the feature without a name of NFD's that these CPUs lack, and the next ones have: Zen before
# Zen 2, Piledriver before Steamroller, Cannon Lake beside Skylake's server.
_LACKING = {
    ("AMD", "23", range(0x00, 0x30)): "clwb",
    ("AMD", "21", range(0x00, 0x30)): "fsgsbase",
    ("Intel", "6", range(102, 103)): "clwb",
}
# The level of the instruction set (Linux, PPC_FEATURE2_ARCH_*) -> the first POWER that has it.
_POWER = {"ARCH_2_06": 7, "ARCH_2_07": 8, "ARCH_3_00": 9, "ARCH_3_1": 10}


def read(host: Host) -> Features:
    """Raises ImportError without archspec: then nothing is known, rather than that nothing fits."""
    first = first_processor(host.text("proc/cpuinfo") or "")
    linux = {*first.get("flags", "").split(), *first.get("Features", "").split()}
    generation = re.match(r"POWER(\d+)", first.get("cpu", ""))
    found = _described(
        instruction_set(first),
        first.get("CPU implementer") or first.get("vendor_id", ""),
        linux,
        first.get("CPU part", ""),
        int(generation[1]) if generation else 0,
    )
    return Features({**found.flags, f"{NAME}.feature": _known_features() & _with_sse3(linux)}, found.attributes)


def derived(features: Features) -> Features | None:
    """Name and compatible names from a record's `cpu.cpuid` and `cpu.model`; None where they don't tell.

    NFD has no name for some x86 features that archspec asks for (clwb, pku). A real machine of the right vendor that
    has all the others has these too; in a virtual one they may be hidden, and only what needs none of them counts.
    Raises ImportError without archspec.
    """
    cpuid = features.flags.get("cpu.cpuid") or frozenset()
    model = features.attributes.get("cpu.model") or {}
    vendor = model.get("vendor_id", "")
    if "X87" in cpuid:
        linux = {row[0]: row[5] for row in map(str.split, X86_TABLE.strip().splitlines()) if row[5] != "-"}
        told = {linux[flag] for flag in cpuid if flag in linux}
        untold: frozenset[str] = frozenset()
        if model.get("hypervisor") == "none":
            number = int(model["id"]) if model.get("id", "").isdecimal() else 0
            lacking = {
                each
                for (*cpu, models), each in _LACKING.items()
                if cpu == [vendor, model.get("family")] and number in models
            }
            untold = _known_features() - set(linux.values()) - lacking
        return _described("x86_64", _X86_VENDORS.get(vendor, vendor), told | untold)
    if "ASIMD" in cpuid:
        return _described("aarch64", vendor, {flag.lower() for flag in cpuid})
    generation = max((number for flag, number in _POWER.items() if flag in cpuid), default=0)
    return _described("ppc64le", generation=generation) if generation else None


def _described(
    family: str, vendor: str = "", features: Collection[str] = (), part: str = "", generation: int = 0
) -> Features:
    """By the rules of archspec's own detection, which knows the live host only: a target fits if its vendor and its
    features (x86, Arm) or its generation (POWER) do; the best generic level, then the closest to this CPU that
    is built on it."""
    from archspec.cpu import TARGETS
    from archspec.cpu.schema import TARGETS_JSON

    vendor = TARGETS_JSON["conversions"]["arm_vendors"].get(vendor, vendor)
    has = _with_sse3(features)
    fitting = [
        target
        for target in TARGETS.values()
        if target.family.name == family
        and (
            target.generation <= generation
            if family == "ppc64le"
            else target.vendor in (vendor, "generic")
            and target.features <= has
            # Arm's levels (armv8.1a) are not told apart by what Linux reports.
            and (family != "aarch64" or target.vendor != "generic" or target.name == family)
        )
    ]
    if not fitting:
        return Features(attributes={NAME: {}}, flags={f"{NAME}.compatible": frozenset()})

    def closeness(target: object) -> tuple[int, int]:
        return len(target.ancestors), len(target.features)  # type: ignore[attr-defined]

    best = max((target for target in fitting if target.vendor == "generic"), key=closeness)
    if any(target.cpu_part == part for target in fitting if part):
        fitting = [target for target in fitting if target.cpu_part == part]
    best = max((target for target in fitting if best in target.ancestors), key=closeness, default=best)
    return Features(
        attributes={NAME: {"name": best.name, "vendor": best.vendor, "family": family}},
        flags={f"{NAME}.compatible": frozenset({best.name, *(each.name for each in best.ancestors)})},
    )


def _with_sse3(linux: Collection[str]) -> set[str]:
    """Linux calls it pni."""
    return {*linux, *({"sse3"} if {"pni", "ssse3"} & {*linux} else ())}


def _known_features() -> frozenset[str]:
    """All that some target of archspec asks for."""
    from archspec.cpu import TARGETS

    return frozenset().union(*(target.features for target in TARGETS.values()))
