"""`hpc.cmdline`: parameters that the kernel was started with, as far as programs can notice them."""

from __future__ import annotations

import shlex

from hpccompat.features.known import KNOWN_SETS
from hpccompat.features.model import Features
from hpccompat.sources.host import Host

NAME = "hpc.cmdline"


def read(host: Host) -> Features:
    """Several of one name, as `hugepagesz` may be there, are joined by blanks; one without a value is "true"."""
    found: dict[str, str] = {}
    for word in _words(host.text("proc/cmdline") or ""):
        name, equals, value = word.partition("=")
        if name in KNOWN_SETS[NAME].elements:
            text = value if equals else "true"
            found[name] = f"{found[name]} {text}" if name in found else text
    return Features(attributes={NAME: found})


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that nothing closes
        return text.split()
