"""What a record that came from NFD alone tells of `hpc.` sets, which NFD has not."""

from __future__ import annotations

from hpccompat.features.model import Features, merge
from hpccompat.sources import libc, microarchitecture


def completed(features: Features) -> Features:
    """With `hpc.microarchitecture` from `cpu.cpuid` and `cpu.model`, and `hpc.libc` from `system.osrelease`, where they
    are not reported. Raises ImportError without archspec."""
    found = features
    if f"{microarchitecture.NAME}.compatible" not in features.flags:
        found = merge([found, microarchitecture.derived(features) or Features()])
    if libc.NAME not in features.attributes:
        found = merge([found, libc.derived(features) or Features()])
    return found
