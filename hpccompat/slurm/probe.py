"""Asking sbatch itself what it understands of a command line."""

from __future__ import annotations

from collections.abc import Sequence

from hpccompat.slurm.command import ask
from hpccompat.slurm.options import CommandLine, Unknown, options_in_help, scan
from hpccompat.slurm.request import JobRequest, defined_options


def read_command_line(arguments: Sequence[str], seconds: float) -> CommandLine | Unknown:
    """The command line in its parts; Unknown where this sbatch doesn't know an option either. Raises
    SlurmError, UsageError."""
    line = scan(arguments, {})
    if isinstance(line, Unknown):
        return scan(arguments, options_in_help(ask(("sbatch", "--help"), seconds).stdout))
    return line


def merged_request(
    line: CommandLine, seconds: float, stdin: str | None
) -> tuple[tuple[JobRequest, ...], str]:
    """The job's components as Slurm reports them, and what else it said; no components where it rejects
    the job before it has read the request. Raises SlurmError."""
    answer = ask(("sbatch", "-v", "--test-only", *line.loud, *line.script), seconds, stdin)
    return defined_options(answer.stderr), answer.stderr
