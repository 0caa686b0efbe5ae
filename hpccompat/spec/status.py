"""A report as the list that `nfd compat validate-node --output-json` prints (pure).

NFD fills the list from what its engine happened to evaluate: an expression is reported as matched if any
evaluated term of the same list has a matched expression of that name with the same operator and values, and
the feature's name is in lower case. That is repeated here, its oddities included.
"""

from __future__ import annotations

from collections.abc import Iterable

from hpccompat.rules.model import MatchExpression, Term, feature_set
from hpccompat.rules.result import ExpressionResult, RuleResult, TermsResult
from hpccompat.spec.check import NodeReport, SetReport

BY_EXPRESSION, BY_NAME = "matchExpression", "matchName"
# Feature set, element, matcher, operator, values.
Key = tuple[str, str, str, str, tuple[str, ...]]


def nfd_status(report: NodeReport) -> list[dict[str, object]]:
    """One entry for each evaluated set; fields that are empty in Go are left out."""
    return [_set(each) for each in report.sets]


def _set(report: SetReport) -> dict[str, object]:
    each = report.compatibility
    optional = {"weight": each.weight, "tag": each.tag, "description": each.description}
    rules = [_rule(result) for result in report.rules]
    return {"rules": rules or None, **{name: value for name, value in optional.items() if value}}


def _rule(result: RuleResult) -> dict[str, object]:
    status: dict[str, object] = {"name": result.rule.name, "isMatch": result.matched}
    expressions = _expressions(result.features)
    if expressions:
        status["matchedExpressions"] = expressions
    if result.any:
        status["matchedAny"] = [{"matchedExpressions": _expressions(each)} for each in result.any]
    return status


def _expressions(result: TermsResult | None) -> list[dict[str, object]] | None:
    if result is None:
        return None
    matched = set(_matched(result))
    rows = []
    for term in (each.term for each in result.terms):
        for element, kind, expression in _of_term(term):
            shown = None if expression is None else _expression(expression)
            is_match = expression is not None and (term.feature, element, kind, *_same(expression)) in matched
            row: dict[str, object] = {
                "feature": term.feature,
                "name": element,
                "expression": shown,
                "matcherType": kind,
                "isMatch": is_match,
            }
            rows.append(((term.feature, element, _text(expression)), row))
    return [row for _, row in sorted(rows, key=lambda each: each[0])] or None


def _matched(result: TermsResult) -> Iterable[Key]:
    for term in result.terms:
        name = feature_set(term.term.feature)
        found: list[tuple[str, ExpressionResult]] = [(BY_EXPRESSION, each) for each in term.expressions]
        found += [(BY_NAME, term.name)] if term.name else []
        for kind, each in found:
            if each.reported and each.expression is not None:
                yield (name, each.element, kind, *_same(each.expression))


def _of_term(term: Term) -> Iterable[tuple[str, str, MatchExpression | None]]:
    for element, expression in (term.expressions or {}).items():
        yield element, BY_EXPRESSION, expression
    if term.name is not None:
        yield "", BY_NAME, term.name


def _same(expression: MatchExpression) -> tuple[str, tuple[str, ...]]:
    """What makes two expressions one to NFD's report; the type does not count."""
    return expression.op, expression.value


def _expression(expression: MatchExpression) -> dict[str, object]:
    shown: dict[str, object] = {"op": expression.op}
    if expression.value:
        shown["value"] = list(expression.value)
    if expression.type:
        shown["type"] = expression.type
    return shown


def _text(expression: MatchExpression | None) -> str:
    """NFD's text of an expression, by which it sorts: Go's %q of operator and values."""
    if expression is None:
        return "<nil>"
    values = f", value: [{' '.join(map(_quoted, expression.value))}]" if expression.value else ""
    return f"{{op: {_quoted(expression.op)}{values}}}"


_ESCAPES = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}
_ESCAPES |= {"\\": r"\\", '"': r"\""}


def _quoted(text: str) -> str:
    """Go's strconv.Quote."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
