"""`hpccompat index`: takes the nodes' records into the index that queries read."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from hpccompat.cli.features import become
from hpccompat.cli.main import Context
from hpccompat.errors import StoreError
from hpccompat.nodes.indexing import Written, status, write_index
from hpccompat.nodes.store import Store
from hpccompat.settings import load_settings


def run(arguments: Sequence[str], context: Context) -> int:
    options = _parser().parse_args(arguments)
    settings = load_settings(context.config)
    store = Store(settings.store)
    if options.status:
        return _status(store, context.output)
    if settings.disabled:
        return 0
    store = Store(settings.store, become(settings.store_user))
    _say(write_index(store, options.full, _Progress().show), options.quiet)
    while options.watch is not None:
        time.sleep(options.watch)
        try:
            _say(write_index(store), quiet=True)
        except StoreError as error:  # a file system that is away comes back
            print(f"hpccompat: warning: {error}", file=sys.stderr)
    return 0


class _Progress:
    """Of long work, on a terminal alone: which record of how many, once a second."""

    def __init__(self) -> None:
        self.next = time.monotonic() + 1

    def show(self, done: int, of: int) -> None:
        if sys.stderr.isatty() and time.monotonic() > self.next:
            self.next = time.monotonic() + 1
            print(f"\r{done} of {of} records ", end="", file=sys.stderr, flush=True)


def _say(written: Written, quiet: bool) -> None:
    if not quiet:
        what = "written" if written.replaced else "unchanged"
        print(
            f"index {what}: {written.nodes} nodes, {written.read} records read, {written.left} markers left",
            file=sys.stderr,
        )


def _status(store: Store, output: str) -> int:
    found = status(store)
    if output == "json":
        from hpccompat.cli.render import print_json

        print_json(found)
        return 0
    age = time.time() - float(str(found["built"]))
    looked = time.time() - float(str(found["passed"]))
    rows = {
        "file": found["file"],
        "format": found["format"],
        "nodes": found["nodes"],
        "size": f"{int(str(found['bytes'])) / 2**20:.1f} MiB",
        "built": f"{age:.0f} s ago",
        "all records": f"looked at {looked:.0f} s ago",
        "changed since": f"{found['markers']} records",
    }
    for name, value in rows.items():
        print(f"{name:<15}{value}")
    if isinstance(found["markers"], int) and found["markers"]:
        print("run hpccompat index, or see whether its timer runs", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpccompat index",
        description="Takes the nodes' records into <store>/index.sqlite, from which queries are answered. Without"
        " options: the records that have changed, and once an hour a look at all of them. One at a time.",
        epilog="exit status: 0 done, 3 the store can't be written, or another one is writing",
        allow_abbrev=False,
    )
    parser.add_argument("--full", action="store_true", help="read every record, whatever the index says")
    parser.add_argument(
        "--watch", type=_seconds, nargs="?", const=10.0, metavar="SECONDS", help="again and again (default: 10 s)"
    )
    parser.add_argument("--status", action="store_true", help="say how the index is; writes nothing")
    parser.add_argument("--quiet", action="store_true", help="say nothing if all goes well")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError("from 0.1 to 3600 seconds")
    return value
