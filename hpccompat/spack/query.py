"""Which binary is meant: a DAG hash, or the part of Spack's spec language that names one (pure)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from hpccompat.errors import SpackError
from hpccompat.spack.model import Node

_PIECE = re.compile(
    r"\s*(?:/(?P<hash>[a-z2-7]{1,32})(?![\w/])"
    r"|(?P<name>(?<![\w=@+~/-])[a-zA-Z0-9][\w.-]*)(?=[\s@+~/]|$)"
    r"|@(?P<version>=?[\w.:-]+(?:,=?[\w.:-]+)*)"
    r"|(?P<flag>[+~])(?P<variant>\w[\w-]*)"
    r"|(?P<key>\w[\w-]*)=(?P<value>[\w.:,-]+))",
    re.ASCII,
)
_NUMBERS = re.compile(r"\d+|[a-zA-Z]+")


@dataclass(frozen=True)
class Query:
    """`hash` is its beginning. `versions`: one of them, each "1.2" (also 1.2.3), "=1.2" or a range "1.2:1.4"; none for
    any. `variants`: "+", "~" or the values that must be among those of a variant."""

    text: str
    name: str = ""
    hash: str = ""
    versions: tuple[str, ...] = ()
    variants: Mapping[str, str] = field(default_factory=dict)

    def accepts(self, node: Node) -> bool:
        return (
            node.hash.startswith(self.hash)
            and self.name in ("", node.name)
            and (not self.versions or any(_within(node.version, each) for each in self.versions))
            and all(_has(node, key, value) for key, value in self.variants.items())
        )


def parse_query(text: str) -> Query:
    """Reads `hpctool@2.1 +mpi target=zen3`, `/7v3wpi5`, `hpctool/7v3wpi5`; "" is any binary. Raises SpackError."""
    name, hash, versions = "", "", ()
    variants: dict[str, str] = {}
    position = 0
    while text[position:].strip():
        piece = _PIECE.match(text, position)
        if piece is None or (piece["name"] and (name or position)):
            raise SpackError(
                "spec-type",
                f"{text!r}: {text[position:].strip()!r} is not understood; a binary is named by its /hash, or by "
                "name@version +variant variant=value target=… os=…",
            )
        position = piece.end()
        if piece["hash"]:
            hash = piece["hash"]
        elif piece["name"]:
            name = piece["name"]
        elif piece["version"]:
            versions = tuple(piece["version"].split(","))
        elif piece["flag"]:
            variants[piece["variant"]] = piece["flag"]
        else:
            variants[piece["key"]] = piece["value"]
    return Query(text, name, hash, versions, variants)


def matching(query: Query, nodes: Mapping[str, Node], binaries: Collection[str]) -> tuple[Node, ...]:
    """The binaries that are meant, by name, version and target."""
    found = [nodes[hash] for hash in binaries if query.accepts(nodes[hash])]
    return tuple(sorted(found, key=lambda node: (node.name, _order(node.version), node.target.name, node.hash)))


def _has(node: Node, key: str, value: str) -> bool:
    if value in ("+", "~"):
        return node.parameters.get(key) is (value == "+")
    if key in ("target", "os", "platform", "arch"):
        whole = f"{node.platform}-{node.os}-{node.target.name}"
        return value == {"target": node.target.name, "os": node.os, "platform": node.platform, "arch": whole}[key]
    found = node.parameters.get(key, ())
    values = found if isinstance(found, tuple) else (str(found).lower() if isinstance(found, bool) else found,)
    return set(value.split(",")) <= set(values)


def _within(version: str, wanted: str) -> bool:
    if wanted.startswith("="):
        return version == wanted[1:]
    if ":" not in wanted:
        return version == wanted or version.startswith((f"{wanted}.", f"{wanted}-"))
    low, _, high = wanted.partition(":")
    return (not low or _order(version) >= _order(low)) and (
        not high or _order(version) <= _order(high) or version.startswith(f"{high}.")
    )


def _order(version: str) -> tuple[tuple[int, int | str], ...]:
    """Numbers by value; a word (`rc1`, `develop`) stands before any number."""
    return tuple((1, int(part)) if part.isdecimal() else (0, part) for part in _NUMBERS.findall(version)[:32])
