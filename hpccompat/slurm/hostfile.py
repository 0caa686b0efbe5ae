"""Files that hold host names: `--exclude=./list`, `--nodelist=./list`, `--nodefile=list`."""

from __future__ import annotations

import os
import re

from hpccompat.errors import SlurmError, UsageError
from hpccompat.nodes.hostlist import expand

# Slurm keeps whole lists in memory as well; more is not a list of hosts.
_LIMIT = 16 * 1024 * 1024


def named_hosts(value: str) -> tuple[str, ...]:
    """Of --exclude or --nodelist: a hostlist, or the name of a file of them, which has a slash in it. Raises
    SlurmError, UsageError."""
    return read_hosts(value, os.getcwd()) if "/" in value else expand(value)


def read_hosts(value: str, folder: str) -> tuple[str, ...]:
    """The names in a file of host expressions, one or several a line, each name once.

    `folder`: where sbatch is called; --chdir does not count. Raises SlurmError naming the file, also for one that
    holds no names.
    """
    path = os.path.join(folder, value)
    try:
        # Never waits, as for a pipe that nobody writes to.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as opened:
            content = opened.read(_LIMIT + 1) or b""
    except OSError as error:
        raise SlurmError(f"the list of hosts {value} can't be read: {error.strerror}") from error
    if len(content) > _LIMIT:
        raise SlurmError(f"the list of hosts {value} is longer than {_LIMIT} bytes")
    text = content.decode("utf-8", "surrogateescape")
    lines = [line.partition("#")[0].strip() for line in text.split("\n")]
    try:
        names = expand(",".join(re.sub(r"\*[0-9]+", "", line) for line in lines if line))
    except UsageError as error:
        raise SlurmError(f"the list of hosts {value} can't be read: {error}") from error
    if not names:
        raise SlurmError(f"the list of hosts {value} holds no names")
    return names
