"""Handing a job to the real command: same stdin, stdout and exit status."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from hpccompat.errors import SlurmError
from hpccompat.slurm.command import program
from hpccompat.slurm.options import CommandLine
from hpccompat.slurm.plan import Rewrite


def become(command: str, arguments: Sequence[str]) -> int:
    """Replaces this process by the Slurm command. Raises SlurmError."""
    path = program(command)
    try:
        os.execv(path, [command, *arguments])
    except OSError as error:
        raise SlurmError(f"{command} can't be run: {error.strerror}") from error


def submit(line: CommandLine, rewrite: Rewrite, stdin: str | None, wait: bool) -> int:
    """Runs sbatch and returns its exit status; does not return where nothing is left to do afterwards,
    unless `wait` says so. Raises SlurmError."""
    if stdin is None and not rewrite.needs_file and not wait:
        return become("sbatch", rewrite.arguments(line))
    with tempfile.NamedTemporaryFile("w", prefix="hpccompat-exclude-", suffix=".txt") as file:
        if rewrite.needs_file:
            file.write(rewrite.exclude + "\n")
            file.flush()
        return hand_over(rewrite.arguments(line, file.name if rewrite.needs_file else None), stdin)


# What sbatch says of a feature that no node has (slurm_errno.h).
_INVALID_FEATURE = ("Invalid feature specification", "Invalid preferred feature specification")


def label_was_gone(line: CommandLine, rewrite: Rewrite, stdin: str | None) -> tuple[bool, int]:
    """Submits with a label: whether Slurm rejected it for a feature that it does not know (nothing is said then), and
    the exit status. Raises SlurmError."""
    done = _run(rewrite.arguments(line), stdin, subprocess.PIPE)
    complaint = (done.stderr or b"").decode("utf-8", "surrogateescape")
    if done.returncode != 0 and any(each in complaint for each in _INVALID_FEATURE):
        return True, done.returncode
    sys.stderr.write(complaint)
    return False, _status(done.returncode)


def hand_over(arguments: Sequence[str], stdin: str | None = None) -> int:
    """Runs sbatch to its end, on our standard input unless another is given. Raises SlurmError."""
    return _status(_run(arguments, stdin, None).returncode)


def _run(arguments: Sequence[str], stdin: str | None, stderr: int | None) -> subprocess.CompletedProcess[bytes]:
    path = program("sbatch")
    try:
        return subprocess.run(
            [path, *arguments],
            input=None if stdin is None else stdin.encode("utf-8", "surrogateescape"),
            stderr=stderr,
            check=False,
        )
    except OSError as error:
        raise SlurmError(f"sbatch can't be run: {error.strerror}") from error


def _status(code: int) -> int:
    return code if code >= 0 else 128 - code
