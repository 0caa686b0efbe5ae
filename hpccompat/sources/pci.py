"""NFD's domain `pci`: device (instances), one for each PCI device."""

from __future__ import annotations

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

# Attribute -> must be there for the device to be listed (NFD, source/pci).
_ATTRIBUTES = {
    "class": True,
    "vendor": True,
    "device": True,
    "subsystem_vendor": True,
    "subsystem_device": True,
    "sriov_totalvfs": False,
    "iommu_group/type": False,
    "iommu/intel-iommu/version": False,
}
_DEVICES = "sys/bus/pci/devices"


def read(host: Host) -> Features:
    devices = (_device(host, name) for name in host.entries(_DEVICES))
    return Features(instances={"pci.device": tuple(device for device in devices if device is not None)})


def _device(host: Host, name: str) -> dict[str, str] | None:
    device = {}
    for attribute, required in _ATTRIBUTES.items():
        value = host.value(f"{_DEVICES}/{name}/{attribute}")
        if value is not None:
            value = value.removeprefix("0x")
            # Base class and subclass; the programming interface after them is left out.
            device[attribute] = value[:4] if attribute == "class" else value
        elif required:
            return None
    return device
