"""How the site's Slurm is configured, as far as that matters to us."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hpccompat.errors import SlurmError
from hpccompat.slurm.command import PATIENCE, ask

_LINE = re.compile(r"^([A-Za-z_]+)\s*= ?(.*)$", re.MULTILINE)
_VERSION = re.compile(r"([0-9]+)\.([0-9]+)")


@dataclass(frozen=True)
class SlurmSite:
    """`version`: (22, 5) for 22.05.8. `parameters`: of `scontrol show config`, names in lower case; "" for (null)."""

    version: tuple[int, int]
    parameters: Mapping[str, str]

    def words(self, name: str) -> frozenset[str]:
        """The words of a parameter that is a list."""
        return frozenset(filter(None, re.split(r"[,\s]+", self.parameters.get(name.lower(), ""))))


def read_site() -> SlurmSite:
    """Raises SlurmError."""
    answer = ask(("scontrol", "show", "config"), PATIENCE)
    if answer.status != 0:
        raise SlurmError(f"scontrol show config: {(answer.stderr or answer.stdout).strip()}")
    return parse_site(answer.stdout)


def parse_site(text: str) -> SlurmSite:
    parameters = {
        name.lower(): "" if value.strip() == "(null)" else value.strip() for name, value in _LINE.findall(text)
    }
    version = _VERSION.search(parameters.get("slurm_version", ""))
    return SlurmSite((int(version[1]), int(version[2])) if version else (0, 0), parameters)
