"""NFD's domain `kernel`: version (attributes) and loadedmodule (flags)."""

from __future__ import annotations

import re

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_VERSION = re.compile(r"(?P<major>\d+)(?:\.(?P<minor>\d+))?(?:\.(?P<revision>\d+))?(?:-.*)?", re.ASCII)


def read(host: Host) -> Features:
    modules = host.text("proc/modules") or ""
    return Features(
        flags={"kernel.loadedmodule": frozenset(line.split()[0] for line in modules.splitlines() if line.strip())},
        attributes={"kernel.version": _version(host.text("proc/sys/kernel/osrelease") or "")},
    )


def _version(release: str) -> dict[str, str]:
    """`uname -r`, fit for a Kubernetes label as NFD makes it, and its numbers."""
    full = re.sub(r"[^-A-Za-z0-9_.]", "_", release.strip()).strip("-_.")
    if not full:
        return {}
    match = _VERSION.fullmatch(full)
    return {"full": full} | ({name: value or "" for name, value in match.groupdict().items()} if match else {})
