"""All sources of one host. One that fails stops no other, and contributes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hpccompat.features.model import Features, merge
from hpccompat.sources import (
    cmdline,
    container,
    cpu,
    fabric,
    filesystem,
    gpu,
    kernel,
    libc,
    local,
    memory,
    microarchitecture,
    mpi,
    network,
    pci,
    slurm,
    storage,
    sysctl,
    system,
    usb,
)
from hpccompat.sources.host import Host

# Name -> what it reads; a source is named like the beginning of its feature sets.
SOURCES: Mapping[str, Callable[[Host], Features]] = {
    "cpu": cpu.read,
    "kernel": kernel.read,
    "local": local.read,
    "memory": memory.read,
    "network": network.read,
    "pci": pci.read,
    "storage": storage.read,
    "system": system.read,
    "usb": usb.read,
    "hpc.cmdline": cmdline.read,
    "hpc.container": container.read,
    "hpc.fabric": fabric.read,
    "hpc.filesystem": filesystem.read,
    "hpc.gpu": gpu.read,
    "hpc.libc": libc.read,
    "hpc.microarchitecture": microarchitecture.read,
    "hpc.mpi": mpi.read,
    "hpc.slurm": slurm.read,
    "hpc.sysctl": sysctl.read,
}


@dataclass(frozen=True)
class Discovered:
    """`errors`: source -> why it failed. `remarks`: what a source had to leave out."""

    features: Features
    errors: Mapping[str, str]
    remarks: Sequence[str] = ()


def discover(
    root: str | os.PathLike[str], node: str = "", sources: Mapping[str, Callable[[Host], Features]] = SOURCES
) -> Discovered:
    """Reads the host below `root`; `node` is its name, where it is known."""
    host = Host(root, node)
    parts: list[Features] = []
    errors: dict[str, str] = {}
    for name, read in sources.items():
        try:
            parts.append(read(host))
        except Exception as error:  # a source meets every oddity of every kernel; the others must not suffer
            errors[name] = f"{type(error).__name__}: {error}"
    return Discovered(merge(parts), errors, host.remarks)
