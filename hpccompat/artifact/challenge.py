"""How a registry asks us to log in: the WWW-Authenticate header (RFC 9110, 11.6.1; distribution, token specification).

Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))\s*(?:,|$)', re.ASCII)
_SCHEME = re.compile(rf"\s*,?\s*({_TOKEN})(?:\s+|$|,)", re.ASCII)


@dataclass(frozen=True)
class Challenge:
    """`scheme`: in lower case. `parameters`: names in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """The challenges of a header, which may hold several; what can't be read ends the list."""
    found: list[Challenge] = []
    position = 0
    text = header[:8192]
    while position < len(text):
        match = _SCHEME.match(text, position)
        if match is None:
            break
        position = match.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(text, position):
            name, quoted, plain = parameter.groups()
            parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            position = parameter.end()
        found.append(Challenge(match[1].lower(), parameters))
    return tuple(found)


def chosen(challenges: tuple[Challenge, ...]) -> Challenge | None:
    """A token where one is offered, else a password."""
    for scheme in ("bearer", "basic"):
        for each in challenges:
            if each.scheme == scheme:
                return each
    return None


def scope(repository: str, actions: str, asked: str) -> str:
    """The scopes of a token: what we need, and what the registry says is needed; each once."""
    wanted = [f"repository:{repository}:{actions}"]
    return " ".join(dict.fromkeys([*wanted, *asked.split()]))
