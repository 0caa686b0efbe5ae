"""What a selection asks the nodes: groups of them that look alike to a spec."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hpccompat.features.model import Features


@dataclass(frozen=True)
class Group:
    """Nodes with the same values in the feature sets asked for.

    `features` is None where there is no readable record, and `reason` says why. `errors`: failed source ->
    text, as in their records.
    """

    nodes: tuple[str, ...]
    features: Features | None
    errors: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


class NodeTable(Protocol):
    def groups(self, feature_sets: Collection[str]) -> Iterable[Group]:
        """Every node of the table in exactly one group."""
