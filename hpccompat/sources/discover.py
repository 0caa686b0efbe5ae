"""All sources of one host. One that fails stops no other, and contributes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hpccompat.features.model import Features, merge
from hpccompat.sources import cpu, kernel, memory, network, pci, storage, system
from hpccompat.sources.host import Host

# Name -> what it reads; a source is named like the beginning of its feature sets.
SOURCES: Mapping[str, Callable[[Host], Features]] = {
    "cpu": cpu.read,
    "kernel": kernel.read,
    "memory": memory.read,
    "network": network.read,
    "pci": pci.read,
    "storage": storage.read,
    "system": system.read,
}


@dataclass(frozen=True)
class Discovered:
    """`errors`: source -> why it failed."""

    features: Features
    errors: Mapping[str, str]


def discover(root: Path, sources: Mapping[str, Callable[[Host], Features]] = SOURCES) -> Discovered:
    """Reads the host below `root`."""
    host = Host(root)
    parts: list[Features] = []
    errors: dict[str, str] = {}
    for name, read in sources.items():
        try:
            parts.append(read(host))
        except Exception as error:  # a source meets every oddity of every kernel; the others must not suffer
            errors[name] = f"{type(error).__name__}: {error}"
    return Discovered(merge(parts), errors)
