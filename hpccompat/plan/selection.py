"""The verdicts of all nodes on one spec, and the reasons, grouped."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from hpccompat.errors import EvaluationError
from hpccompat.features.model import Features
from hpccompat.nodes.record import failed
from hpccompat.nodes.table import Group, NodeTable
from hpccompat.rules.model import BACK_REFERENCE, Rule
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
    """`recorded`: the nodes that have a readable record. `reasons`: for all that are not compatible, most
    nodes first."""

    verdicts: Mapping[str, Verdict]
    recorded: frozenset[str]
    reasons: tuple[Reason, ...]

    def nodes(self, verdict: Verdict) -> frozenset[str]:
        return frozenset(node for node, each in self.verdicts.items() if each is verdict)


@dataclass(frozen=True)
class NodeVerdict:
    verdict: Verdict
    reasons: tuple[str, ...]
    report: NodeReport | None = None


def select(spec: CompatibilitySpec, nodes: NodeTable, tags: Collection[str] = ()) -> Selection:
    """Evaluates the spec once for every group of nodes that look alike to it."""
    verdicts: dict[str, Verdict] = {}
    recorded: set[str] = set()
    grouped: dict[tuple[Verdict, str], list[str]] = {}
    for group in nodes.groups(spec.feature_sets() | {BACK_REFERENCE}):
        judged = judge_group(spec, group, tags)
        verdicts.update(dict.fromkeys(group.nodes, judged.verdict))
        if group.features is not None:
            recorded.update(group.nodes)
        if judged.verdict is not Verdict.COMPATIBLE:
            grouped.setdefault((judged.verdict, "; ".join(judged.reasons)), []).extend(group.nodes)
    ordered = sorted(grouped.items(), key=lambda each: (-len(each[1]), each[0][1]))
    found = tuple(Reason(tuple(sorted(names)), verdict, text) for (verdict, text), names in ordered)
    return Selection(verdicts, frozenset(recorded), found)


def judge_group(spec: CompatibilitySpec, group: Group, tags: Collection[str]) -> NodeVerdict:
    if group.features is None:
        return NodeVerdict(Verdict.UNKNOWN, (group.reason,))
    return judge(spec, group.features, group.errors, tags)


def judge(spec: CompatibilitySpec, features: Features, errors: Mapping[str, str], tags: Collection[str]) -> NodeVerdict:
    """The verdict on one node. With failed sources it is only known if it would be the same without the
    rules that they could have decided."""
    judged = _judge(spec, features, tags)
    if errors:
        without = _without_rules_on(spec, errors, tags)
        if without != spec and _judge(without, features, tags).verdict is not judged.verdict:
            texts = [f"source {source} failed: {text}" for source, text in sorted(errors.items())]
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


def _without_rules_on(spec: CompatibilitySpec, errors: Mapping[str, str], tags: Collection[str]) -> CompatibilitySpec:
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
