"""The specification that started it all, attached by the real oras client, against nodes that differ in
each of its three requirements: the module vfio-pci, the vendor of the CPU, a network adapter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.registry import Registry
from tests.integration.line import run_hpccompat

INTEL, AMD, ARM = "vendor_id\t: GenuineIntel", "vendor_id\t: AuthenticAMD", "CPU implementer\t: 0x41"
# Node -> the processor's line, the modules, the adapters (vendor, class), and whether it is compatible.
NODES = {
    "intel-first": (INTEL, ["vfio-pci", "xfs"], [("0eee", "0200")], True),
    "amd-second": (AMD, ["vfio-pci"], [("8086", "0604"), ("0fff", "0200")], True),
    "amd-both": (AMD, ["vfio-pci"], [("0eee", "0200"), ("0fff", "0200")], True),
    "arm": (ARM, ["vfio-pci"], [("0eee", "0200")], False),
    "no-module": (INTEL, ["vfio", "vfio_pci"], [("0eee", "0200")], False),
    "other-adapter": (INTEL, ["vfio-pci"], [("15b3", "0200")], False),
    "other-class": (INTEL, ["vfio-pci"], [("0eee", "0207")], False),
    "split-between-devices": (AMD, ["vfio-pci"], [("0fff", "0207"), ("15b3", "0200")], False),
    "no-adapter": (AMD, ["vfio-pci"], [], False),
    "nothing": (ARM, [], [], False),
}
WHY = {
    "arm": "cpu.model: vendor_id is 'ARM' (wanted In [Intel, AMD])",
    "no-module": "kernel.loadedmodule: vfio-pci missing",
    "other-class": "no alternative matches: pci.device: 1 of 1 has vendor In [0eee], none of them class In [0200]",
    "no-adapter": "pci.device",
}


def write_host(root: Path, processor: str, modules: list[str], adapters: list[tuple[str, str]]) -> None:
    files = {
        "proc/cpuinfo": f"processor\t: 0\n{processor}\ncpu family\t: 6\nmodel\t\t: 85\nflags\t\t: fpu sse2\n",
        "proc/modules": "".join(f"{name} 16384 0 - Live 0x0\n" for name in modules),
        "proc/sys/kernel/osrelease": "5.14.0-427.el9.x86_64\n",
    }
    for position, (vendor, device_class) in enumerate(adapters):
        device = f"sys/bus/pci/devices/0000:0{position}:00.0"
        values = {"vendor": vendor, "class": f"{device_class}00", "device": "1", "subsystem_vendor": "1"}
        for name, value in (values | {"subsystem_device": "1"}).items():
            files[f"{device}/{name}"] = f"0x{value}\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The settings of a site whose nodes have all reported."""
    config = tmp_path / "config.toml"
    config.write_text(f'store = "{tmp_path}/store"\nhost_root = "{tmp_path}/hosts/%n"\n')
    for node, (processor, modules, adapters, _) in NODES.items():
        write_host(tmp_path / "hosts" / node, processor, modules, adapters)
        collected = run_hpccompat("--config", config, "features", "collect", env={"SLURMD_NODENAME": node})
        assert collected.returncode == 0, collected.stderr
    return config


def test_it_is_evaluated_right(registry: Registry, config: Path, shared: Path) -> None:
    image = registry.push_image("seed/image:1.0")
    registry.attach(image, shared / "seed-spec.yaml")
    answer = run_hpccompat("--output", "json", "--config", config, "check", "--image", image, "--all")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert set(found["eligible"].split(",")) == {node for node, (*_, compatible) in NODES.items() if compatible}
    assert set(found["incompatible"].split(",")) == {node for node, (*_, compatible) in NODES.items() if not compatible}
    assert (found["error"], found["unknown"]) == ("", "")
    for node, why in WHY.items():
        (text,) = [each["text"] for each in found["reasons"] if node in each["nodes"].split(",")]
        assert why in text

    for node, (*_, compatible) in NODES.items():
        one = run_hpccompat("--config", config, "check", "--image", image, "--node", node)
        assert one.returncode == (0 if compatible else 1), node
