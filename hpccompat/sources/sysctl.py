"""`hpc.sysctl`: kernel parameters that HPC software and containers fail on."""

from __future__ import annotations

from hpccompat.features.known import KNOWN_SETS
from hpccompat.features.model import Features
from hpccompat.sources.host import Host

NAME = "hpc.sysctl"


def read(host: Host) -> Features:
    values = {key: host.value(f"proc/sys/{key.replace('.', '/')}") for key in KNOWN_SETS[NAME].elements}
    return Features(attributes={NAME: {key: value for key, value in values.items() if value is not None}})
