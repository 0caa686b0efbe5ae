"""The verdict of a spec on one node.

Sets are alternatives: the node is compatible if all rules of any selected set match, with the highest
weight of those sets. `rule.matched` spans the sets, so that they are evaluated in their order.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hpccompat.features.model import Features
from hpccompat.rules.evaluate import evaluate, initial
from hpccompat.rules.result import RuleResult
from hpccompat.spec.model import CompatibilitySet, CompatibilitySpec


@dataclass(frozen=True)
class SetReport:
    """`index` counts from 0 in the spec; `vars` is `rule.matched` after the set."""

    index: int
    compatibility: CompatibilitySet
    matched: bool
    rules: tuple[RuleResult, ...]
    vars: dict[str, str]


@dataclass(frozen=True)
class NodeReport:
    """The selected sets in the order of the spec. None stands for "no set was selected"."""

    sets: tuple[SetReport, ...]

    @property
    def compatible(self) -> bool | None:
        return any(each.matched for each in self.sets) if self.sets else None

    @property
    def weight(self) -> int | None:
        """The highest weight of the sets that match; None where none does."""
        return max((each.compatibility.weight for each in self.sets if each.matched), default=None)

    def to_nfd(self) -> list[dict[str, object]]:
        """The list that `nfd compat validate-node --output-json` prints."""
        from hpccompat.spec.status import nfd_status

        return nfd_status(self)

    @property
    def matched_vars(self) -> list[dict[str, str]]:
        """`rule.matched` after each evaluated set."""
        return [each.vars for each in self.sets]


def check_node(spec: CompatibilitySpec, features: Features, tags: Collection[str] = ()) -> NodeReport:
    """Evaluates the sets that have one of the tags, or all sets where no tag is given.

    Raises EvaluationError where NFD stops with an error: then nothing is known, not even of earlier sets.
    """
    matched = initial(features)
    reports = []
    for index, each in enumerate(spec.compatibilities):
        if tags and each.tag not in tags:
            continue
        results = []
        for rule in each.rules:
            result, matched = evaluate(rule, features, matched)
            results.append(result)
        is_match = all(result.matched for result in results)
        reports.append(SetReport(index, each, is_match, tuple(results), dict(matched.vars or {})))
    return NodeReport(tuple(reports))
