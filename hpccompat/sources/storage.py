"""NFD's domain `storage`: block (instances), one for each block device."""

from __future__ import annotations

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_BLOCK = "sys/block"
_QUEUE = ("dax", "rotational", "nr_zones", "zoned")


def read(host: Host) -> Features:
    return Features(instances={"storage.block": tuple(_device(host, name) for name in host.entries(_BLOCK))})


def _device(host: Host, name: str) -> dict[str, str]:
    found = {each: host.value(f"{_BLOCK}/{name}/queue/{each}") for each in _QUEUE}
    return {"name": name} | {each: value for each, value in found.items() if value is not None}
