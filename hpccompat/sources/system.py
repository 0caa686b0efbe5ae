"""NFD's domain `system`: osrelease (attributes)."""

from __future__ import annotations

import re

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_NUMBERS = re.compile(r"(\d+)(?:\.(\d+))?", re.ASCII)


def read(host: Host) -> Features:
    text = host.text("etc/os-release") or host.text("usr/lib/os-release") or ""
    release = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            release[name] = value.strip("\"'")
    match = _NUMBERS.match(release.get("VERSION_ID", ""))
    if match:
        parts = {"major": match[1], "minor": match[2]}
        release |= {f"VERSION_ID.{part}": value for part, value in parts.items() if value}
    return Features(attributes={"system.osrelease": release})
