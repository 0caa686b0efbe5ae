"""One rule against one node's features, with the answers of NFD's engine (failFast off).

The order of evaluation matters, because an error ends everything: matchAny's alternatives first, then
matchFeatures; terms in their order, expressions by name.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace

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
    stored: dict[str, str] = {}
    alternatives = []
    steps = matched.template_steps
    for terms in rule.match_any:
        alternatives.append(_terms(terms, features))
        computed, steps = _computed(rule, alternatives[-1], steps)
        stored |= computed
    any_of = tuple(alternatives)
    all_of = _terms(rule.match_features, features) if rule.match_features else None
    is_match = (not any_of or any(each.matched for each in any_of)) and (all_of is None or all_of.matched)

    # A failing matchAny makes the rule not match, and still its vars are stored; a failing matchFeatures
    # stores nothing.
    if all_of is not None and not all_of.matched:
        stored = {}
    else:
        if all_of is not None:
            computed, steps = _computed(rule, all_of, steps)
            stored |= computed
        stored |= rule.vars
    return RuleResult(rule, is_match, all_of, any_of, stored), replace(_store(matched, stored), template_steps=steps)


def _computed(rule: Rule, result: TermsResult, steps: int) -> tuple[dict[str, str], int]:
    """The variables that the rule's template computes from what these terms matched, and what it costs."""
    if rule.vars_template is None or not result.matched:
        return {}, steps
    return rule.vars_template.variables([(each.term.feature, each.elements) for each in result.terms], steps)


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


def noticed(term: Term, features: Features, with_elements: bool) -> Hashable:
    """All that evaluating a rule, and explaining it, can notice of this term on a node: nodes with the same key have
    the same results. `with_elements`: what matched counts too, since the rule has a template."""
    keys: list[Hashable] = []
    # How an earlier term ended is only noticed by one without expressions, see _terms.
    for earlier_failed in (False, True) if term.expressions is None else (False,):
        try:
            result = _term(term, features, earlier_failed)
        except EvaluationError as error:
            keys.append((error.kind, str(error)))
            continue
        every = (*result.expressions, *([result.name] if result.name else []))
        keys.append(
            (
                result.exists,
                result.matched,
                tuple((each.matched, each.reported, each.found, each.singly) for each in every),
                result.instances,
                tuple(tuple(sorted(each.items())) for each in result.elements) if with_elements else (),
            )
        )
    return tuple(keys)


def projected(terms: Iterable[Term], features: Features) -> Hashable:
    """What these terms can read of a feature set: values with the same key are the same to them. None where they can
    read anything (a matchName). Far cheaper than to evaluate them."""
    names: list[str] = []
    for term in terms:
        if term.name is not None:
            return None
        names += term.expressions or ()
    flags = [value if value is None else tuple(each in value for each in names) for value in features.flags.values()]
    attributes = [value if value is None else tuple(map(value.get, names)) for value in features.attributes.values()]
    instances = [
        tuple([tuple(map(instance.get, names)) for instance in value]) for value in features.instances.values()
    ]
    return tuple(flags), tuple(attributes), tuple(instances)


def _term(term: Term, features: Features, earlier_failed: bool) -> TermResult:
    name = feature_set(term.feature)
    if name not in features.flags and name not in features.attributes and name not in features.instances:
        return TermResult(term, exists=False, matched=False)
    values = _Values(features.flags.get(name), features.attributes.get(name), features.instances.get(name, ()))
    matched = not earlier_failed
    expressions: tuple[ExpressionResult, ...] = ()
    elements: tuple[Mapping[str, str], ...] = ()
    if term.expressions is not None:
        matched, expressions, elements = _expressions(term.expressions, values)
    by_name = None
    if term.name is not None and matched:
        named = _names(term.name, values)
        matched = bool(named)
        elements += named
        by_name = ExpressionResult("", term.name, matched, matched)
    return TermResult(term, True, matched, expressions, by_name, len(values.instances), elements)


@dataclass(frozen=True)
class _Values:
    """One feature set of a node, in its kinds."""

    flags: frozenset[str] | None
    attributes: Mapping[str, str] | None
    instances: Instances


def _expressions(
    expressions: Mapping[str, MatchExpression | None], values: _Values
) -> tuple[bool, tuple[ExpressionResult, ...], tuple[Mapping[str, str], ...]]:
    """Flags and attributes are one union of names; apart from them, one instance must satisfy everything."""
    ordered = sorted(expressions.items())
    has_names = values.flags is not None or values.attributes is not None
    elements: list[Mapping[str, str]] = []
    of_names = [_element(name, each, values, elements) for name, each in ordered] if has_names else []
    of_instances = [
        [accepts(each, name in instance, instance.get(name)) for name, each in ordered] for instance in values.instances
    ]
    elements += [instance for instance, row in zip(values.instances, of_instances, strict=True) if all(row)]
    matched = (has_names and all(each.matched for each in of_names)) or any(all(row) for row in of_instances)
    results = []
    for position, (name, expression) in enumerate(ordered):
        singly = sum(row[position] for row in of_instances)
        by_name = of_names[position] if of_names else ExpressionResult(name, expression, False, False)
        matched_singly, reported = by_name.matched or singly > 0, by_name.reported or singly > 0
        results.append(ExpressionResult(name, expression, matched_singly, reported, by_name.found, singly))
    return matched, tuple(results), tuple(elements)


def _element(
    name: str, expression: MatchExpression | None, values: _Values, elements: list[Mapping[str, str]]
) -> ExpressionResult:
    """The element of this name among flags and attributes; what matches is added to `elements`."""
    is_flag, value = name in (values.flags or ()), (values.attributes or {}).get(name)
    answers = []
    if values.flags is not None:
        answers.append(accepts(expression, is_flag, None))
        elements += [{"Name": name}] if answers[-1] else []
    if values.attributes is not None:
        answers.append(accepts(expression, value is not None, value))
        elements += [{"Name": name, "Value": value or ""}] if answers[-1] else []
    must_hold_in_both = expression is not None and expression.op == "DoesNotExist"
    combine: Callable[[Iterable[bool]], bool] = all if must_hold_in_both else any
    found = value if value is not None else ("present" if is_flag else None)
    is_match = combine(answers)
    reported = answers[0] if must_hold_in_both else is_match
    return ExpressionResult(name, expression, is_match, reported, found)


def _names(expression: MatchExpression, values: _Values) -> tuple[Mapping[str, str], ...]:
    """The elements whose name, and the instances of whose attributes a name, satisfies a matchName."""
    # All are tried, also after a match: an error in any ends everything.
    flags = [{"Name": name} for name in sorted(values.flags or ()) if accepts(expression, True, name)]
    attributes = [
        {"Name": name, "Value": value}
        for name, value in sorted((values.attributes or {}).items())
        if accepts(expression, True, name)
    ]
    instances = [
        instance
        for instance in values.instances
        if any([accepts(expression, True, name) for name in sorted(instance)])  # noqa: C419  (all are tried)
    ]
    return (*flags, *attributes, *instances)
