"""`hpccompat [options] COMMAND …`: options of ours stand before the command."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpccompat import __version__
from hpccompat.errors import HpccompatError

# Command -> the module whose `run(arguments, context)` does it, and what it is for.
COMMANDS = {
    "sbatch": ("submit", "submit a job to the nodes that its image is compatible with"),
    "srun": ("submit", "the same for srun; steps inside a job are left alone"),
    "salloc": ("submit", "the same for salloc"),
    "plan": ("plan", "show what a submission would become, and why; submits nothing"),
    "check": ("check", "judge an image, a spec or a Spack binary against this host, a feature file, or recorded nodes"),
    "why": ("why", "explain a job: pending, held, running or requeued"),
    "doctor": ("doctor", "look for what is wrong with an installation, and say what to do"),
    "spec": ("spec", "validate, attach, list, fetch, remove, embed and generate compatibility specs"),
    "features": ("features", "discover this host's features, collect them into the store, show records"),
    "index": ("index", "take the nodes' records into the index that queries read"),
    "hook": ("hook", "what Slurm's cli_filter plugin calls"),
    "cache": ("cache", "list or clear the specs that were looked up"),
    "publish": ("publish", "keep labels on the nodes that satisfy the requirements in use, as Slurm features"),
}
OUTPUTS = ("table", "json", "nfd-json")


@dataclass(frozen=True)
class Context:
    """What the options before the command say. `config`: a settings file instead of the site's."""

    output: str
    config: Path | None
    command: str


def printable(text: str) -> str:
    """The text with control characters (and what else can't be shown) escaped; line breaks stay."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def main(words: Sequence[str]) -> int:
    """Runs one command; its exit status. The one place where errors become messages."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files and images may hold what the terminal's encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options = _parser().parse_args(words)
        context = Context(options.output, options.config, options.command)
        module = importlib.import_module(f"hpccompat.cli.{COMMANDS[options.command][0]}")
        status: int = module.run(options.arguments, context)
        sys.stdout.flush()
        return status
    except HpccompatError as error:
        print(f"hpccompat: error: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<10} {summary}" for name, (_, summary) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="hpccompat",
        usage="hpccompat [--output table|json|nfd-json] [--config FILE] COMMAND …",
        description="Starts HPC jobs only on nodes that their container image is compatible with.",
        epilog=f"commands (hpccompat COMMAND --help tells more; that of sbatch is Slurm's):\n{listed}\n\n"
        "exit status: 0 compatible or done, 1 not compatible, 2 wrong usage or input,\n"
        "  3 something needed is unavailable, 4 refused by policy; sbatch's own once it ran",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hpccompat {__version__}")
    parser.add_argument(
        "--output",
        choices=OUTPUTS,
        default="table",
        help="for people, for programs; nfd-json: of check, the list that NFD prints",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings instead of the site's /etc/hpccompat/config.toml",
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="see below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="…", help="the command's own")
    return parser
