"""Reading a submission, with the command's own --help where our tables don't reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hpccompat.slurm.command import PATIENCE, ask
from hpccompat.slurm.options import CommandLine, Unknown, Value, options_in_help, scan
from hpccompat.slurm.request import Requests, merge


def read_command_line(arguments: Sequence[str], command: str = "sbatch") -> CommandLine | Unknown:
    """The command line in its parts; Unknown where this command doesn't know an option either.

    Raises SlurmError, UsageError."""
    line = scan(arguments, {}, command)
    return scan(arguments, _offered(command), command) if isinstance(line, Unknown) and line.name != ":" else line


def read_requests(line: CommandLine, script: str, environment: Mapping[str, str]) -> Requests:
    """What the job asks for. Raises SlurmError."""
    requests = merge(line, script, environment)
    if requests.unknown and not line.offered:
        return merge(replace(line, offered=_offered(line.command)), script, environment)
    return requests


def _offered(command: str) -> dict[str, Value]:
    return options_in_help(ask((command, "--help"), PATIENCE).stdout)
