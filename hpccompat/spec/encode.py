"""A CompatibilitySpec back to text: one text for one meaning, whatever the author's formatting (pure)."""

from __future__ import annotations

import json

from hpccompat.rules.model import MatchExpression, Rule, Term
from hpccompat.spec.model import CompatibilitySet, CompatibilitySpec


def dump_spec(spec: CompatibilitySpec) -> str:
    """The spec as JSON in ASCII, without blanks, keys sorted, without what is empty.

    `load_spec(dump_spec(spec)) == spec`."""
    top: dict[str, object] = {"version": spec.version, "compatibilities": [_set(each) for each in spec.compatibilities]}
    return json.dumps(_kept(top), sort_keys=True, separators=(",", ":"))


def _set(each: CompatibilitySet) -> dict[str, object]:
    found = {"tag": each.tag, "weight": each.weight, "description": each.description}
    return _kept({**found, "rules": [_rule(rule) for rule in each.rules]})


def _rule(rule: Rule) -> dict[str, object]:
    return _kept(
        {
            "name": rule.name,
            "matchFeatures": [_term(each) for each in rule.match_features],
            "matchAny": [{"matchFeatures": [_term(each) for each in terms]} for terms in rule.match_any],
            "vars": dict(rule.vars),
            "varsTemplate": rule.vars_template.text if rule.vars_template else "",
        }
    )


def _term(term: Term) -> dict[str, object]:
    found: dict[str, object] = {"feature": term.feature}
    # An empty mapping is not none: it matches wherever the feature set is there.
    if term.expressions is not None:
        found["matchExpressions"] = {key: _expression(each) for key, each in term.expressions.items()}
    if term.name is not None:
        found["matchName"] = _expression(term.name)
    return found


def _expression(expression: MatchExpression | None) -> dict[str, object] | None:
    if expression is None:
        return None
    return _kept({"op": expression.op, "value": list(expression.value), "type": expression.type})


def _kept(mapping: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in mapping.items() if value}
