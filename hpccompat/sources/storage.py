"""NFD's domain `storage`: block (instances), one for each block device."""

from __future__ import annotations

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_BLOCK = "sys/block"
_QUEUE = ("dax", "rotational", "nr_zones", "zoned")


def read(host: Host) -> Features:
    devices = ({"name": name} | host.values(f"{_BLOCK}/{name}/queue", _QUEUE) for name in host.entries(_BLOCK))
    return Features(instances={"storage.block": tuple(devices)})
