"""A rule of NFD's NodeFeatureRule / image compatibility API, as parsed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from hpccompat.rules.vars_template import VarsTemplate


@dataclass(frozen=True)
class MatchExpression:
    """`op` as written: one of OPERATORS, or "" (matches whatever is there or not). `type`: "" or "version"."""

    op: str
    value: tuple[str, ...] = ()
    type: str = ""

    def __str__(self) -> str:
        words = [self.op or "any", *([f"[{', '.join(self.value)}]"] if self.value else [])]
        return " ".join(words) + (f" ({self.type})" if self.type else "")


@dataclass(frozen=True)
class Term:
    """One element of `matchFeatures`.

    `expressions`: element name -> expression, None where the spec has no `matchExpressions`; an expression
    of None is a null in the spec. `name` is the `matchName`.
    """

    feature: str
    expressions: Mapping[str, MatchExpression | None] | None = None
    name: MatchExpression | None = None


@dataclass(frozen=True)
class Rule:
    """`match_any` holds the alternatives, each a list of terms that must all match. `vars_template` computes
    further variables from the elements that matched."""

    name: str
    match_features: tuple[Term, ...] = ()
    match_any: tuple[tuple[Term, ...], ...] = ()
    vars: Mapping[str, str] = field(default_factory=dict)
    vars_template: VarsTemplate | None = None

    def terms(self) -> tuple[Term, ...]:
        """Every term, wherever it stands."""
        return self.match_features + tuple(term for terms in self.match_any for term in terms)

    def feature_sets(self) -> set[str]:
        """The feature sets that this rule reads, as the engine looks them up."""
        return {feature_set(term.feature) for term in self.terms()}


BACK_REFERENCE = "rule.matched"


@functools.lru_cache(maxsize=1024)
def feature_set(name: str) -> str:
    """The name that a term's feature is looked up by: Go's strings.ToLower, one rune at a time."""
    return "".join(each.lower()[:1] for each in name)
