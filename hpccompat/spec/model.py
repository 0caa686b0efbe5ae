"""A compatibility spec (NFD, image compatibility v1alpha1): alternative sets of rules."""

from __future__ import annotations

from dataclasses import dataclass

from hpccompat.rules.model import Rule


@dataclass(frozen=True)
class CompatibilitySet:
    rules: tuple[Rule, ...]
    weight: int = 0
    tag: str = ""
    description: str = ""


@dataclass(frozen=True)
class CompatibilitySpec:
    compatibilities: tuple[CompatibilitySet, ...]
    version: str = ""

    def feature_sets(self) -> frozenset[str]:
        """All feature sets that the rules read."""
        rules = (rule for each in self.compatibilities for rule in each.rules)
        return frozenset(name for rule in rules for name in rule.feature_sets())

    def tags(self) -> frozenset[str]:
        return frozenset(each.tag for each in self.compatibilities if each.tag)
