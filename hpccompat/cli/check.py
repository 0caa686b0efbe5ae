"""`hpccompat check`: a verdict and its explanation, without Slurm."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hpccompat.cli.main import Context, printable
from hpccompat.demand import Demand
from hpccompat.errors import EvaluationError, SlurmError, Unavailable, UsageError
from hpccompat.plan.selection import NodeVerdict, Selection, Verdict
from hpccompat.resolution import Resolved, resolve
from hpccompat.settings import Settings, load_settings
from hpccompat.workflow import (
    PartitionCount,
    by_partition,
    judge_features,
    judge_file,
    search_of,
    select_recorded,
)


def run(arguments: Sequence[str], context: Context) -> int:
    from hpccompat.cli.render import print_json, report_json, selection_json, show_report, show_selection

    options = _parser().parse_args(arguments)
    settings = load_settings(context.config)
    tags = tuple(tag for text in options.tag for tag in text.split(",") if tag)
    demands = [Demand(kind, name, f"--{kind}", tags) for kind in ("image", "spec") for name in getattr(options, kind)]
    if not demands:
        raise UsageError("say what is checked: --image REF or --spec FILE (hpccompat check --help)")
    if len(demands) > 1 and options.node is None and not options.all:
        raise UsageError("several images or specs are checked against recorded nodes: --node NAMES or --all")
    everything = [_resolved(demand, settings) for demand in demands]
    resolved = everything[0]
    as_json = context.output == "json"
    if context.output == "nfd-json" and (options.node is not None or options.all):
        raise UsageError("NFD's list is of one node: nfd-json goes with --features, or with this host")
    if options.node is not None or options.all:
        selection = select_recorded(everything, options.node, tags, settings)
        partitions = _partitions(selection) if options.all else ()
        if as_json:
            print_json(selection_json(selection, partitions))
        else:
            show_selection(selection, partitions)
        compatible = len(selection.nodes(Verdict.COMPATIBLE))
        return 0 if compatible and (options.all or compatible == len(selection.verdicts)) else 1
    if options.features:
        judged = judge_file(resolved, options.features, tags)
    else:
        judged = _this_host(resolved, tags, settings)
    if context.output == "nfd-json":
        if judged.report is None:
            raise EvaluationError("error", "; ".join(judged.reasons))
        print_json(judged.report.to_nfd())
    elif as_json:
        print_json(report_json(judged))
    else:
        show_report(judged)
    return 0 if judged.verdict is Verdict.COMPATIBLE else 1


def _resolved(demand: Demand, settings: Settings) -> Resolved:
    found = resolve(demand, search_of(settings))
    if found is None:
        raise Unavailable(f"image {demand.name} has no compatibility spec in its registry")
    return found


def _partitions(selection: Selection) -> tuple[PartitionCount, ...]:
    """None where there is no Slurm to ask."""
    try:
        return by_partition(selection)
    except SlurmError as error:
        print(f"hpccompat: no partitions are shown: {printable(str(error).splitlines()[0])}", file=sys.stderr)
        return ()


def _this_host(resolved: Resolved, tags: Sequence[str], settings: Settings) -> NodeVerdict:
    from hpccompat.sources.discover import discover

    found = discover(Path(settings.host_root.replace("%n", "")))
    return judge_features(resolved, found.features, found.errors, tags)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpccompat check",
        description="Judges an image or a spec. Without --features, --node or --all: against this host.",
        epilog="exit status: 0 compatible (--node: all of them; --all: at least one), 1 not, or not known",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--image", metavar="REF", action="append", default=[], help="an image in a registry, as docker pull takes it"
    )
    parser.add_argument(
        "--spec", metavar="FILE", action="append", default=[],
        help="a compatibility spec; of several images and specs a node must satisfy each",
    )  # fmt: skip
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--features", type=Path, metavar="FILE", help="a node record, or NFD features, as JSON")
    where.add_argument("--node", metavar="NAMES", help="recorded nodes, as a hostlist: n[1-8],gpu1")
    where.add_argument("--all", action="store_true", help="all recorded nodes")
    parser.add_argument("--tag", action="append", default=[], metavar="T,…", help="only sets with one of these tags")
    return parser
