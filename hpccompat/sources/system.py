"""NFD's domain `system`: osrelease, dmiid and name (attributes)."""

from __future__ import annotations

import re

from hpccompat.features.known import KNOWN_SETS
from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_LINE = re.compile(r"(\w+)=(.+)", re.ASCII)
_NUMBERS = re.compile(r"(\d+)(?:\.(\d+))?(?:\..*)?", re.ASCII)

_DMI = "sys/devices/virtual/dmi/id"


def read(host: Host) -> Features:
    return Features(
        attributes={
            "system.osrelease": _release(host),
            "system.dmiid": host.values(_DMI, KNOWN_SETS["system.dmiid"].elements),
            "system.name": {"nodename": host.node},
        }
    )


def _release(host: Host) -> dict[str, str]:
    text = host.text("etc/os-release") or host.text("usr/lib/os-release") or ""
    release = {}
    for line in text.splitlines():
        assigned = _LINE.match(line)
        if assigned:
            release[assigned[1]] = assigned[2].strip("\"'")
    match = _NUMBERS.fullmatch(release.get("VERSION_ID", ""))
    if match:
        parts = {"major": match[1], "minor": match[2]}
        release |= {f"VERSION_ID.{part}": value for part, value in parts.items() if value}
    return release
