"""Versions as NFD compares them: 1 to 3 numbers; pre-release and build metadata must be well formed and
then don't count (`k8s.io/apimachinery/pkg/util/version`, through which NFD's `type: version` goes)."""

from __future__ import annotations

import re

_PART = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    r"v?([0-9]+)(?:\.([0-9]+)(?:\.([0-9]+))?)?"
    rf"(?:-{_PART}(?:\.{_PART})*)?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)


def parse_version(text: str) -> tuple[int, int, int] | None:
    """None where NFD finds no version: four numbers, "V1", blanks, an underscore, a number over 64 bits."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    texts = [(part or "0").lstrip("0") or "0" for part in match.groups()]
    if any(len(part) > 20 for part in texts):
        return None
    major, minor, patch = (int(part) for part in texts)
    return (major, minor, patch) if max(major, minor, patch) < 2**64 else None
