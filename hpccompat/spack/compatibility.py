"""Facts of a Spack binary as an ordinary compatibility spec: sets of rules, the more doubtful the lighter (pure).

The sets are alternatives with all combinations of what may be better or worse:

* the CPU is of the line that the target belongs to (its archspec ancestor is the binary's target), or has all features
  of it and is of another line: most likely it runs;
* the GPU has machine code in the binary, or is newer, and PTX has to be there;
* the node has a fabric that the MPI was built for, or has to use something slower.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from hpccompat.rules.model import MatchExpression, Rule, Term
from hpccompat.spack.facts import Facts
from hpccompat.spack.gpus import amd_devices, by_ptx, capability, minimum_driver, nvidia_devices, with_device_code
from hpccompat.spack.microarchitecture import is_level, nfd_flag
from hpccompat.spec.model import CompatibilitySet, CompatibilitySpec

MICROARCHITECTURE = "hpc.microarchitecture"
EXISTS = MatchExpression("Exists")
FULL_WEIGHT = 100


@dataclass(frozen=True)
class Grade:
    """One way to satisfy a part of it. `lighter`: by how much a set with it weighs less. `tag`, `warning`: "" for the
    best."""

    rules: tuple[Rule, ...]
    lighter: int = 0
    tag: str = ""
    warning: str = ""


def compatibility_of(facts: Facts) -> CompatibilitySpec:
    """The spec; each set holds all of its rules, so that it means the same alone."""
    always = (*_family(facts), *_flags(facts), *_libc(facts), *_kernel(facts), *_drivers(facts))
    sets = []
    for grades in product(_lines(facts), _devices(facts), _fabrics(facts)):
        rules = tuple(rule for grade in grades for rule in grade.rules)
        warnings = [grade.warning for grade in grades if grade.warning]
        sets.append(
            CompatibilitySet(
                (*always, *rules),
                FULL_WEIGHT - sum(grade.lighter for grade in grades),
                "-".join(grade.tag for grade in grades if grade.tag) or "exact",
                f"{facts.name}: {'; '.join(warnings)}" if warnings else facts.name,
            )
        )
    return CompatibilitySpec(tuple(sorted(sets, key=lambda each: -each.weight)), "v1alpha1")


def is_doubtful(tag: str) -> bool:
    """Whether a set with this tag is one that only probably runs."""
    return tag != "exact"


def _family(facts: Facts) -> tuple[Rule, ...]:
    if not facts.family:
        return ()
    term = _term(MICROARCHITECTURE, family=MatchExpression("In", (facts.family,)))
    return (Rule(f"a CPU of {facts.family}", (term,)),)


def _flags(facts: Facts) -> tuple[Rule, ...]:
    """All CPU flags that code for the target may use, and NFD has a name for."""
    names = sorted(filter(None, (nfd_flag(each, facts.family) for each in facts.features)))
    if not names:
        return ()
    return (Rule(f"the instructions of {_targets(facts)}", (_flag_term("cpu.cpuid", names),)),)


def _lines(facts: Facts) -> tuple[Grade, ...]:
    line = _flag_term(f"{MICROARCHITECTURE}.compatible", [each.name for each in facts.targets])
    best = Grade((Rule(f"a CPU of the line of {_targets(facts)}", (line,)),))
    if all(map(is_level, facts.targets)) or not facts.features:
        return (best,)
    # On a CPU of the line they are surely there, as archspec has it; on others each counts.
    unnamed = sorted(each for each in facts.features if not nfd_flag(each, facts.family))
    rules = (Rule("and those that NFD does not report", (_flag_term(f"{MICROARCHITECTURE}.feature", unnamed),)),)
    warning = f"warning: has all instructions of {_targets(facts)}, but is no CPU of that line"
    return best, Grade(rules if unnamed else (), 20, "features", warning)


def _libc(facts: Facts) -> tuple[Rule, ...]:
    libc = facts.libc
    if libc is None:
        return ()
    expressions = {"name": MatchExpression("In", (libc.name,))}
    if libc.version:
        expressions["version"] = MatchExpression("Ge", (libc.version,), "version")
    name = f"{libc.name} {libc.version} or newer ({libc.source})"
    return (Rule(name, (_term("hpc.libc", **expressions),)),)


def _kernel(facts: Facts) -> tuple[Rule, ...]:
    if not facts.kernel:
        return ()
    major, minor = facts.kernel.split(".")[:2]
    newer = _term("kernel.version", major=MatchExpression("Gt", (major,)))
    same = _term("kernel.version", major=MatchExpression("In", (major,)), minor=MatchExpression("Ge", (minor,)))
    return (Rule(f"kernel {major}.{minor} or newer", (), ((newer,), (same,))),)


def _drivers(facts: Facts) -> tuple[Rule, ...]:
    rules = []
    if "nvidia" in facts.gpu:
        driver = minimum_driver(facts.cuda)
        if driver:
            wanted = MatchExpression("Ge", (driver,), "version")
            rules.append(Rule(f"the NVIDIA driver for CUDA {facts.cuda}", (_term("hpc.gpu.nvidia", driver=wanted),)))
        else:
            rules.append(Rule("an NVIDIA driver", (_term("hpc.gpu.nvidia", driver=EXISTS),)))
    if "amd" in facts.gpu:
        rules.append(Rule("the amdgpu driver", (_term("kernel.enabledmodule", amdgpu=EXISTS),)))
    return tuple(rules)


def _devices(facts: Facts) -> tuple[Grade, ...]:
    """Of both vendors' GPUs, as far as they are needed."""
    amd = _amd(facts) if "amd" in facts.gpu else ()
    if "nvidia" not in facts.gpu:
        return (Grade(amd),)
    ready = with_device_code(facts.cuda_arch)
    if not ready:
        return (Grade((*amd, Rule("an NVIDIA GPU", (_nvidia("."),)))),)
    code = Rule(f"a GPU with device code (cuda_arch {', '.join(facts.cuda_arch)}: {_capabilities(ready)})",
                (_nvidia(nvidia_devices(ready)),))  # fmt: skip
    newer = by_ptx(facts.cuda_arch, facts.ptx)
    if not newer:
        return (Grade((*amd, code)),)
    rules = [Rule(f"a newer GPU ({_capabilities(newer)})", (_nvidia(nvidia_devices(newer)),))]
    if facts.cuda:
        # A driver compiles the PTX of no later toolkit than its own.
        wanted = MatchExpression("Ge", (facts.cuda,), "version")
        rules.append(Rule(f"a driver that compiles PTX of CUDA {facts.cuda}", (_term("hpc.gpu.nvidia", cuda=wanted),)))
    doubt = "runs only if it holds PTX" if facts.ptx is None else "has to compile its PTX"
    warning = f"warning: has no device code for the GPU, and {doubt}"
    return Grade((*amd, code)), Grade((*amd, *rules), 40, "ptx", warning)


def _nvidia(pattern: str) -> Term:
    """A display controller of NVIDIA: their sound devices have ids of their own."""
    return _term(
        "pci.device",
        vendor=MatchExpression("In", ("10de",)),
        **{"class": MatchExpression("InRegexp", ("^03",))},
        device=MatchExpression("InRegexp", (pattern,)),
    )


def _amd(facts: Facts) -> tuple[Rule, ...]:
    vendor = MatchExpression("In", ("1002",))
    if not facts.amdgpu_target:
        # Display controllers, and accelerators.
        some = {"class": MatchExpression("InRegexp", ("^(03|12)",))}
        return (Rule("an AMD GPU", (_term("pci.device", vendor=vendor, **some),)),)
    ids = amd_devices(facts.amdgpu_target)
    if ids:
        term = _term("pci.device", vendor=vendor, device=MatchExpression("In", ids))
    else:
        term = _term("hpc.gpu.device", gfx=MatchExpression("In", facts.amdgpu_target))
    return (Rule(f"a GPU with device code (amdgpu_target {', '.join(facts.amdgpu_target)})", (term,)),)


def _fabrics(facts: Facts) -> tuple[Grade, ...]:
    if not facts.fabrics:
        return (Grade(()),)
    alternatives = tuple((_flag_term("hpc.fabric.kind", [each]),) for each in facts.fabrics)
    rule = Rule(f"a fabric that its MPI was built for ({', '.join(facts.fabrics)})", (), alternatives)
    warning = f"warning: none of the fabrics that its MPI was built for ({', '.join(facts.fabrics)})"
    return Grade((rule,)), Grade((), 10, "fabric", warning)


def _term(feature: str, /, **expressions: MatchExpression) -> Term:
    return Term(feature, dict(expressions))


def _flag_term(feature: str, names: Iterable[str]) -> Term:
    return Term(feature, dict.fromkeys(names, EXISTS))


def _targets(facts: Facts) -> str:
    return ", ".join(each.name for each in facts.targets)


def _capabilities(numbers: Iterable[int]) -> str:
    return f"compute capability {', '.join(map(capability, numbers))}"
