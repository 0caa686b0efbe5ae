"""`hpccompat check --spack NAME`, where several binaries are meant: each with what it needs, and its verdict."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hpccompat.cli.check import CheckedNode, checked_node, verdict_on
from hpccompat.demand import Demand
from hpccompat.errors import SpackError
from hpccompat.judging import search_of, select_recorded
from hpccompat.nodes.hostlist import fold
from hpccompat.plan.selection import Verdict
from hpccompat.reference import parse_spack
from hpccompat.resolution import Resolved, resolve_binaries, resolve_binary, with_attached
from hpccompat.settings import Settings
from hpccompat.workflow import lesser_sets

if TYPE_CHECKING:
    from hpccompat.spack.facts import Facts
    from hpccompat.spack.model import Concrete


def found_binaries(demand: Demand, settings: Settings) -> tuple[Concrete, ...]:
    return resolve_binaries(parse_spack(demand.name), settings.deadline, settings.plain_http, settings.spack_mirrors)


def check_each(
    found: Sequence[Concrete], options: argparse.Namespace, tags: Sequence[str], settings: Settings, as_json: bool
) -> int:
    """Prints a row for each; 0 if any of them fits (--node: on all nodes)."""
    from hpccompat.cli.main import printable
    from hpccompat.cli.render import print_json, table

    of_records = options.node is not None or options.all
    node = None if of_records else checked_node(options.features, settings)
    rows: list[dict[str, object]] = []
    any_fits = False
    for binary in found:
        try:
            resolved = with_attached(resolve_binary(binary), binary, tags, search_of(settings))
        except SpackError as error:  # one that no host here could run is no reason to hide the others
            rows.append({"binary": str(binary.root_nodes()[0]), "verdict": "incompatible", "why": str(error)})
            continue
        if node is None:
            fits, judged = _judge_nodes(resolved, options, tags, settings)
        else:
            fits, judged = _judge_one(resolved, node, tags)
        any_fits = any_fits or fits
        assert resolved.facts is not None
        rows.append({**_described(resolved.facts), **judged})
    if as_json:
        print_json(rows)
    else:
        columns = ("binary", "target", "libc", "gpu", "externals", "verdict", "why")
        print(table([[printable(_cell(row.get(key, ""))) for key in columns] for row in rows], columns))
    return 0 if any_fits else 1


def _judge_nodes(
    resolved: Resolved, options: argparse.Namespace, tags: Sequence[str], settings: Settings
) -> tuple[bool, dict[str, object]]:
    selection = select_recorded([resolved], options.node, tags, settings)
    fitting = selection.nodes(Verdict.COMPATIBLE)
    doubts = [each.text for each in lesser_sets([resolved], selection, fitting)]
    text = f"{len(fitting)} of {len(selection.verdicts)} nodes"
    fits = bool(fitting) and (options.all or len(fitting) == len(selection.verdicts))
    return fits, {"verdict": text, "eligible": fold(fitting), "why": "; ".join((fold(fitting), *doubts)).strip("; ")}


def _judge_one(resolved: Resolved, node: CheckedNode, tags: Sequence[str]) -> tuple[bool, dict[str, object]]:
    judged = verdict_on(node, resolved, tags)
    why = list(judged.reasons)
    if judged.verdict is Verdict.COMPATIBLE and judged.report is not None:
        best = max((each for each in judged.report.sets if each.matched), key=lambda each: each.compatibility.weight)
        why += list(filter(None, [best.compatibility.description.partition("warning: ")[2]]))
    return judged.verdict is Verdict.COMPATIBLE, {"verdict": judged.verdict.value, "why": "; ".join(why)}


def _described(facts: Facts) -> dict[str, object]:
    return {
        "binary": facts.name,
        "target": ", ".join(each.name for each in facts.targets),
        "os": ", ".join(facts.os),
        "libc": f"{facts.libc.name} {facts.libc.version}" if facts.libc else "",
        "gpu": "; ".join(_gpu(facts)),
        "externals": [str(each) for each in facts.externals],
    }


def _gpu(facts: Facts) -> Iterator[str]:
    if "nvidia" in facts.gpu or facts.cuda:
        yield " ".join(filter(None, ("CUDA", facts.cuda, ",".join(facts.cuda_arch))))
    if "amd" in facts.gpu or facts.rocm:
        yield " ".join(filter(None, ("ROCm", facts.rocm, ",".join(facts.amdgpu_target))))


def _cell(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) < 160 else f"{text[:157]}..."
