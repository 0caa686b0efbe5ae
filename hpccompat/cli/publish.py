"""`hpccompat publish`: keeps labels on the nodes that satisfy the requirements in use."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence

from hpccompat.cli.features import owner_of_store
from hpccompat.cli.main import Context, printable
from hpccompat.errors import SlurmError, StoreError
from hpccompat.nodes.store import Store
from hpccompat.settings import Settings, load_settings
from hpccompat.slurm.evaluate import Limits
from hpccompat.slurm.publish import Done, Publisher, Verdicts, drift, prepare, publish
from hpccompat.slurm.spool import Spool


def run(arguments: Sequence[str], context: Context) -> int:
    options = _parser().parse_args(arguments)
    settings = load_settings(context.config)
    if settings.disabled:
        return 0
    verdicts = Verdicts()
    publisher = _publisher(settings, options, verdicts)
    if options.check or options.dry_run:
        return _look(publisher, context.output, options.check)
    if options.watch is None:
        _say(publish(publisher), context.output, options.quiet)
        return 0
    last = ""
    while True:
        try:
            # Settings are read each time: the kill switch is one of them.
            settings = load_settings(context.config)
            if not settings.disabled:
                done = publish(_publisher(settings, options, verdicts))
                if last or done.updates or done.released:
                    _say(done, context.output, options.quiet)
                last = ""
        except (SlurmError, StoreError) as error:  # a controller that is away comes back
            if str(error) != last:
                print(f"hpccompat: warning: {printable(str(error))}", file=sys.stderr, flush=True)
            last = str(error)
        time.sleep(options.watch)


def _publisher(settings: Settings, options: argparse.Namespace, verdicts: Verdicts) -> Publisher:
    owner, _ = owner_of_store(settings.store_user)
    return Publisher(
        Store(settings.store, owner),
        Spool(settings.spool),
        settings.labels,
        settings.label_specs,
        owner,
        settings.inventory,
        Limits(options.time_limit, max(30.0, options.time_limit)),
        options.adopt,
        verdicts,
    )


def _say(done: Done, output: str, quiet: bool) -> None:
    if output == "json":
        from hpccompat.cli.render import print_json

        print_json(
            {
                "version": 1,
                "labels": done.labels,
                "updates": [list(each.command()) for each in done.updates],
                "released": list(done.released),
                "failed": done.failed,
                "expired": done.expired,
                "remarks": list(done.remarks),
            }
        )
        return
    if quiet:
        return
    for text in done.remarks:
        print(f"hpccompat: warning: {printable(text)}", file=sys.stderr)
    for name, why in done.failed.items():
        print(f"no label for {_short(name)}: {printable(why)}", file=sys.stderr)
    text = f"published {len(done.labels)} labels: {len(done.updates)} updates"
    if done.released:
        text += f", released {' '.join(done.released)}"
    print(f"{text}, {done.expired} files of the spool removed", file=sys.stderr)


def _look(publisher: Publisher, output: str, check: bool) -> int:
    prepared = prepare(publisher)
    found = drift(prepared, time.time())
    commands = [shlex.join(each.command()) for each in prepared.labelling.updates]
    if output == "json":
        from hpccompat.cli.render import print_json

        print_json(
            {
                "version": 1,
                "labels": prepared.labelling.labels,
                "drift": list(found),
                "commands": commands,
                "failed": prepared.failed,
                "remarks": list(prepared.remarks),
            }
        )
    else:
        for text in found if check else commands:
            print(printable(text))
        for text in prepared.remarks:
            print(f"hpccompat: warning: {printable(text)}", file=sys.stderr)
        for name, why in prepared.failed.items():
            print(f"no label for {_short(name)}: {printable(why)}", file=sys.stderr)
    return 1 if check and found else 0


def _short(name: str) -> str:
    """A requirement by the beginning of its id; a file by its name."""
    return f"{name[:10]}…" if len(name) == 64 and "/" not in name else printable(name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpccompat publish",
        description="Keeps labels, Slurm features hc_…, on exactly the nodes that satisfy the requirements in use:"
        " those of pending jobs, of the setting label_specs, and those last used. Releases jobs that Slurm held because"
        " their label was missing. Runs as root, SlurmUser or an operator, one at a time.",
        epilog="exit status: 0 done, 1 with --check: something is not as it should be, 3 Slurm or the store can't be"
        " reached, or another one is at work",
        allow_abbrev=False,
    )
    parser.add_argument("--check", action="store_true", help="say what is not as it should be; changes nothing")
    parser.add_argument(
        "--dry-run", action="store_true", help="show the commands that Slurm would get; changes nothing"
    )
    parser.add_argument(
        "--watch", type=_seconds, nargs="?", const=10.0, metavar="SECONDS", help="again and again (default: 10 s)"
    )
    parser.add_argument(
        "--time-limit",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="of evaluating one requirement (default: 5 s)",
    )
    parser.add_argument(
        "--adopt", action="store_true", help="take features hc_… on the nodes for ours (published.json was lost)"
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing if all goes well")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError("from 0.1 to 3600 seconds")
    return value
