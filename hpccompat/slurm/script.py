"""The job script that sbatch would submit."""

from __future__ import annotations

import os
import sys

from hpccompat.errors import SlurmError
from hpccompat.slurm.options import CommandLine

# Directives stand at the beginning of a script; Slurm itself takes scripts of up to 4 MB.
_READ = 1024 * 1024


def places(line: CommandLine) -> list[str]:
    """Where sbatch looks for the job script: in --chdir, in the working directory, then in the PATH."""
    if line.command != "sbatch" or not line.script:
        return []
    name = line.script[0]
    found = [os.path.join(line.chdir, name), name] if line.chdir else [name]
    if not name.startswith(("/", "./", "../")):
        found += [os.path.join(folder, name) for folder in os.environ.get("PATH", "").split(":") if folder]
    return found


def read_script(line: CommandLine) -> str:
    """Its beginning; "" where there is none, or none that can be read (then sbatch will say so).

    Raises SlurmError for a script that can be read only once, such as a pipe: sbatch has to find it whole.
    """
    for place in places(line):
        if os.path.isfile(place):
            try:
                with open(place, "rb") as opened:
                    return opened.read(_READ).decode("utf-8", "surrogateescape")
            except OSError:
                return ""
        if os.path.exists(place) and not os.path.isdir(place):
            raise SlurmError(f"the job script {place} is not a regular file, and can't be read twice")
    return ""


def script_from_stdin(line: CommandLine) -> str | None:
    """The whole standard input, where sbatch would read the job script from there; else None."""
    if not line.script_from_stdin:
        return None
    if sys.stdin is None:  # closed: `<&-`
        return ""
    return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
