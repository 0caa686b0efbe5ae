"""GPUs by their PCI device ids, and what CUDA's runtimes ask of the driver (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Compute capability without its point -> the beginning of the device ids of the chips that have it (PCI ID repository;
# CUDA C++ programming guide, "Compute Capabilities").
_NVIDIA = {
    35: "100 101 102[0-9a-ce-f]", 37: "102d", 50: "13[89ab]", 52: "13[c-f] 14 17", 60: "15f", 61: "1b 1c 1d[0-5]",
    70: "1d[89ab] 1df", 75: "1e 1f 21", 80: "20", 86: "22 24 25", 89: "26 27 28", 90: "23", 100: "29", 103: "31",
    120: "2b 2c 2d 2f", 121: "2e",
}  # fmt: skip
# gfx target -> device ids (PCI ID repository; Linux, drivers/gpu/drm/amd/amdgpu).
_AMD = {
    "gfx900": "6860 6861 6862 6863 6864 6867 6868 686c 687f", "gfx906": "66a0 66a1 66a2 66a3 66a7 66af",
    "gfx908": "7388 738c 738e", "gfx90a": "7408 740c 740f 7410",
    "gfx942": "74a0 74a1 74a2 74a5 74a8 74a9 74b1 74b5 74b6 74b9 74bd", "gfx950": "75a0 75a3 75b0 75b3",
    "gfx1030": "73a1 73a3 73a5 73ab 73ae 73af 73bf", "gfx1100": "7448 7449 744a 744b 744c 745e",
}  # fmt: skip
# CUDA, from which on -> the oldest driver that runs it (CUDA release notes, "CUDA Toolkit and Minimum Required Driver
# Version for CUDA Minor Version Compatibility").
_DRIVERS = {
    (13, 0): "580", (12, 0): "525.60.13", (11, 1): "450.80.02", (11, 0): "450.36.06", (10, 2): "440.33",
    (10, 1): "418.39", (10, 0): "410.48", (9, 2): "396.26", (9, 1): "390.46", (9, 0): "384.81", (8, 0): "367.48",
    (7, 5): "352.31", (7, 0): "346.46",
}  # fmt: skip
_ARCH = re.compile(r"(\d{2,3})([af]?)", re.ASCII)


def minimum_driver(cuda: str) -> str:
    """The oldest driver for a CUDA runtime; "" where that is not known."""
    numbers = (*map(int, cuda.split(".")), 0, 0)[:2] if cuda else (0, 0)
    return next((driver for first, driver in _DRIVERS.items() if numbers >= first), "")


def with_device_code(archs: Iterable[str]) -> tuple[int, ...]:
    """The compute capabilities whose GPUs run machine code for these `cuda_arch`: the same major, and no older minor
    one. What was made for one alone (`90a`) runs on no other."""
    found: set[int] = set()
    for number, suffix in _parsed(archs):
        found.update(
            each for each in _NVIDIA if (each == number if suffix else each // 10 == number // 10 and each >= number)
        )
    return tuple(sorted(found))


def by_ptx(archs: Iterable[str], ptx: Iterable[str] | None = None) -> tuple[int, ...]:
    """The newer ones that have no machine code, and compile PTX. `ptx`: for which there is some; where that is not
    known, there may be some for each that has machine code."""
    ready = with_device_code(archs)
    plain = [number for number, suffix in _parsed(archs if ptx is None else ptx) if not suffix]
    return tuple(each for each in _NVIDIA if plain and each >= min(plain) and each not in ready)


def nvidia_devices(capabilities: Iterable[int]) -> str:
    """A pattern of the device ids."""
    return f"^({'|'.join(each for number in capabilities for each in _NVIDIA[number].split())})"


def amd_devices(targets: Iterable[str]) -> tuple[str, ...]:
    """The device ids; none where one of the targets is not in the table."""
    wanted = list(targets)
    if any(each not in _AMD for each in wanted):
        return ()
    return tuple(id for each in wanted for id in _AMD[each].split())


def capability(number: int) -> str:
    """With its point: 90 is 9.0, 121 is 12.1."""
    return f"{number // 10}.{number % 10}"


def _parsed(archs: Iterable[str]) -> list[tuple[int, str]]:
    matches = [_ARCH.fullmatch(each.removeprefix("sm_")) for each in archs]
    return [(int(match[1]), match[2]) for match in matches if match]
