"""Handing a job to the real command: same stdin, stdout and exit status."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hpccompat.errors import SlurmError
from hpccompat.launch import OUT_OF_DATE
from hpccompat.nodes.hostlist import expand
from hpccompat.slurm.command import program
from hpccompat.slurm.options import CommandLine
from hpccompat.slurm.plan import Rewrite


@dataclass(frozen=True)
class Submitted:
    """`complaint`: what a command that failed wrote to standard error, and what is still to be shown."""

    status: int
    complaint: str = ""

    def out_of_date(self, rewrites: Sequence[Rewrite]) -> str:
        """Whether the plan may be what Slurm rejects: `label`, where one was used that is gone; `node`, where one was
        excluded that is; "" else."""
        for text in OUT_OF_DATE:
            what, carrier = ("node", "exclude") if "node" in text else ("label", "label")
            if text in self.complaint and any(each.carrier == carrier for each in rewrites):
                return what
        return ""


def become(command: str, arguments: Sequence[str]) -> int:
    """Replaces this process by the Slurm command. Raises SlurmError."""
    path = program(command)
    try:
        os.execv(path, [command, *arguments])
    except OSError as error:
        raise SlurmError(f"{command} can't be run: {error.strerror}") from error


def submit(line: CommandLine, rewrites: Sequence[Rewrite], stdin: str | None) -> Submitted:
    """Runs sbatch to its end: a submission that fails may be worth another try. srun and salloc, which talk to a
    person, take this process's place, and so does sbatch where it waits for the job. Raises SlurmError."""
    talks = line.command != "sbatch" or line.has("wait")
    if talks and stdin is None and not any(each.needs_file for each in rewrites):
        become(line.command, line.arguments([each.options() for each in rewrites]))
    with _files(rewrites) as files:
        added = [each.options(file) for each, file in zip(rewrites, files, strict=True)]
        return hand_over(line.command, line.arguments(added), stdin, keep=not talks)


@contextlib.contextmanager
def _files(rewrites: Sequence[Rewrite]) -> Iterator[list[str | None]]:
    """A file for each list that is too long for an argument."""
    with contextlib.ExitStack() as stack:
        files: list[str | None] = []
        for rewrite in rewrites:
            if not rewrite.needs_file:
                files.append(None)
                continue
            file = stack.enter_context(tempfile.NamedTemporaryFile("w", prefix="hpccompat-exclude-", suffix=".txt"))
            # A name a line: in a file Slurm (22.05) takes brackets with more than a few numbers for one name.
            file.writelines(f"{name}\n" for name in expand(rewrite.exclude or ""))
            file.flush()
            files.append(file.name)
        yield files


def hand_over(command: str, arguments: Sequence[str], stdin: str | None = None, keep: bool = False) -> Submitted:
    """Runs the command to its end, on our standard input unless another is given. `keep`: its complaints are
    returned and not shown where it fails. Raises SlurmError."""
    path = program(command)
    try:
        done = subprocess.run(
            [path, *arguments],
            input=None if stdin is None else stdin.encode("utf-8", "surrogateescape"),
            stderr=subprocess.PIPE if keep else None,
            close_fds=False,  # a script may be one of them: `sbatch <(…)`
            check=False,
        )
    except OSError as error:
        raise SlurmError(f"{command} can't be run: {error.strerror}") from error
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    complaint = (done.stderr or b"").decode("utf-8", "surrogateescape")
    if complaint and status == 0:
        sys.stderr.write(complaint)
        complaint = ""
    return Submitted(status, complaint)
