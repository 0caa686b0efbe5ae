"""`hpc.mpi`: the host's own MPI libraries and PMIx, by the places and module files that they are installed in."""

from __future__ import annotations

import re

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

# Name in pkg-config or of a module -> implementation.
_PKG_CONFIG = {"ompi": "openmpi", "mpich": "mpich", "mvapich2": "mvapich2", "mvapich": "mvapich", "pmix": "pmix"}
_MODULES = {
    "openmpi": "openmpi",
    "openmpi4": "openmpi",
    "openmpi5": "openmpi",
    "mpich": "mpich",
    "mvapich2": "mvapich2",
    "mvapich": "mvapich",
    "impi": "intel-mpi",
    "intel-mpi": "intel-mpi",
    "cray-mpich": "cray-mpich",
    "pmix": "pmix",
}
_LIBRARIES = "lib64 lib lib/x86_64-linux-gnu lib/aarch64-linux-gnu lib/powerpc64le-linux-gnu"
_MODULE_FOLDERS = """
etc/modulefiles usr/share/modulefiles usr/share/modulefiles/mpi usr/share/Modules/modulefiles usr/local/modulefiles
opt/modulefiles opt/ohpc/pub/modulefiles opt/cray/pe/lmod/modulefiles/core opt/cray/modulefiles opt/cray/pe/modulefiles
"""
# Folder whose entries are versions -> implementation.
_VERSIONED = {"opt/intel/oneapi/mpi": "intel-mpi", "opt/cray/pe/mpich": "cray-mpich", "opt/pmix": "pmix"}


def read(host: Host) -> Features:
    found = {*_packages(host), *_folders(host), *_modules(host)}
    entries = tuple({"implementation": name, "version": version} for name, version in sorted(found) if name != "pmix")
    pmix = sorted((_numbers(version), version) for name, version in found if name == "pmix")
    return Features(
        attributes={"hpc.mpi.pmix": {"version": pmix[-1][1]} if pmix else {}},
        instances={"hpc.mpi.library": entries},
    )


def _packages(host: Host) -> set[tuple[str, str]]:
    prefixes = ["usr", "usr/local", *(f"opt/{name}" for name in host.entries("opt"))]
    prefixes += [f"usr/lib64/{name}" for name in ("openmpi", "mpich", "mvapich2")]
    found = set()
    for prefix in prefixes:
        for library in _LIBRARIES.split():
            for name, implementation in _PKG_CONFIG.items():
                text = host.value(f"{prefix}/{library}/pkgconfig/{name}.pc") or ""
                version = re.search(r"^Version:\s*(\d[\w.]*)", text, re.MULTILINE)
                if version:
                    found.add((implementation, version[1]))
    return found


def _folders(host: Host) -> set[tuple[str, str]]:
    return {
        (implementation, name)
        for folder, implementation in _VERSIONED.items()
        for name in host.entries(folder)
        if _is_version(name)
    }


def _modules(host: Host) -> set[tuple[str, str]]:
    """Module files NAME/VERSION, those of Lmod with .lua at the end."""
    return {
        (implementation, version)
        for folder in _MODULE_FOLDERS.split()
        for module, implementation in _MODULES.items()
        for version in (name.removesuffix(".lua") for name in host.entries(f"{folder}/{module}"))
        if _is_version(version)
    }


def _is_version(name: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)+[\w.-]*", name) is not None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
