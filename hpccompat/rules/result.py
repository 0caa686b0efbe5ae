"""What the engine found, shaped like the rule: verdict and explanation are this one tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpccompat.rules.model import MatchExpression, Rule, Term


@dataclass(frozen=True)
class ExpressionResult:
    """`element` is "" for a matchName. `found` is what the node has there: a value, "present" for a flag,
    None where there is nothing. `singly`: how many instances match this expression alone.
    `reported` is what NFD's list says of it: a DoesNotExist that the flags satisfy and the attributes don't is
    reported as matched."""

    element: str
    expression: MatchExpression | None
    matched: bool
    reported: bool
    found: str | None = None
    singly: int = 0


@dataclass(frozen=True)
class TermResult:
    """`exists`: the node reports this feature set at all. `elements`: those that matched, as templates see them:
    {Name} of flags, {Name, Value} of attributes, the attributes of instances."""

    term: Term
    exists: bool
    matched: bool
    expressions: tuple[ExpressionResult, ...] = ()
    name: ExpressionResult | None = None
    instances: int = 0
    elements: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class TermsResult:
    """A list of terms: it matches if all of them do."""

    matched: bool
    terms: tuple[TermResult, ...]


@dataclass(frozen=True)
class RuleResult:
    """`features` and `any` are None / empty where the rule has no such part; `vars` are those it stored."""

    rule: Rule
    matched: bool
    features: TermsResult | None
    any: tuple[TermsResult, ...]
    vars: Mapping[str, str]


@dataclass(frozen=True)
class Matched:
    """The feature set `rule.matched` (back-references): the vars that the rules so far have stored.

    Before the first rule it does not exist, unless the node itself reports one; `vars` of None is Go's nil
    map, which can't be stored into (NFD crashes there). `template_steps`: what templates have cost so far.
    """

    exists: bool = False
    vars: Mapping[str, str] | None = None
    template_steps: int = 0
