"""Running Slurm's commands: never through a shell, always under a time limit."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from hpccompat.errors import SlurmError

# Seconds that a command may take: a busy controller can be slow, and is worth the wait.
PATIENCE = 20.0


@dataclass(frozen=True)
class Answer:
    status: int
    stdout: str
    stderr: str


# The process that last called a Slurm command as hpccompat; jobs inherit it, where it is nobody's ancestor.
_RUNNING = "HPCCOMPAT_RUNNING"


def guard() -> None:
    """Notices a script that is called sbatch and calls us: we would call each other for ever. Raises SlurmError."""
    caller = os.environ.get(_RUNNING, "")
    process = os.getpid()
    while caller and process > 1:
        if str(process) == caller:
            raise SlurmError("the sbatch in the PATH is hpccompat itself; put the directory of Slurm's own before it")
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as stat:
                process = int(stat.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    os.environ[_RUNNING] = str(os.getpid())


def program(name: str) -> str:
    """The path of a Slurm command. Raises SlurmError."""
    path = shutil.which(name)
    if path is None:
        raise SlurmError(f"the Slurm command {name} is not in the PATH; is this a login node of the cluster?")
    return path


def ask(command: Sequence[str], seconds: float, stdin: str | None = None) -> Answer:
    """Runs a command for its answer. Raises SlurmError where it can't be run or takes too long."""
    arguments = [program(command[0]), *command[1:]]
    try:
        done = subprocess.run(
            arguments,
            input=None if stdin is None else stdin.encode("utf-8", "surrogateescape"),
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SlurmError(f"{command[0]} did not answer within {seconds:g} s") from error
    except OSError as error:
        raise SlurmError(f"{command[0]} can't be run: {error.strerror}") from error
    out, err = (each.decode("utf-8", "surrogateescape") for each in (done.stdout, done.stderr))
    return Answer(done.returncode, out, err)
