"""The image that a definition file of apptainer begins with (pure).

Of an image that apptainer pulled, the definition file that it records holds these lines and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_STAGE = re.compile(r"^[ \t]*bootstrap[ \t]*:", re.IGNORECASE | re.MULTILINE)
_SECTION = re.compile(r"^[ \t]*%", re.MULTILINE)
# Agent -> how its images are named elsewhere.
_SCHEMES = {
    "docker": "docker://",
    "oras": "oras://",
    "library": "library://",
    "shub": "shub://",
}


@dataclass(frozen=True)
class Origin:
    """`name`: as `parse_reference` reads it. `built`: more was done to the image than to fetch it."""

    name: str
    built: bool

    def __str__(self) -> str:
        return f"{'built on' if self.built else 'made from'} {self.name}"


def origin_in(definition: str) -> Origin | None:
    """Of several stages the last one is the image. None where it comes from no other image, from one on some file
    system, or where that stands in a variable."""
    stages = list(_STAGE.finditer(definition))
    if not stages:
        return None
    head, *sections = _SECTION.split(definition[stages[-1].start() :], maxsplit=1)
    built = bool(sections) or len(stages) > 1
    header = {}
    for line in head.splitlines():
        name, _, value = line.partition(":")
        header[name.strip().lower()] = re.split(r"\s#", value)[0].strip()
    scheme = _SCHEMES.get(header.get("bootstrap", "").lower())
    name = header.get("from", "")
    if scheme is None or not name or "{{" in head:
        return None
    if scheme == "docker://":
        # Apptainer's agent "docker" puts both before the name.
        for each in ("namespace", "registry"):
            name = f"{header[each].removesuffix('/')}/{name}" if header.get(each) else name
    return Origin(name if "://" in name else f"{scheme}{name.removeprefix('//')}", built)
