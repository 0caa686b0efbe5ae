"""What a selection asks the nodes: groups of them that look alike to a spec."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hpccompat.features.model import Features

# The reason of nodes without a record: the same for all, so that they are one group.
NOT_REPORTED = "not reported yet"


@dataclass(frozen=True)
class Group:
    """Nodes with the same values in the feature sets asked for.

    `features` is None where there is no readable record, and `reason` says why. `errors`: failed source ->
    text, as in their records. `pending`: they have reported, but it can't be told what.
    """

    nodes: tuple[str, ...]
    features: Features | None
    errors: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    pending: bool = False


class NodeTable(Protocol):
    def groups(
        self,
        feature_sets: Collection[str],
        identity: Collection[str] = (),
        alike: Callable[[str, Features], Hashable] | None = None,
    ) -> Iterable[Group]:
        """Every node of the table in exactly one group; its features are only those of `feature_sets`.

        `identity`: the sets whose elements that differ on every node count, too; of the others they may be left
        out. `alike`: a key of one set's values; values with the same key may be taken for one another, so that
        there are fewer groups.
        """
