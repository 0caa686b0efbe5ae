"""`hpc.fabric`: ports of InfiniBand, RoCE, Omni-Path, EFA and Slingshot."""

from __future__ import annotations

import re

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_RDMA = "sys/class/infiniband"
_CXI = "sys/class/cxi"
# Kernel driver -> kind, where the link layer does not tell it.
_KINDS = {"hfi1": "omni-path", "qib": "infiniband", "efa": "efa", "irdma": "roce", "rxe": "roce", "siw": "iwarp"}


def read(host: Host) -> Features:
    ports = (*_rdma(host), *_slingshot(host))
    return Features(
        flags={"hpc.fabric.kind": frozenset(port["kind"] for port in ports if port.get("state") == "active")},
        instances={"hpc.fabric.port": ports},
    )


def _rdma(host: Host) -> list[dict[str, str]]:
    found = []
    for name in host.entries(_RDMA):
        folder = f"{_RDMA}/{name}"
        device = {
            "device": name,
            "driver": host.link(f"{folder}/device/driver") or "",
            "firmware": host.value(f"{folder}/fw_ver") or "",
            "model": host.value(f"{folder}/hca_type") or "",
            "board": host.value(f"{folder}/board_id") or "",
        }
        for port in sorted(host.entries(f"{folder}/ports"), key=lambda text: (len(text), text)):
            found.append(_without_empty(device | {"port": port} | _port(host, f"{folder}/ports/{port}", device)))
    return found


def _port(host: Host, folder: str, device: dict[str, str]) -> dict[str, str]:
    layer = host.value(f"{folder}/link_layer") or ""
    kind = _KINDS.get(device["driver"])
    if kind is None:
        kind = "omni-path" if device["device"].startswith("hfi1") else {"Ethernet": "roce"}.get(layer, "infiniband")
    # "4: ACTIVE", "200 Gb/sec (4X HDR)".
    state = (host.value(f"{folder}/state") or "").partition(":")[2].strip().lower()
    rate = re.match(r"(\d+(?:\.\d+)?) Gb/sec(?: \(\d+X (\w+)\))?", host.value(f"{folder}/rate") or "")
    return {
        "kind": kind,
        "link_layer": layer.lower(),
        "state": state,
        "rate_gbps": rate[1] if rate else "",
        "generation": (rate[2] or "") if rate else "",
    }


def _slingshot(host: Host) -> list[dict[str, str]]:
    """HPE's Cassini driver."""
    found = []
    for name in host.entries(_CXI):
        device = f"{_CXI}/{name}/device"
        link = (host.value(f"{device}/port/link") or "").lower()
        # "BS_200G".
        rate = re.search(r"_(\d+)G", host.value(f"{device}/port/speed") or "")
        found.append(
            _without_empty(
                {
                    "kind": "slingshot",
                    "device": name,
                    "driver": host.link(f"{device}/driver") or "",
                    "firmware": host.value(f"{device}/uc/qspi_blob_version") or "",
                    "model": host.value(f"{device}/fru/description") or "",
                    "board": host.value(f"{device}/fru/part_number") or "",
                    "link_layer": "ethernet",
                    "state": "active" if link == "up" else link,
                    "rate_gbps": rate[1] if rate else "",
                }
            )
        )
    return found


def _without_empty(values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
