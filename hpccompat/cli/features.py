"""`hpccompat features discover|collect|show`: what a host is, and what the nodes have reported."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hpccompat import __version__
from hpccompat.cli.main import Context
from hpccompat.errors import UsageError
from hpccompat.features.codec import dump_features
from hpccompat.nodes.record import NodeRecord, dump_record, node_name
from hpccompat.nodes.store import Store
from hpccompat.settings import Settings, load_settings
from hpccompat.sources.discover import discover


def run(arguments: Sequence[str], context: Context) -> int:
    options = _parser().parse_args(arguments)
    settings = load_settings(context.config)
    if options.action == "discover":
        return _discover(options)
    if options.action == "collect":
        return _collect(options, settings)
    return _show(options, settings, context)


def _discover(options: argparse.Namespace) -> int:
    found = discover(options.root)
    json.dump(dump_features(found.features), sys.stdout, indent=2)
    print()
    for source, text in found.errors.items():
        print(f"hpccompat: warning: source {source} failed: {text}", file=sys.stderr)
    return 0


def _collect(options: argparse.Namespace, settings: Settings) -> int:
    if settings.disabled:
        return 0
    name = options.node or os.environ.get("SLURMD_NODENAME", "")
    if not name:
        raise UsageError("no node's name: give --node, or run it where Slurm sets SLURMD_NODENAME")
    name = node_name(name)
    root = options.root or Path(settings.host_root.replace("%n", name))
    if not root.is_dir():
        raise UsageError(f"host root {root} is not a directory")
    found = discover(root)
    record = NodeRecord(
        name,
        found.features,
        found.errors,
        datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        _boot_id(),
        f"hpccompat {__version__}",
    )
    replaced = Store(settings.store).write(record)
    if options.verbose:
        print(f"{name}: {'record written' if replaced else 'nothing new'}", file=sys.stderr)
    return 0


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _show(options: argparse.Namespace, settings: Settings, context: Context) -> int:
    store = Store(settings.store)
    if options.node:
        print(json.dumps(json.loads(dump_record(store.read(options.node))), indent=2))
        return 0
    from hpccompat.cli.render import show_records

    return show_records(store, context.output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hpccompat features", allow_abbrev=False, description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="discover|collect|show")
    discovering = actions.add_parser("discover", help="print this host's features as NFD Features JSON")
    discovering.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="read below DIR, not /")
    collecting = actions.add_parser("collect", help="write this node's record into the store; for prologs")
    collecting.add_argument("--node", metavar="NAME", help="the node's name in Slurm (default: SLURMD_NODENAME)")
    collecting.add_argument("--root", type=Path, metavar="DIR", help="read below DIR (default: host_root)")
    collecting.add_argument("--verbose", action="store_true", help="say what was done")
    showing = actions.add_parser("show", help="the recorded nodes, or one node's record")
    showing.add_argument("node", nargs="?", metavar="NODE")
    return parser
