"""A spec in a file of its own beside the image: `IMAGE.compat.yaml` or `IMAGE.compat.json`."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hpccompat.artifact.regular import read_if_there

SUFFIXES = (".compat.yaml", ".compat.json")
_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Sidecar:
    path: str
    data: bytes


def find_sidecar(image: str) -> Sidecar | None:
    """YAML comes first. Where the image's name is a link, what lies beside the link comes before what lies beside
    the image. Raises ImageError: there is one that can't be read."""
    names = [image.rstrip("/") or "/"]
    try:
        real = os.path.realpath(image)
    except (OSError, ValueError):
        real = image
    if os.path.basename(real) and real not in names:
        names.append(real)
    for name in names:
        for suffix in SUFFIXES:
            data = read_if_there(name + suffix, _LIMIT)
            if data is not None:
                return Sidecar(name + suffix, data)
    return None


def sidecar_name(image: str) -> str:
    """What to call the sidecar of an image that has none."""
    return image.rstrip("/") + SUFFIXES[0]
