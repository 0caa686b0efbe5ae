"""NFD's domain `usb`: device (instances), one for each USB device, or for each interface of one without a class."""

from __future__ import annotations

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_DEVICES = "sys/bus/usb/devices"
# NFD's name, as for PCI -> sysfs's.
_ATTRIBUTES = {"class": "bDeviceClass", "vendor": "idVendor", "device": "idProduct", "serial": "serial"}


def read(host: Host) -> Features:
    devices = [f"{_DEVICES}/{name}" for name in host.entries(_DEVICES)]
    return Features(
        instances={
            "usb.device": tuple(
                each for device in devices if host.exists(f"{device}/idProduct") for each in _instances(host, device)
            )
        }
    )


def _instances(host: Host, device: str) -> list[dict[str, str]]:
    values = {name: host.value(f"{device}/{file}") for name, file in _ATTRIBUTES.items()}
    found = {name: value for name, value in values.items() if value}
    if found.get("class") != "00":
        return [found]
    # The class is that of each interface.
    interfaces = (host.value(f"{device}/{name}/bInterfaceClass") for name in host.entries(device))
    return [found | {"class": each} for each in interfaces if each is not None]
