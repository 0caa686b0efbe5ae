"""One rule against one node's features, with the answers of NFD's engine (failFast off).

The order of evaluation matters, because an error ends everything: matchAny's alternatives first, then
matchFeatures; terms in their order, expressions by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from hpccompat.errors import EvaluationError
from hpccompat.features.model import Features
from hpccompat.rules.model import BACK_REFERENCE, MatchExpression, Rule, Term, feature_set
from hpccompat.rules.operators import accepts
from hpccompat.rules.result import ExpressionResult, Matched, RuleResult, TermResult, TermsResult

Instances = tuple[Mapping[str, str], ...]


def evaluate(rule: Rule, features: Features, matched: Matched) -> tuple[RuleResult, Matched]:
    """The rule's result, and `matched` with the vars that the rule adds. Raises EvaluationError."""
    if matched.exists:
        features = replace(features, attributes={**features.attributes, BACK_REFERENCE: matched.vars})
    any_of = tuple(_terms(terms, features) for terms in rule.match_any)
    all_of = _terms(rule.match_features, features) if rule.match_features else None
    is_match = (not any_of or any(each.matched for each in any_of)) and (all_of is None or all_of.matched)

    # A failing matchAny makes the rule not match, and still its vars are stored; a failing matchFeatures
    # stores nothing.
    stored = rule.vars if all_of is None or all_of.matched else {}
    return RuleResult(rule, is_match, all_of, any_of, stored), _store(matched, stored)


def initial(features: Features) -> Matched:
    """`rule.matched` as the first rule finds it."""
    exists = BACK_REFERENCE in features.attributes
    return Matched(exists, features.attributes.get(BACK_REFERENCE))


def _store(matched: Matched, new: Mapping[str, str]) -> Matched:
    """After a rule the feature set exists, even where the rule did not match."""
    if matched.exists and matched.vars is None:
        if new:
            raise EvaluationError("panic", "the node's own rule.matched is null (NFD crashes here)")
        return matched
    return Matched(True, {**(matched.vars or {}), **new})


def _terms(terms: Iterable[Term], features: Features) -> TermsResult:
    results = []
    # NFD keeps the outcome of a failed term in a variable that outlives it: a later term that has no
    # expressions of its own is then not evaluated, errors in it included.
    failed = False
    for term in terms:
        result = _term(term, features, failed)
        if result.exists:
            failed = not result.matched
        results.append(result)
    return TermsResult(all(result.matched for result in results), tuple(results))


def _term(term: Term, features: Features, earlier_failed: bool) -> TermResult:
    name = feature_set(term.feature)
    if name not in features.flags and name not in features.attributes and name not in features.instances:
        return TermResult(term, exists=False, matched=False)
    flags, attributes = features.flags.get(name), features.attributes.get(name)
    instances = features.instances.get(name, ())
    matched = not earlier_failed
    expressions: tuple[ExpressionResult, ...] = ()
    if term.expressions is not None:
        matched, expressions = _expressions(term.expressions, flags, attributes, instances)
    by_name = None
    if term.name is not None and matched:
        matched = _names(term.name, flags, attributes, instances)
        by_name = ExpressionResult("", term.name, matched)
    return TermResult(term, True, matched, expressions, by_name, len(instances))


def _expressions(
    expressions: Mapping[str, MatchExpression | None],
    flags: frozenset[str] | None,
    attributes: Mapping[str, str] | None,
    instances: Instances,
) -> tuple[bool, tuple[ExpressionResult, ...]]:
    """Flags and attributes are one union of names; apart from them, one instance must satisfy everything."""
    ordered = sorted(expressions.items())
    has_names = flags is not None or attributes is not None
    of_names = [_element(name, each, flags, attributes) for name, each in ordered] if has_names else []
    of_instances = [
        [accepts(each, name in instance, instance.get(name)) for name, each in ordered] for instance in instances
    ]
    matched = (has_names and all(each.matched for each in of_names)) or any(all(row) for row in of_instances)
    results = []
    for position, (name, expression) in enumerate(ordered):
        singly = sum(row[position] for row in of_instances)
        found = of_names[position].found if of_names else None
        if instances:
            found = f"{singly} of {len(instances)}"
        by_name = bool(of_names) and of_names[position].matched
        results.append(ExpressionResult(name, expression, by_name or singly > 0, found))
    return matched, tuple(results)


def _element(
    name: str,
    expression: MatchExpression | None,
    flags: frozenset[str] | None,
    attributes: Mapping[str, str] | None,
) -> ExpressionResult:
    is_flag, value = name in (flags or ()), (attributes or {}).get(name)
    answers = []
    if flags is not None:
        answers.append(accepts(expression, is_flag, None))
    if attributes is not None:
        answers.append(accepts(expression, value is not None, value))
    must_hold_in_both = expression is not None and expression.op == "DoesNotExist"
    combine: Callable[[Iterable[bool]], bool] = all if must_hold_in_both else any
    found = value if value is not None else ("present" if is_flag else None)
    return ExpressionResult(name, expression, combine(answers), found)


def _names(
    expression: MatchExpression,
    flags: frozenset[str] | None,
    attributes: Mapping[str, str] | None,
    instances: Instances,
) -> bool:
    """Whether the name of any element, or of any instance's attribute, satisfies a matchName."""
    names = sorted({*(flags or ()), *(attributes or ()), *(name for each in instances for name in each)})
    matched = False
    for name in names:  # all of them, also after a match: an error in any ends everything
        matched |= accepts(expression, True, name)
    return matched
