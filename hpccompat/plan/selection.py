"""The verdicts of all nodes on one spec, and the reasons, grouped."""

from __future__ import annotations

import enum
import functools
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hpccompat.errors import EvaluationError
from hpccompat.features.identity import IDENTITY
from hpccompat.features.model import Features
from hpccompat.nodes.record import failed
from hpccompat.nodes.table import Group, NodeTable
from hpccompat.rules.evaluate import noticed, projected
from hpccompat.rules.model import BACK_REFERENCE, Rule, Term, feature_set
from hpccompat.spec.check import NodeReport, check_node
from hpccompat.spec.explain import reasons
from hpccompat.spec.model import CompatibilitySpec


class Verdict(enum.Enum):
    """`ERROR`: NFD would stop with an error on this node. `UNKNOWN`: no readable record, or the answer hangs
    on a source that failed there."""

    COMPATIBLE = "compatible"
    INCOMPATIBLE = "incompatible"
    ERROR = "error"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Reason:
    nodes: tuple[str, ...]
    verdict: Verdict
    text: str


@dataclass(frozen=True)
class Selection:
    """`recorded`: the nodes that have reported. `reasons`: for all that are not compatible, most nodes first.
    `sets`: the number (from 0) of a set of each spec -> the compatible nodes that satisfy these."""

    verdicts: Mapping[str, Verdict]
    recorded: frozenset[str]
    reasons: tuple[Reason, ...]
    sets: Mapping[tuple[int, ...], frozenset[str]] = field(default_factory=dict)

    def nodes(self, verdict: Verdict) -> frozenset[str]:
        return self._of[verdict]

    @functools.cached_property
    def _of(self) -> Mapping[Verdict, frozenset[str]]:
        items = self.verdicts.items()
        return {verdict: frozenset([node for node, each in items if each is verdict]) for verdict in Verdict}


@dataclass(frozen=True)
class NodeVerdict:
    verdict: Verdict
    reasons: tuple[str, ...]
    report: NodeReport | None = None


def select(spec: CompatibilitySpec, nodes: NodeTable, tags: Collection[str] = ()) -> Selection:
    """Evaluates the spec once for every group of nodes that look alike to it."""
    verdicts: dict[str, Verdict] = {}
    unreported: set[str] = set()
    grouped: dict[tuple[Verdict, str], list[str]] = {}
    sets: dict[int, set[str]] = {}
    terms: dict[str, list[tuple[Term, bool]]] = {}
    for rule in (rule for each in spec.compatibilities for rule in each.rules):
        for term in rule.terms():
            terms.setdefault(feature_set(term.feature), []).append((term, rule.vars_template is not None))

    known: dict[Hashable, Hashable] = {}

    def alike(name: str, features: Features) -> Hashable:
        if name == BACK_REFERENCE:  # the rules change it
            return repr(features)
        templates = any(with_elements for _, with_elements in terms[name])
        key = None if templates else projected([term for term, _ in terms[name]], features)
        if key is None or (name, key) not in known:
            found = tuple(noticed(term, features, with_elements) for term, with_elements in terms[name])
            if key is None:
                return found
            known[name, key] = found
        return known[name, key]

    for group in nodes.groups({*terms, BACK_REFERENCE}, _reads_identity(terms), alike):
        judged = judge_group(spec, group, tags)
        verdicts.update(dict.fromkeys(group.nodes, judged.verdict))
        if group.features is None and not group.pending:
            unreported.update(group.nodes)
        if judged.verdict is not Verdict.COMPATIBLE:
            grouped.setdefault((judged.verdict, "; ".join(judged.reasons)), []).extend(group.nodes)
            continue
        for each in judged.report.sets if judged.report else ():
            if each.matched:
                sets.setdefault(each.index, set()).update(group.nodes)
    recorded = frozenset(verdicts) - unreported
    return Selection(verdicts, recorded, _reasons(grouped), {(number,): frozenset(of) for number, of in sets.items()})


# Of several specs, the verdict that stands first here is that of the node.
_WORST_FIRST = (Verdict.INCOMPATIBLE, Verdict.ERROR, Verdict.UNKNOWN, Verdict.COMPATIBLE)


def together(selections: Sequence[Selection]) -> Selection:
    """Of several specs on the same nodes: a node must satisfy each. A job that may get several nodes takes one set of
    every spec."""
    first, *others = selections
    if not others:
        return first
    rest = together(others)
    verdicts = {
        node: min(verdict, rest.verdicts[node], key=_WORST_FIRST.index) for node, verdict in first.verdicts.items()
    }
    texts: dict[str, list[str]] = {}
    for selection in (first, rest):
        for reason in selection.reasons:
            for node in reason.nodes:
                if verdicts[node] is reason.verdict:
                    texts.setdefault(node, []).append(reason.text)
    grouped: dict[tuple[Verdict, str], list[str]] = {}
    for node, each in texts.items():
        grouped.setdefault((verdicts[node], "; ".join(each)), []).append(node)
    sets = {(*ours, *theirs): a & b for ours, a in first.sets.items() for theirs, b in rest.sets.items() if a & b}
    return Selection(verdicts, first.recorded & rest.recorded, _reasons(grouped), sets)


def _reasons(grouped: Mapping[tuple[Verdict, str], Sequence[str]]) -> tuple[Reason, ...]:
    ordered = sorted(grouped.items(), key=lambda each: (-len(each[1]), each[0][1]))
    return tuple(Reason(tuple(sorted(names)), verdict, text) for (verdict, text), names in ordered)


def _reads_identity(terms: Mapping[str, Sequence[tuple[Term, bool]]]) -> set[str]:
    """The feature sets of which the spec may notice an element that differs on every node: one that it names, or
    any in a matchName or in what a template sees."""
    return {
        name
        for name, each in terms.items()
        if name in IDENTITY
        and any(
            with_elements or term.name is not None or IDENTITY[name] & (term.expressions or {}).keys()
            for term, with_elements in each
        )
    }


def judge_group(spec: CompatibilitySpec, group: Group, tags: Collection[str]) -> NodeVerdict:
    if group.features is None:
        return NodeVerdict(Verdict.UNKNOWN, (group.reason,))
    return judge(spec, group.features, group.errors, tags)


def judge(spec: CompatibilitySpec, features: Features, errors: Mapping[str, str], tags: Collection[str]) -> NodeVerdict:
    """The verdict on one node. With failed sources it is only known if it would be the same without the
    rules that they could have decided; so it is with sets of ours that the record lacks, since it came from NFD or from
    an older collector."""
    judged = _judge(spec, features, tags)
    lacking = {name for name in spec.feature_sets() if name.startswith("hpc.")} - features.names()
    lacking -= {name for name in lacking if failed(name, errors)}
    if errors or lacking:
        without = _without_rules_on(spec, {*errors, *lacking}, tags)
        if without != spec and _judge(without, features, tags).verdict is not judged.verdict:
            texts = [f"source {source} failed: {text}" for source, text in sorted(errors.items())]
            texts += [f"{name} is not in the node's record" for name in sorted(lacking)]
            return NodeVerdict(Verdict.UNKNOWN, tuple(texts), judged.report)
    return judged


def _judge(spec: CompatibilitySpec, features: Features, tags: Collection[str]) -> NodeVerdict:
    try:
        report = check_node(spec, features, tags)
    except EvaluationError as error:
        return NodeVerdict(Verdict.ERROR, (f"the spec can't be evaluated: {error}",))
    if report.compatible:
        return NodeVerdict(Verdict.COMPATIBLE, (), report)
    return NodeVerdict(Verdict.INCOMPATIBLE, reasons(report), report)


def _without_rules_on(spec: CompatibilitySpec, errors: Collection[str], tags: Collection[str]) -> CompatibilitySpec:
    """The spec without the rules that read a failed source, or a variable of such a rule."""
    tainted: set[str] = set()
    sets = []
    for each in spec.compatibilities:
        if tags and each.tag not in tags:
            sets.append(each)  # not evaluated, and so its variables are never set
            continue
        kept = []
        for rule in each.rules:
            if any(failed(name, errors) for name in rule.feature_sets()) or _refers_to(rule, tainted):
                tainted.update(rule.vars)
            else:
                kept.append(rule)
        sets.append(replace(each, rules=tuple(kept)))
    return replace(spec, compatibilities=tuple(sets))


def _refers_to(rule: Rule, variables: Collection[str]) -> bool:
    """Whether a back-reference of the rule can see one of the variables; a matchName can see any."""
    if not variables or BACK_REFERENCE not in rule.feature_sets():
        return False
    return any(term.name is not None or set(term.expressions or ()) & set(variables) for term in rule.terms())
