"""Which C library a distribution ships, for hosts and binaries of which nothing but the distribution is known (pure).

A release keeps its C library for life, but for SUSE's service packs, which have their own.
"""

from __future__ import annotations

import re

# ID of os-release, its releases -> version of glibc. Of releases that name a major version alone, any minor one has it.
_GLIBC = {
    "rhel centos rocky almalinux ol scientific": {"6": "2.12", "7": "2.17", "8": "2.28", "9": "2.34", "10": "2.39"},
    "rhcos": {"4.9": "2.28", "4.10": "2.28", "4.11": "2.28", "4.12": "2.28"}
    | dict.fromkeys([f"4.{minor}" for minor in range(13, 21)], "2.34"),
    "debian": {"9": "2.24", "10": "2.28", "11": "2.31", "12": "2.36", "13": "2.41"},
    "ubuntu": {
        "16.04": "2.23", "18.04": "2.27", "20.04": "2.31", "22.04": "2.35", "23.10": "2.38", "24.04": "2.39",
        "24.10": "2.40", "25.04": "2.41", "25.10": "2.42",
    },
    "sles sled opensuse-leap": {
        "12.3": "2.22", "12.4": "2.22", "12.5": "2.22", "15.1": "2.26", "15.2": "2.26", "15.3": "2.31", "15.4": "2.31",
        "15.5": "2.31", "15.6": "2.38", "15.7": "2.38",
    },
    "fedora": {
        "36": "2.35", "37": "2.36", "38": "2.37", "39": "2.38", "40": "2.39", "41": "2.40", "42": "2.41", "43": "2.42",
    },
    "amzn": {"2": "2.26", "2023": "2.34"},
}  # fmt: skip
_LABEL = re.compile(r"([a-z][a-z-]*?)-?(\d[\d.]*)", re.ASCII)


def glibc_of(id: str, version_id: str) -> str:
    """By ID and VERSION_ID of os-release; "" where that is not known."""
    for ids, releases in _GLIBC.items():
        if id in ids.split():
            return releases.get(version_id) or releases.get(version_id.partition(".")[0], "")
    return ""


def glibc_of_label(label: str) -> str:
    """By Spack's name of an operating system (`debian12`, `rhel8`); "" where that does not tell."""
    match = _LABEL.fullmatch(label)
    return glibc_of(match[1], match[2]) if match else ""
