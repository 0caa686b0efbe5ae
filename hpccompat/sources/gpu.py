"""`hpc.gpu`: devices of NVIDIA, AMD and Intel, their drivers, and what the drivers support."""

from __future__ import annotations

import re

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_PCI = "sys/bus/pci/devices"
_NVIDIA = "proc/driver/nvidia"
_KFD = "sys/class/kfd/kfd/topology/nodes"

_VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
# Base classes "display controller" and "processing accelerator" (PCI Code and ID Assignment).
_CLASSES = ("0x03", "0x12")

# Branch of NVIDIA's driver, from which on -> the newest CUDA that it runs (CUDA release notes, "CUDA Driver"). A driver
# newer than all of these runs at least the last one.
_CUDA = {
    590: "13.1", 580: "13.0", 575: "12.9", 570: "12.8", 565: "12.7", 560: "12.6", 555: "12.5", 550: "12.4",
    545: "12.3", 535: "12.2", 530: "12.1", 525: "12.0", 520: "11.8", 515: "11.7", 510: "11.6", 495: "11.5",
    470: "11.4", 465: "11.3", 460: "11.2", 455: "11.1", 450: "11.0", 440: "10.2", 418: "10.1", 410: "10.0",
    396: "9.2", 390: "9.1", 384: "9.0", 375: "8.0", 352: "7.5", 346: "7.0",
}  # fmt: skip


def read(host: Host) -> Features:
    gfx = _gfx_targets(host)
    devices = []
    for address in host.entries(_PCI):
        folder = f"{_PCI}/{address}"
        vendor = _VENDORS.get(host.value(f"{folder}/vendor") or "")
        if vendor and (host.value(f"{folder}/class") or "").startswith(_CLASSES):
            devices.append(_device(host, folder, address, vendor) | gfx.get(address, {}))
    return Features(
        attributes={
            "hpc.gpu.nvidia": _nvidia(host, devices),
            "hpc.gpu.amd": _amd(host, devices),
            "hpc.gpu.intel": _counted(devices, "intel"),
        },
        instances={"hpc.gpu.device": tuple(devices)},
    )


def _device(host: Host, folder: str, address: str, vendor: str) -> dict[str, str]:
    found = {
        "vendor": vendor,
        "device": (host.value(f"{folder}/device") or "").removeprefix("0x"),
        "driver": host.link(f"{folder}/driver") or "",
        "numa_node": host.value(f"{folder}/numa_node") or "",
    }
    memory = host.value(f"{folder}/mem_info_vram_total") or ""
    if memory.isdecimal():
        found["memory_mib"] = str(int(memory) // (1 << 20))
    if vendor == "nvidia":
        information = host.value(f"{_NVIDIA}/gpus/{address}/information") or ""
        lines = dict(line.partition(":")[::2] for line in information.splitlines())
        found["model"] = lines.get("Model", "").strip()
        minor = lines.get("Device Minor", "").strip()
        instances = f"{_NVIDIA}/capabilities/gpu{minor}/mig"
        if minor and host.is_directory(instances):
            found["mig_instances"] = str(
                sum(
                    name.startswith("ci")
                    for instance in host.entries(instances)
                    for name in host.entries(f"{instances}/{instance}")
                )
            )
    return {name: value for name, value in found.items() if value}


def _nvidia(host: Host, devices: list[dict[str, str]]) -> dict[str, str]:
    found = _counted(devices, "nvidia")
    module = host.value(f"{_NVIDIA}/version") or ""
    # "NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue …", or "… Open Kernel Module for x86_64  550.54.15  Release …".
    match = re.search(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)", module)
    driver = match[1] if match else host.value("sys/module/nvidia/version")
    if not driver:
        return found
    found["driver"] = driver
    if module:
        found["open"] = "true" if "Open Kernel Module" in module else "false"
    branch = driver.partition(".")[0]
    cuda = next((version for first, version in _CUDA.items() if branch.isdecimal() and int(branch) >= first), None)
    if cuda:
        found["cuda"] = cuda
    mig = [each["mig_instances"] for each in devices if "mig_instances" in each]
    found["mig"] = "true" if any(count != "0" for count in mig) else "false"
    return found


def _amd(host: Host, devices: list[dict[str, str]]) -> dict[str, str]:
    found = _counted(devices, "amd")
    # The module tells a version only where it doesn't come with the kernel.
    driver = host.value("sys/module/amdgpu/version")
    if driver:
        found["driver"] = driver
    folders = sorted(name for name in host.entries("opt") if re.fullmatch(r"rocm(-[0-9.]+)?", name))
    for folder in folders:  # /opt/rocm, the site's choice, is the first
        version = re.match(r"\d+(\.\d+)+", host.value(f"opt/{folder}/.info/version") or "")
        if version:
            found["rocm"] = version[0]
            break
    return found


def _counted(devices: list[dict[str, str]], vendor: str) -> dict[str, str]:
    count = sum(each["vendor"] == vendor for each in devices)
    return {"count": str(count)} if count else {}


def _gfx_targets(host: Host) -> dict[str, dict[str, str]]:
    """PCI address -> the gfx target, as AMD's compute driver tells it (Linux, drivers/gpu/drm/amd/amdkfd)."""
    found = {}
    for node in host.entries(_KFD):
        words = (host.value(f"{_KFD}/{node}/properties") or "").split()
        properties = {
            name: int(value) for name, value in zip(words[::2], words[1::2], strict=False) if value.isdecimal()
        }
        target = properties.get("gfx_target_version", 0)
        if not target:
            continue  # a CPU
        location = properties.get("location_id", 0)
        address = f"{properties.get('domain', 0):04x}:{location >> 8:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"
        # Decimal digits, two each for minor and stepping: 90010 is gfx90a.
        found[address] = {"gfx": f"gfx{target // 10000}{target // 100 % 100:x}{target % 100:x}"}
    return found
