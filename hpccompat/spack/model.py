"""A concrete Spack spec: packages with their targets, and what each needs (pure)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from hpccompat.errors import SpackError

# Dependency types that are there when a program runs; build and test dependencies are not.
_AT_RUN_TIME = {"link", "run"}
Parameter = str | bool | tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A microarchitecture under archspec's name. `features` and `parents` are those that the builder's archspec had;
    a generic level (`x86_64_v3`) is recorded by its name alone."""

    name: str
    vendor: str = "generic"
    features: frozenset[str] = frozenset()
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edge:
    """A dependency. `types`: build, link, run, test. `virtuals`: what it provides here (`mpi`, `libc`)."""

    name: str
    hash: str
    types: tuple[str, ...] = ()
    virtuals: tuple[str, ...] = ()


@dataclass(frozen=True)
class External:
    """A package that Spack did not install, and expects at this place."""

    path: str
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """One package. `os` is Spack's label (`debian12`); `compiler` is `name@version`, "" where the record has none."""

    name: str
    version: str
    hash: str
    platform: str
    os: str
    target: Target
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    dependencies: tuple[Edge, ...] = ()
    external: External | None = None
    compiler: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}/{self.hash[:7]}"

    @functools.cached_property
    def needed(self) -> tuple[Edge, ...]:
        """The dependencies that are there when it runs."""
        return tuple(edge for edge in self.dependencies if not _AT_RUN_TIME.isdisjoint(edge.types))

    def values(self, variant: str) -> tuple[str, ...]:
        """The values of a variant; without those that stand for nothing."""
        found = self.parameters.get(variant, ())
        values = found if isinstance(found, tuple) else (str(found),)
        return tuple(each for each in values if each not in ("none", "auto", "False"))


@dataclass(frozen=True)
class Concrete:
    """Roots and all that they depend on, by DAG hash. `prefix`: DAG hash -> where it is installed, if that is here.
    `found_at`: where this was read. `signed`: in a PGP clearsigned message, whose signature is not verified here.
    `mirror`: the one that has its tarball."""

    roots: tuple[str, ...]
    nodes: Mapping[str, Node]
    found_at: str = ""
    prefixes: Mapping[str, str] = field(default_factory=dict)
    signed: bool = False
    mirror: str = ""

    def root_nodes(self) -> tuple[Node, ...]:
        return tuple(self.nodes[each] for each in self.roots)

    def closure(self) -> tuple[Node, ...]:
        """The roots and what they need at run time, each once. Raises SpackError."""
        return self._reached

    def edges(self) -> tuple[tuple[Node, Edge], ...]:
        """The run-time dependencies within the closure, with who has them. Raises SpackError."""
        return tuple((node, edge) for node in self._reached for edge in node.needed)

    @functools.cached_property
    def _reached(self) -> tuple[Node, ...]:
        order = list(self.roots)
        seen = set(order)
        found = []
        for hash in order:  # which grows meanwhile
            node = self.nodes.get(hash)
            if node is None:
                raise SpackError("spec-type", f"package {hash} is named, but not described ({self.found_at})")
            found.append(node)
            for edge in node.needed:
                if edge.hash not in seen:
                    seen.add(edge.hash)
                    order.append(edge.hash)
        return tuple(found)
