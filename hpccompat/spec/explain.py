"""Why a set does not match, in words: one line for each term that failed (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from hpccompat.rules.result import ExpressionResult, RuleResult, TermResult, TermsResult
from hpccompat.spec.check import NodeReport, SetReport


def reasons(report: NodeReport) -> tuple[str, ...]:
    """What is missing in the set that comes closest (fewest failed rules; the first of equals)."""
    failed = [each for each in report.sets if not each.matched]
    if not failed or report.compatible:
        return ()
    closest = min(failed, key=lambda each: sum(not rule.matched for rule in each.rules))
    return of_set(closest)


def of_set(report: SetReport) -> tuple[str, ...]:
    return tuple(line for rule in report.rules if not rule.matched for line in of_rule(rule))


def of_rule(result: RuleResult) -> Iterator[str]:
    if result.features is not None:
        yield from _terms(result.features)
    if result.any and not any(each.matched for each in result.any):
        alternatives = ["; ".join(_terms(each)) for each in result.any]
        yield (f"no alternative matches: {' | '.join(alternatives)}" if len(alternatives) > 1 else alternatives[0])


def _terms(result: TermsResult) -> Iterator[str]:
    for term in result.terms:
        if not term.matched:
            yield f"{term.term.feature}: {_term(term)}"


def _term(result: TermResult) -> str:
    if not result.exists:
        return "the node reports no such feature set"
    if result.name is not None:
        return f"no name satisfies {result.name.expression}"
    if not result.expressions:
        return "nothing there, or not evaluated after an earlier failure"
    if result.instances:
        return _instances(result)
    return ", ".join(_element(each) for each in result.expressions if not each.matched)


def _element(result: ExpressionResult) -> str:
    operator = result.expression.op if result.expression else ""
    if operator == "Exists":
        return f"{result.element} missing"
    if operator == "DoesNotExist":
        return f"{result.element} must not be there"
    if result.found is None:
        return f"{result.element} missing (wanted {result.expression})"
    if result.found == "present":
        return f"{result.element} is a flag, and has no value to be {result.expression}"
    return f"{result.element} is {result.found!r} (wanted {result.expression})"


def _instances(result: TermResult) -> str:
    """How many instances satisfy the expression that most of them do, and what none of these has besides."""
    best = max(result.expressions, key=lambda each: each.singly)
    if not best.singly:
        wanted = ", ".join(f"{each.element} {each.expression}" for each in result.expressions)
        return f"none of {result.instances} has {wanted}"
    rest = ", ".join(f"{each.element} {each.expression}" for each in result.expressions if each is not best)
    has = "has" if best.singly == 1 else "have"
    return f"{best.singly} of {result.instances} {has} {best.element} {best.expression}, none of them {rest}"


def matched(result: RuleResult) -> Iterator[str]:
    """What satisfied a rule: a line for each term that matched."""
    parts = [each for each in (result.features, *result.any) if each is not None and each.matched]
    for term in (term for part in parts for term in part.terms):
        if term.expressions and term.instances:
            wanted = ", ".join(f"{each.element} {each.expression}" for each in term.expressions)
            yield f"{term.term.feature}: {len(term.elements)} of {term.instances} with {wanted}"
        elif term.expressions:
            found = ", ".join(f"{each.element} {_has(each.found)}" for each in term.expressions)
            yield f"{term.term.feature}: {found}"
        else:
            yield f"{term.term.feature}: {f'{len(term.elements)} names match' if term.name else 'reported'}"


def _has(found: str | None) -> str:
    if found is None:
        return "not there"
    return "present" if found == "present" else f"is {found!r}"
