"""What NFD accepts in a spec and can't be meant (errors), or surely isn't (warnings) (pure)."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from hpccompat.document.scalar import as_string
from hpccompat.document.tree import Mapping as MappingNode
from hpccompat.document.tree import Node, Path, Scalar, Sequence, shown
from hpccompat.errors import EvaluationError
from hpccompat.features.identity import IDENTITY
from hpccompat.features.known import KNOWN_SETS, KnownSet
from hpccompat.rules.model import BACK_REFERENCE, MatchExpression, Rule, Term, feature_set
from hpccompat.rules.operators import OPERATORS, accepts
from hpccompat.spec.model import CompatibilitySpec


@dataclass(frozen=True)
class Finding:
    """`level`: error or warning."""

    level: str
    path: Path
    text: str

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.text}"


def lint(spec: CompatibilitySpec) -> Iterator[Finding]:
    """Findings in the order of the spec."""
    first = True
    for set_index, each in enumerate(spec.compatibilities):
        for rule_index, rule in enumerate(each.rules):
            path: Path = ("compatibilities", set_index, "rules", rule_index)
            yield from _rule(rule, path)
            if first and BACK_REFERENCE in rule.feature_sets():
                yield Finding("warning", path, f"no rule before this one: {BACK_REFERENCE} never matches")
            first = False


def _rule(rule: Rule, path: Path) -> Iterator[Finding]:
    yield from _terms(rule.match_features, (*path, "matchFeatures"))
    for index, terms in enumerate(rule.match_any):
        yield from _terms(terms, (*path, "matchAny", index, "matchFeatures"))
    if rule.vars_template is not None and rule.vars_template.wrong:
        yield Finding("error", (*path, "varsTemplate"), rule.vars_template.wrong)
    if not rule.match_features and not rule.match_any:
        yield Finding("warning", path, "has neither matchFeatures nor matchAny, and always matches")


def _terms(terms: tuple[Term, ...], path: Path) -> Iterator[Finding]:
    for index, term in enumerate(terms):
        here = (*path, index)
        if not term.feature:
            yield Finding("error", (*here, "feature"), "is missing")
            continue
        known = KNOWN_SETS.get(feature_set(term.feature))
        yield from _feature(term, known, (*here, "feature"))
        if term.name is not None:
            yield from _expression(term.name, (*here, "matchName"))
            if term.name.op == "DoesNotExist":
                yield Finding("warning", (*here, "matchName"), "DoesNotExist never matches as a matchName")
        for name, expression in (term.expressions or {}).items():
            there = (*here, "matchExpressions", name)
            if expression is None:
                yield Finding("error", there, "is null, on which NFD crashes")
                continue
            yield from _expression(expression, there)
            yield from _element(term.feature, known, name, expression, there)
    yield from _contradictions(terms, path)


def _feature(term: Term, known: KnownSet | None, path: Path) -> Iterator[Finding]:
    name = feature_set(term.feature)
    if name.startswith("hpc."):
        yield Finding("warning", path, f"{name} is not portable: hpccompat's own, NFD does not report it")
    elif known is None and not name.startswith("local."):
        close = difflib.get_close_matches(name, KNOWN_SETS, 1, 0.6)
        hint = f", did you mean {close[0]}?" if close else ""
        yield Finding("warning", path, f"NFD has no feature set {term.feature!r}{hint}")
    if name != term.feature and known is not None:
        yield Finding("warning", path, f"NFD reports a match on {term.feature!r} as none; write {name!r}")


def _element(
    feature: str, known: KnownSet | None, name: str, expression: MatchExpression, path: Path
) -> Iterator[Finding]:
    lower = feature_set(feature)
    if known is not None and known.elements and name not in known.elements:
        close = difflib.get_close_matches(name, known.elements, 1, 0.6)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known.elements))}"
        yield Finding("warning", path, f"{lower} has no element {name!r}; {hint}")
    if expression.type == "version" and (lower, name) == ("kernel.version", "full"):
        text = "kernel releases are mostly no versions to NFD (5.14.0-427.el9.x86_64 stops the whole check); compare"
        yield Finding("warning", path, f"{text} major, minor and revision")
    if known is not None and known.kinds == ("flags",) and expression.op not in ("Exists", "DoesNotExist", ""):
        yield Finding("warning", path, f"{lower} holds flags, which have no value: {expression.op} never matches")
    if lower == "cpu.cpuid" and expression.op in ("NotIn", "IsFalse"):
        yield Finding("warning", path, f"flags have no value: {expression.op} never matches; DoesNotExist is meant?")
    if expression.op == "DoesNotExist" and (known is None or known.may_be_absent):
        text = f"where a host reports no {lower} at all, not even DoesNotExist matches"
        yield Finding("warning", path, text)
    if name in IDENTITY.get(lower, ()):
        yield Finding("warning", path, f"{lower} {name} differs on every node")


def _expression(expression: MatchExpression, path: Path) -> Iterator[Finding]:
    """What makes NFD stop with an error as soon as the expression is evaluated."""
    if expression.op not in OPERATORS:
        close = difflib.get_close_matches(expression.op, [each for each in OPERATORS if each], 1, 0.5)
        hint = f", did you mean {close[0]}?" if close else f" (there are {', '.join(filter(None, OPERATORS))})"
        yield Finding("error", (*path, "op"), f"unknown operator {expression.op!r}{hint}")
        return
    if expression.type not in ("", "version"):
        yield Finding("error", (*path, "type"), f"unknown type {expression.type!r} (there is only version)")
        return
    # A value that would be of the right kind shows what is wrong with the expression itself.
    try:
        accepts(expression, True, "1")
    except EvaluationError as error:
        yield Finding("error", path, str(error))


def _contradictions(terms: tuple[Term, ...], path: Path) -> Iterator[Finding]:
    """Terms of one list on the same attribute that no value satisfies."""
    wanted: dict[tuple[str, str], set[str]] = {}
    excluded: set[tuple[str, str]] = set()
    for index, term in enumerate(terms):
        name = feature_set(term.feature)
        known = KNOWN_SETS.get(name)
        if known is None or "instances" in known.kinds:
            continue  # of several instances each may satisfy another term
        for element, expression in (term.expressions or {}).items():
            if expression is None:
                continue
            key, here = (name, element), (*path, index, "matchExpressions", element)
            if expression.op == "DoesNotExist":
                excluded.add(key)
            elif expression.op == "In":
                values = wanted.setdefault(key, set(expression.value))
                values &= set(expression.value)
                if not values:
                    yield Finding("warning", here, "no value satisfies this and an earlier In: the rule never matches")
            elif expression.op:
                wanted.setdefault(key, {element})
            if key in excluded and key in wanted:
                yield Finding("warning", here, "must exist and not exist: the rule never matches")


def unquoted(node: Node, path: Path = ()) -> Iterator[Finding]:
    """Scalars that stand where NFD wants text, and whose text YAML changes: 8.10 becomes "8.1"."""
    if isinstance(node, MappingNode):
        for key, each in node.entries.items():
            yield from unquoted(each, (*path, key))
    elif isinstance(node, Sequence):
        for index, each in enumerate(node.items):
            yield from unquoted(each, (*path, index))
    elif isinstance(node, Scalar) and _wants_text(path) and not isinstance(node.value, str):
        read = as_string(node.value)
        if read != node.text:
            yield Finding("warning", path, f"{node.text} is read as {read!r}: quote it, if that is not meant")


def _wants_text(path: Path) -> bool:
    return len(path) > 1 and ("value" in path[-2:] or path[-2] == "vars" or path[-1] in ("version", "tag", "name"))
