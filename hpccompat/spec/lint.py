"""What NFD accepts in a spec, and still can't be meant (pure)."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from hpccompat.rules.model import MatchExpression, Term
from hpccompat.rules.operators import OPERATORS
from hpccompat.spec.model import CompatibilitySpec


def mistakes(spec: CompatibilitySpec) -> Iterator[str]:
    """A line for each, with the path in the document. None of these can be satisfied as it was meant."""
    for set_index, each in enumerate(spec.compatibilities):
        for rule_index, rule in enumerate(each.rules):
            path = f"compatibilities[{set_index}].rules[{rule_index}]"
            yield from _terms(rule.match_features, f"{path}.matchFeatures")
            for index, terms in enumerate(rule.match_any):
                yield from _terms(terms, f"{path}.matchAny[{index}].matchFeatures")


def _terms(terms: tuple[Term, ...], path: str) -> Iterator[str]:
    for index, term in enumerate(terms):
        here = f"{path}[{index}]"
        if not term.feature:
            yield f"{here}.feature: is missing"
        if term.name is not None:
            yield from _expression(term.name, f"{here}.matchName")
        for name, expression in (term.expressions or {}).items():
            if expression is None:
                yield f"{here}.matchExpressions.{name}: is null"
            else:
                yield from _expression(expression, f"{here}.matchExpressions.{name}")


def _expression(expression: MatchExpression, path: str) -> Iterator[str]:
    if expression.op not in OPERATORS:
        close = difflib.get_close_matches(expression.op, [each for each in OPERATORS if each], 1, 0.5)
        hint = f", did you mean {close[0]}?" if close else f" (there are {', '.join(filter(None, OPERATORS))})"
        yield f"{path}.op: unknown operator {expression.op!r}{hint}"
    if expression.type not in ("", "version"):
        yield f"{path}.type: unknown type {expression.type!r} (there is only version)"
