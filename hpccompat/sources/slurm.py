"""`hpc.slurm`: the version of slurmd, and the generic resources that Slurm's configuration gives to this node.

Only files are read, and at the last `slurmd -V`, which asks nobody: no call reaches the cluster's controller.
"""

from __future__ import annotations

import re

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

# Where slurmd finds its configuration, also where it gets it from the controller ("configless").
_CONFIGURATION = "etc/slurm run/slurm/conf var/spool/slurmd/conf-cache usr/local/etc opt/slurm/etc etc/slurm-llnl"
_PROGRAMS = "usr/sbin/slurmd usr/local/sbin/slurmd opt/slurm/sbin/slurmd usr/bin/slurmd"


def read(host: Host) -> Features:
    version = _version(host)
    return Features(
        attributes={
            "hpc.slurm": {"version": version} if version else {},
            "hpc.slurm.gres": _resources(host),
        }
    )


def _version(host: Host) -> str:
    """By the Debian package, else by the program itself."""
    packages = host.debian_packages()
    program = next((path for path in _PROGRAMS.split() if host.exists(path)), None)
    text = packages.get("slurmd") or packages.get("slurm-smd-slurmd") or (host.says(program, "-V") if program else "")
    match = re.search(r"\d+\.\d+\.\d+", text)
    return match[0] if match else ""


def _resources(host: Host) -> dict[str, str]:
    """Gres= of this node's line in slurm.conf ("Generic Resource (GRES) Scheduling"): NAME and NAME:TYPE -> count."""
    folder = next((name for name in _CONFIGURATION.split() if host.exists(f"{name}/slurm.conf")), None)
    if folder is None or not host.node:
        return {}
    counts: dict[str, int] = {}
    text = (host.value(f"{folder}/slurm.conf") or "").replace("\\\n", " ")
    for line in text.splitlines():
        words = dict(word.partition("=")[::2] for word in line.partition("#")[0].split())
        fields = {name.lower(): value for name, value in words.items()}
        if not names_node(fields.get("nodename", ""), host.node):
            continue
        for resource in filter(None, re.split(r",(?![^(]*\))", fields.get("gres", ""))):
            # NAME[:TYPE][:no_consume][:COUNT][(S:0-1)]
            name, *rest = re.sub(r"\(.*\)", "", resource).split(":")
            rest = [part for part in rest if part != "no_consume"]
            count = _count(rest.pop()) if rest and _count(rest[-1]) is not None else 1
            for key in (name, *([f"{name}:{rest[0]}"] if rest else [])):
                counts[key] = counts.get(key, 0) + (count or 0)
    return {name: str(count) for name, count in counts.items()}


def _count(text: str) -> int | None:
    match = re.fullmatch(r"(\d+)([kKmMgGtT]?)", text)
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[match[2].lower()] if match else None


def names_node(hostlist: str, node: str) -> bool:
    """Whether a hostlist of slurm.conf has this node: names with any number of brackets of numbers and ranges."""
    for name in filter(None, re.split(r",(?![^\[]*\])", hostlist)):
        parts = re.split(r"\[([^\]]*)\]", name)
        pattern = "".join(re.escape(part) if index % 2 == 0 else r"(\d+)" for index, part in enumerate(parts))
        match = re.fullmatch(pattern, node)
        if match and all(
            _in_ranges(number, ranges) for number, ranges in zip(match.groups(), parts[1::2], strict=True)
        ):
            return True
    return False


def _in_ranges(number: str, ranges: str) -> bool:
    """Numbers have the width that their range has: 01-10 holds 07, and not 7."""
    for each in ranges.split(","):
        low, dash, high = each.partition("-")
        high = high if dash else low
        if low.isdecimal() and high.isdecimal() and int(low) <= int(number) <= int(high):
            width = len(low) if low.startswith("0") else 0
            if len(number) >= width and (len(number) == max(width, len(str(int(number))))):
                return True
    return False
