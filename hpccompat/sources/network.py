"""NFD's domain `network`: device and virtual (instances), one for each interface."""

from __future__ import annotations

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_INTERFACES = "sys/class/net"
_ATTRIBUTES = ("mtu", "operstate", "speed")
_OF_DEVICES = ("device/sriov_numvfs", "device/sriov_totalvfs")


def read(host: Host) -> Features:
    """An interface with a `device` of its own is one of hardware."""
    devices, virtual = [], []
    for name in host.entries(_INTERFACES):
        if host.exists(f"{_INTERFACES}/{name}/device"):
            devices.append(_interface(host, name, _ATTRIBUTES + _OF_DEVICES))
        elif name != "bonding_masters":
            virtual.append(_interface(host, name, _ATTRIBUTES))
    return Features(instances={"network.device": tuple(devices), "network.virtual": tuple(virtual)})


def _interface(host: Host, name: str, attributes: tuple[str, ...]) -> dict[str, str]:
    found = {each: host.value(f"{_INTERFACES}/{name}/{each}") for each in attributes}
    return {"name": name} | {each.rpartition("/")[2]: value for each, value in found.items() if value is not None}
