"""NFD's domain `network`: device and virtual (instances), one for each interface."""

from __future__ import annotations

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_INTERFACES = "sys/class/net"
_ATTRIBUTES = ("mtu", "operstate", "speed")


def read(host: Host) -> Features:
    """An interface with a `device` of its own is one of hardware."""
    devices, virtual = [], []
    for name in host.entries(_INTERFACES):
        found = {"name": name} | host.values(f"{_INTERFACES}/{name}", _ATTRIBUTES)
        if host.exists(f"{_INTERFACES}/{name}/device"):
            devices.append(found | host.values(f"{_INTERFACES}/{name}/device", ("sriov_numvfs", "sriov_totalvfs")))
        elif name != "bonding_masters":
            virtual.append(found)
    return Features(instances={"network.device": tuple(devices), "network.virtual": tuple(virtual)})
