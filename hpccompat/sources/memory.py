"""NFD's domain `memory`: hugepages, numa, swap (attributes) and nv (instances)."""

from __future__ import annotations

import re

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_HUGEPAGES = "sys/kernel/mm/hugepages"
_NVDIMMS = "sys/bus/nd/devices"


def read(host: Host) -> Features:
    nodes = len(host.entries("sys/bus/node/devices"))
    swaps = host.text("proc/swaps")
    attributes = {
        "memory.hugepages": _hugepages(host),
        "memory.numa": {"is_numa": _text(nodes > 1), "node_count": str(nodes)},
    }
    if swaps is not None:
        lines = [line for line in swaps.splitlines() if line.strip()]
        attributes["memory.swap"] = {"enabled": _text(len(lines) > 1)}  # the first one is a heading
    return Features(
        attributes=attributes,
        instances={"memory.nv": tuple(_nvdimm(host, name) for name in host.entries(_NVDIMMS))},
    )


def _hugepages(host: Host) -> dict[str, str]:
    """Size of a page, as Kubernetes writes quantities -> how many there are in all."""
    counts = {}
    for name in host.entries(_HUGEPAGES):
        match = re.fullmatch(r"hugepages-([0-9]+)kB", name)
        if match:
            counts[f"hugepages-{_quantity(int(match[1]))}"] = host.value(f"{_HUGEPAGES}/{name}/nr_hugepages") or ""
    enabled = any(count.isdecimal() and int(count) > 0 for count in counts.values())
    return {"enabled": _text(enabled), **counts}


def _quantity(kibibytes: int) -> str:
    """The largest binary unit of which it is a whole number."""
    units = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
    while kibibytes % 1024 == 0 and kibibytes and len(units) > 1:
        kibibytes //= 1024
        units.pop(0)
    return f"{kibibytes}{units[0]}"


def _nvdimm(host: Host, name: str) -> dict[str, str]:
    return {"name": name} | host.values(f"{_NVDIMMS}/{name}", ("devtype", "mode"))


def _text(value: bool) -> str:
    return "true" if value else "false"
