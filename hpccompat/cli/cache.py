"""`hpccompat cache list|clear`: the specs that were looked up."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict

from hpccompat.artifact.cache import SpecCache
from hpccompat.cli.main import Context, printable
from hpccompat.judging import search_of
from hpccompat.settings import load_settings


def run(arguments: Sequence[str], context: Context) -> int:
    from hpccompat.cli.render import print_json, table

    options = _parser().parse_args(arguments)
    cache = search_of(load_settings(context.config)).cache or SpecCache(())
    if options.action == "clear":
        removed = cache.clear()
        print_json({"removed": removed}) if context.output == "json" else print(f"removed {removed} entries")
        return 0
    now = time.time()
    found = sorted(cache.entries(), key=lambda each: (each[1].name, each[1].kind))
    if context.output == "json":
        print_json([{"file": str(path), **asdict(entry), "fresh": entry.fresh(now)} for path, entry in found])
        return 0
    rows = [
        (
            printable(entry.name),
            entry.kind,
            f"{max(now - entry.at, 0):.0f} s",
            "yes" if entry.fresh(now) else "no",
            printable(entry.found_at or (entry.text if entry.kind in ("tag", "dead") else "")),
        )
        for path, entry in found
    ]
    print(table(rows, ("of", "kind", "age", "fresh", "from, or what it is")))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpccompat cache",
        description="What lookups of specs have left: in $XDG_CACHE_HOME/hpccompat/specs, and in the site's folder "
        "(the setting cache). Kinds: spec (good for an hour), none (the image has none: ten minutes), tag (which "
        "digest it stands for: 30 s), dead (a registry that did not answer: a minute).",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="a line each")
    actions.add_parser("clear", help="remove all that may be removed")
    return parser
