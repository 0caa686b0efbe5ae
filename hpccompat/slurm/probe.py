"""Asking sbatch itself what it understands of a command line."""

from __future__ import annotations

from collections.abc import Sequence

from hpccompat.errors import SlurmError
from hpccompat.slurm.command import PATIENCE, Answer, ask
from hpccompat.slurm.options import CommandLine, Unknown, options_in_help, scan
from hpccompat.slurm.request import JobRequest, defined_options


def read_command_line(arguments: Sequence[str]) -> CommandLine | Unknown:
    """The command line in its parts; Unknown where this sbatch doesn't know an option either.

    Raises SlurmError, UsageError."""
    line = scan(arguments, {})
    if isinstance(line, Unknown):
        return scan(arguments, options_in_help(ask(("sbatch", "--help"), PATIENCE).stdout))
    return line


def merged_request(line: CommandLine, stdin: str | None) -> tuple[tuple[JobRequest, ...], Answer]:
    """The job's components as Slurm reports them, and its whole answer; no components where it rejects
    the job before it has read the request. Raises SlurmError."""
    if any("\n" in word for word in line.options):
        # In the report the rest of such a value looks like options of its own.
        raise SlurmError("an option's value holds a line break, and what Slurm reports of it can't be trusted")
    answer = ask(("sbatch", "-v", "--test-only", *line.loud, *line.tail), PATIENCE, stdin)
    return defined_options(answer.stderr), answer
