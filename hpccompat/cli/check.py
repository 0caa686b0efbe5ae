"""`hpccompat check`: a verdict and its explanation, without Slurm."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hpccompat.cli.main import Context, printable
from hpccompat.demand import Demand
from hpccompat.errors import EvaluationError, SlurmError, Unavailable, UsageError
from hpccompat.features.model import Features
from hpccompat.job_plan import Message
from hpccompat.judging import PartitionCount, by_partition, judge_features, read_features, search_of, select_recorded
from hpccompat.plan.selection import NodeVerdict, Selection, Verdict
from hpccompat.resolution import Resolved, files_at_hand, resolve, resolve_binary, with_attached
from hpccompat.settings import Settings, load_settings
from hpccompat.sources.derived import completed
from hpccompat.workflow import lesser_sets

DOWNLOAD_HELP = "fetch the tarballs of the one Spack binary, and all that it needs, and look into them, too"


def run(arguments: Sequence[str], context: Context) -> int:
    from hpccompat.cli.render import (
        print_json,
        report_json,
        selection_json,
        show_messages,
        show_report,
        show_selection,
    )

    options = _parser().parse_args(arguments)
    settings = load_settings(context.config)
    tags = tuple(tag for text in options.tag for tag in text.split(",") if tag)
    settings = replace(settings, spack_mirrors=(*options.mirror, *settings.spack_mirrors))
    kinds = ("image", "spec", "spack")
    demands = [Demand(kind, name, f"--{kind}", tags) for kind in kinds for name in getattr(options, kind)]
    if not demands and options.mirror:
        demands = [Demand("spack", "", "--mirror", tags)]
    if not demands:
        raise UsageError("say what is checked: --image REF, --spec FILE or --spack SPEC (hpccompat check --help)")
    if context.output == "nfd-json" and (options.node is not None or options.all):
        raise UsageError("NFD's list is of one node: nfd-json goes with --features, or with this host")
    if len(demands) == 1 and demands[0].kind == "spack":
        from hpccompat.cli.binaries import check_each, found_binaries

        found = found_binaries(demands[0], settings)
        if len(found) > 1:
            if options.download:
                raise UsageError(f"{demands[0].name!r} means {len(found)} binaries; --download goes with one")
            if context.output == "nfd-json":
                raise UsageError(f"NFD's list is of one spec, and {demands[0].name!r} means {len(found)} binaries")
            return check_each(found, options, tags, settings, context.output == "json")
        files = files_at_hand(found[0], settings.deadline, settings.plain_http, options.download)
        known = resolve_binary(found[0], files=files)
        everything = [with_attached(known, found[0], tags, search_of(settings))]
    elif len(demands) > 1 and options.node is None and not options.all:
        raise UsageError("several images or specs are checked against recorded nodes: --node NAMES or --all")
    else:
        everything = [_resolved(demand, settings) for demand in demands]
    resolved = everything[0]
    as_json = context.output == "json"
    if options.node is not None or options.all:
        selection = select_recorded(everything, options.node, tags, settings)
        partitions = _partitions(selection) if options.all else ()
        if as_json:
            print_json(selection_json(selection, partitions))
        else:
            show_selection(selection, partitions)
        show_messages([*notes_of(everything), *lesser_sets(everything, selection, selection.verdicts)])
        compatible = len(selection.nodes(Verdict.COMPATIBLE))
        return 0 if compatible and (options.all or compatible == len(selection.verdicts)) else 1
    judged = verdict_on(checked_node(options.features, settings), resolved, tags)
    if context.output == "nfd-json":
        if judged.report is None:
            raise EvaluationError("error", "; ".join(judged.reasons))
        print_json(judged.report.to_nfd())
    elif as_json:
        print_json(report_json(judged))
    else:
        show_report(judged)
    show_messages(notes_of(everything))
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


@dataclass(frozen=True)
class CheckedNode:
    """`root`: of this host's files; None for a node that is only recorded."""

    features: Features
    errors: Mapping[str, str]
    root: Path | None = None


def checked_node(file: Path | None, settings: Settings) -> CheckedNode:
    """The node of a feature file, with what NFD's features tell of ours; or this host."""
    if file is not None:
        record = read_features(file)
        return CheckedNode(completed(record.features), record.errors)
    from hpccompat.sources.discover import discover

    root = Path(settings.host_root.replace("%n", ""))
    found = discover(root)
    return CheckedNode(found.features, found.errors, root)


def verdict_on(node: CheckedNode, resolved: Resolved, tags: Sequence[str]) -> NodeVerdict:
    """What a Spack binary expects to be installed can be looked for on this host alone."""
    judged = judge_features(resolved, node.features, node.errors, tags)
    if node.root is None or resolved.facts is None:
        return judged
    missing = tuple(
        f"{each} is not there, and {each.of} needs it"
        for each in resolved.facts.externals
        if each.path and not (node.root / each.path.lstrip("/")).is_dir()
    )
    if missing and judged.verdict is Verdict.COMPATIBLE:
        return NodeVerdict(Verdict.INCOMPATIBLE, missing, judged.report)
    return replace(judged, reasons=(*judged.reasons, *missing))


def notes_of(everything: Sequence[Resolved]) -> list[Message]:
    """What is known of Spack binaries, and decides nothing."""
    messages = []
    for facts in (each.facts for each in everything if each.facts is not None):
        notes = [*facts.notes, *(f"needs on each node {each}" for each in facts.externals)]
        messages += [Message("info", "spack", f"{facts.name}: {note}") for note in notes]
    return messages


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpccompat check",
        description="Judges an image, a spec or a Spack binary. Without --features, --node, --all: on this host.",
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
    parser.add_argument(
        "--spack", metavar="SPEC", action="append", default=[],
        help="a Spack binary: [MIRROR#]name@version…, [MIRROR#]/HASH, or the path of an install or a spack.lock; of "
        "several that a name means each is judged",
    )  # fmt: skip
    parser.add_argument(
        "--mirror", metavar="URL", action="append", default=[],
        help="where Spack binaries are looked up, before the setting spack_mirrors; alone: all its binaries",
    )  # fmt: skip
    parser.add_argument("--download", action="store_true", help=DOWNLOAD_HELP)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--features", type=Path, metavar="FILE", help="a node record, or NFD features, as JSON")
    where.add_argument("--node", metavar="NAMES", help="recorded nodes, as a hostlist: n[1-8],gpu1")
    where.add_argument("--all", action="store_true", help="all recorded nodes")
    parser.add_argument("--tag", action="append", default=[], metavar="T,…", help="only sets with one of these tags")
    return parser
