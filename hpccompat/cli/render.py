"""Texts for people and JSON for programs; nothing from outside reaches a terminal unescaped."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from hpccompat.cli.main import printable
from hpccompat.errors import RecordError
from hpccompat.job_plan import Component, Message, Plan
from hpccompat.judging import PartitionCount
from hpccompat.nodes.hostlist import fold
from hpccompat.nodes.store import Store
from hpccompat.plan.selection import NodeVerdict, Reason, Selection, Verdict
from hpccompat.spec.explain import matched, of_rule


def show_messages(messages: Iterable[Message]) -> None:
    for message in messages:
        print(shown(message), file=sys.stderr)


def shown(message: Message) -> str:
    prefix = "" if message.level == "info" else f"{message.level}: "
    return f"hpccompat: {prefix}{printable(message.text)}"


def show_reasons(reasons: Sequence[Reason], stream: Any, most: int = 10) -> None:
    """A table: how many nodes, which, why; the rarest are counted where there are too many."""
    if not reasons:
        return
    rows = [(len(each.nodes), fold(each.nodes), each.verdict.value, printable(each.text)) for each in reasons[:most]]
    print(table(rows, ("nodes", "which", "verdict", "why")), file=stream)
    if len(reasons) > most:
        rest = sum(len(each.nodes) for each in reasons[most:])
        print(f"and {len(reasons) - most} more reasons, for {rest} nodes", file=stream)


def table(rows: Iterable[Sequence[object]], headers: Sequence[str]) -> str:
    from tabulate import tabulate

    return tabulate(
        rows,
        headers,
        tablefmt="simple",
        disable_numparse=True,
        maxcolwidths=[None, 30, None, 90][: len(headers)] if len(headers) < 5 else None,
    )


def print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def show_plan(plan: Plan, argv: Sequence[str]) -> None:
    """The plan on stdout: what was found, what becomes of it, why nodes are left out."""
    rows = [("outcome", plan.outcome)]
    for number, component in enumerate(plan.components):
        if len(plan.components) > 1:
            rows.append(("component", str(number)))
        for demand in component.demands:
            guessed = "guessed from " if demand.guessed else ""
            rows.append((demand.kind, f"{demand.name}  ({guessed}{demand.origin})"))
        for looked in component.guesses:
            if looked.why or looked.demand not in component.demands:
                rows.append(("guess", f"{looked}: {looked.why or 'has a spec'}"))
        rows += [("digest", digest) for digest in component.digests if digest]
        if component.rewrite.reason:
            rows.append(("carrier", f"{component.rewrite.carrier} ({component.rewrite.reason})"))
        if component.verdicts:
            rows.append(("eligible", f"{len(component.eligible)} nodes: {fold(component.eligible)}"))
        rows += [
            (verdict.value, f"{len(nodes)} nodes: {fold(nodes)}")
            for verdict, nodes in component.verdicts.items()
            if nodes and verdict is not Verdict.COMPATIBLE
        ]
    rows.append(("submits", "nothing" if plan.outcome == "refused" else shlex.join(argv)))
    for name, text in rows:
        print(f"{name:<13}{printable(text)}")
    for component in plan.components:
        if component.reasons:
            print()
            show_reasons(component.reasons, sys.stdout)
    sys.stdout.flush()
    show_messages(plan.messages)


def plan_json(plan: Plan, argv: Sequence[str]) -> dict[str, object]:
    """DESIGN §5, `plan`."""
    return {
        "version": 1,
        "outcome": plan.outcome,
        "argv": list(argv),
        "components": [_component_json(each) for each in plan.components],
        "messages": [{"level": each.level, "code": each.code, "text": each.text} for each in plan.messages],
    }


def _component_json(component: Component) -> dict[str, object]:
    known = (Verdict.INCOMPATIBLE, Verdict.ERROR, Verdict.UNKNOWN)
    nodes: dict[str, object] = {"eligible": fold(component.eligible)}
    nodes |= {verdict.value: fold(component.verdicts.get(verdict, ())) for verdict in known}
    nodes["counts"] = {"eligible": len(component.eligible)} | {
        verdict.value: len(component.verdicts.get(verdict, ())) for verdict in known
    }
    request, rewrite = component.request, component.rewrite
    return {
        "image": " ".join(each.name for each in component.demands),
        "origin": "; ".join(each.origin for each in component.demands),
        "guesses": [
            {
                "image": each.demand.name,
                "origin": each.demand.origin,
                "lines": [line for line in (each.demand.line, *each.lines) if line],
                "found": "spec" if each.resolved else "",
                "reason": each.why,
            }
            for each in component.guesses
        ],
        "digest": " ".join(filter(None, component.digests)),
        "carrier": rewrite.carrier,
        "reason": rewrite.reason,
        "constraint": request.constraint if rewrite.constraint is None else rewrite.constraint,
        "prefer": request.prefer if rewrite.prefer is None else rewrite.prefer,
        "exclude": request.exclude if rewrite.exclude is None else rewrite.exclude,
        "nodes": nodes,
    }


def selection_json(selection: Selection, partitions: Sequence[PartitionCount]) -> dict[str, object]:
    """DESIGN §5, `check --node` and `--all`; with Slurm's partitions, where they could be asked for."""
    names = {"eligible": Verdict.COMPATIBLE} | {
        verdict.value: verdict for verdict in Verdict if verdict is not Verdict.COMPATIBLE
    }
    return {
        **{name: fold(selection.nodes(verdict)) for name, verdict in names.items()},
        "counts": {name: len(selection.nodes(verdict)) for name, verdict in names.items()},
        "reasons": [{"nodes": fold(each.nodes), "text": each.text} for each in selection.reasons],
        **({"partitions": [asdict(each) for each in partitions]} if partitions else {}),
    }


def show_report(judged: NodeVerdict) -> None:
    """One node's verdict, with what each rule found."""
    print(f"verdict  {judged.verdict.value}")
    if judged.report is None or judged.verdict is Verdict.UNKNOWN or judged.report.compatible:
        for text in judged.reasons:
            print(f"  {printable(text)}")
    for each in judged.report.sets if judged.report else ():
        names = [f"set {each.index}", *filter(None, (each.compatibility.tag, each.compatibility.description))]
        print(f"\n{_mark(each.matched)} {printable(', '.join(names))} (weight {each.compatibility.weight})")
        for rule in each.rules:
            print(f"  {_mark(rule.matched)} {printable(rule.rule.name) or '(rule without a name)'}")
            for line in matched(rule) if rule.matched else of_rule(rule):
                print(f"      {printable(line)}")


def report_json(judged: NodeVerdict) -> dict[str, object]:
    """DESIGN §5, `check` of one host; `compatible` is null where the verdict is error or unknown."""
    compatible = {Verdict.COMPATIBLE: True, Verdict.INCOMPATIBLE: False}.get(judged.verdict)
    report = judged.report
    return {
        "compatible": compatible,
        "weight": report.weight if report and compatible is not None else None,
        "sets": [
            {
                "index": each.index,
                "tag": each.compatibility.tag,
                "weight": each.compatibility.weight,
                "match": each.matched,
                "rules": [
                    {
                        "name": rule.rule.name,
                        "match": rule.matched,
                        "reasons": [] if rule.matched else [*of_rule(rule)],
                    }
                    for rule in each.rules
                ],
            }
            for each in (report.sets if report else ())
        ],
        "errors": list(judged.reasons) if compatible is None else [],
    }


def _mark(matched: bool) -> str:
    return "ok" if matched else "--"


def show_records(store: Store, output: str) -> int:
    """One line a recorded node: when its record last changed, when it was last found to be true."""
    rows = []
    for name in store.names():
        seen = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(store.seen(name)))
        try:
            record = store.read(name)
            sets = len(record.features.names())
            rows.append((name, record.collected, seen, sets, printable("; ".join(record.errors)) or "-"))
        except RecordError as error:
            rows.append((name, "-", seen, 0, printable(str(error))))
    headers = ("node", "changed", "seen", "feature sets", "failed sources, or why it can't be read")
    if output == "json":
        names = ("node", "collected", "seen", "featureSets", "errors")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        print(table(rows, headers))
    return 0


def show_selection(selection: Selection, partitions: Sequence[PartitionCount]) -> None:
    counted = [(verdict.value, selection.nodes(verdict)) for verdict in Verdict]
    print(table([(name, len(nodes), fold(nodes)) for name, nodes in counted if nodes], ("verdict", "nodes", "which")))
    if selection.reasons:
        print()
        show_reasons(selection.reasons, sys.stdout, most=len(selection.reasons))
    if partitions:
        rows = [(each.name, each.nodes, each.eligible, each.idle) for each in partitions]
        print("\n" + table(rows, ("partition", "nodes", "compatible", "of these idle now")))
