"""`hpccompat features …`: what a host is, and what the nodes have reported."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hpccompat import __version__
from hpccompat.cli.main import Context
from hpccompat.errors import SettingsError, UsageError
from hpccompat.features.codec import dump_features
from hpccompat.nodes.record import NodeRecord, node_name
from hpccompat.nodes.store import Store
from hpccompat.settings import Settings, load_settings
from hpccompat.sources.discover import discover

# On each node, not shared: the name that Slurm last gave it, and the prolog's stamp.
STATE = Path("/var/lib/hpccompat")


def run(arguments: Sequence[str], context: Context) -> int:
    options = _parser().parse_args(arguments)
    settings = load_settings(context.config)
    if options.action == "discover":
        return _discover(options)
    if options.action == "collect":
        return _collect(options, settings)
    from hpccompat.cli import records

    return records.run(options, settings, context.output)


def _discover(options: argparse.Namespace) -> int:
    import json

    if not options.root.is_dir():
        raise UsageError(f"host root {options.root} is not a directory")
    found = discover(options.root, options.node or os.environ.get("SLURMD_NODENAME", ""))
    json.dump(dump_features(found.features), sys.stdout, indent=2)
    print()
    _warn(found.errors.items(), found.remarks)
    return 0


def _collect(options: argparse.Namespace, settings: Settings) -> int:
    if settings.disabled:
        return 0
    name = _name(options)
    root = options.root or Path(settings.host_root.replace("%n", name))
    if not root.is_dir():
        raise UsageError(f"host root {root} is not a directory")
    found = discover(root, name)
    record = NodeRecord(
        name,
        found.features,
        found.errors,
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        _boot_id(),
        f"hpccompat {__version__}",
    )
    replaced = Store(settings.store, become(settings.store_user)).write(record)
    if options.verbose:
        print(f"{name}: {'record written' if replaced else 'nothing new'}", file=sys.stderr)
    _warn(found.errors.items(), found.remarks)
    return 0


def _name(options: argparse.Namespace) -> str:
    """The node's: as it is given, as Slurm tells it to a prolog, or as it did the last time."""
    name: str = options.node or os.environ.get("SLURMD_NODENAME", "")
    file = options.state / "node"
    if not name:
        try:
            name = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError):
            raise UsageError(
                f"no node's name: give --node, or run it where Slurm sets SLURMD_NODENAME; there is none in {file} yet"
            ) from None
    return node_name(name)


def owner_of_store(user: str) -> tuple[int, int]:
    """User and group id of the setting `store_user`. Raises SettingsError."""
    if not user:
        return 0, 0
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise SettingsError(f"store_user: there is no user {user!r} on this host") from None
    return entry.pw_uid, entry.pw_gid


def become(user: str) -> int:
    """The store's owner; as root, this process is that user from here on. Raises SettingsError."""
    uid, gid = owner_of_store(user)
    if os.geteuid() == 0 and uid != 0:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    return uid


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _warn(errors: object, remarks: Sequence[str]) -> None:
    for source, text in errors:  # type: ignore[attr-defined]
        print(f"hpccompat: warning: source {source} failed: {text}", file=sys.stderr)
    for text in remarks:
        print(f"hpccompat: warning: {text}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpccompat features",
        allow_abbrev=False,
        description="What a host is, and what the nodes have reported.",
        epilog="docs/features.md lists all that a node can report.",
    )
    # Without a prog, argparse makes a formatter for its usage, which imports shutil: 3 ms of the collector's.
    actions = parser.add_subparsers(prog="hpccompat features", dest="action", required=True, metavar="ACTION")

    def add(name: str, summary: str, description: str = "") -> argparse.ArgumentParser:
        return actions.add_parser(name, help=summary, description=description or summary, allow_abbrev=False)

    each = add("discover", "print this host's features as NFD Features JSON")
    each.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="read below DIR, not /")
    each.add_argument("--node", metavar="NAME", help="the node's name in Slurm, for system.name (SLURMD_NODENAME)")

    each = add(
        "collect",
        "write this node's record into the store; for prologs",
        "Write this node's record into the store. A record whose content is the same is only marked as seen.",
    )
    each.add_argument(
        "--node", metavar="NAME", help="the node's name in Slurm (default: SLURMD_NODENAME, else the last)"
    )
    each.add_argument("--root", type=Path, metavar="DIR", help="read below DIR (default: the setting host_root)")
    each.add_argument(
        "--state", type=Path, default=STATE, metavar="DIR", help=f"where the prolog keeps the name ({STATE})"
    )
    each.add_argument("--verbose", action="store_true", help="say what was done")

    each = add("show", "the recorded nodes, or one node's record")
    each.add_argument("node", nargs="?", metavar="NODE")

    each = add(
        "diff",
        "what differs between two nodes, or a node and this host",
        "What differs between two records, or between a record and this host. Exit status 1 if anything does.",
    )
    each.add_argument("first", metavar="NODE|FILE", help="a recorded node, or a file: with a / or .json in its name")
    each.add_argument("second", nargs="?", metavar="NODE|FILE", help="default: this host, as it is now")

    each = add(
        "import",
        "take over what NFD found: its exports, and NodeFeature objects",
        "Write records from NFD's exports (nfd export features), from NodeFeature objects of Kubernetes (kubectl get"
        " nodefeatures -o yaml, also lists), or from records; JSON or YAML. Several objects of one node are merged.",
    )
    each.add_argument("files", nargs="+", metavar="FILE", help="- is standard input")
    each.add_argument("--node", metavar="NAME", help="the node's name in Slurm, where the file has none or another")

    each = add(
        "prune",
        "remove records of nodes that are gone",
        "Remove the records of the named nodes, or of those that have not reported for long; and what killed"
        " collectors left behind.",
    )
    each.add_argument("nodes", nargs="*", metavar="NODES", help="a hostlist, as n[1-4]")
    each.add_argument("--older", metavar="AGE", help="not seen for AGE: a number and d, h or m (30d)")
    each.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    return parser
