"""The short way of a submission whose plan is still good: look it up, run Slurm's command, and that is all.

Nothing of the rest of hpccompat is imported, and of the standard library only what costs next to nothing.
"""

from __future__ import annotations

import os
import sys

from hpccompat import plan_cache

# What Slurm complains of where a plan is out of date: then it is made again.
OUT_OF_DATE = (
    "Invalid feature specification",
    "Invalid preferred feature specification",
    "Invalid node name specified",
)


def launch(words: list[str]) -> int | None:
    """Submits by a kept plan, and returns the exit status; None where there is none, or where it is out of date."""
    config = ""
    if len(words) > 2 and words[0] == "--config":
        config, words = words[1], words[2:]
    # Inside another hpccompat a loop has to be noticed, which is not done here.
    if not words or words[0] not in ("sbatch", "srun", "salloc") or "HPCCOMPAT_RUNNING" in os.environ:
        return None
    command, arguments = words[0], words[1:]
    plan = plan_cache.find(command, config, arguments, os.environ)
    if plan is None:
        return None
    environment = {**os.environ, "HPCCOMPAT_RUNNING": str(os.getpid())}
    if command != "sbatch":
        _say(plan.messages)
        sys.stderr.flush()
        os.execve(plan.program, [command, *plan.words], environment)
    status, complaint = _run(plan.program, [command, *plan.words], environment)
    if status != 0 and any(each.encode() in complaint for each in OUT_OF_DATE):
        plan.forget()
        return None
    _say(plan.messages)
    sys.stderr.flush()
    os.write(2, complaint)
    return status


def _say(messages: list[str]) -> None:
    for message in messages:
        sys.stderr.write(message + "\n")


def _run(program: str, words: list[str], environment: dict[str, str]) -> tuple[int, bytes]:
    """The exit status of a command, and what it wrote to standard error."""
    reading, writing = os.pipe()
    try:
        actions = [(os.POSIX_SPAWN_DUP2, writing, 2), (os.POSIX_SPAWN_CLOSE, reading)]
        child = os.posix_spawn(program, words, environment, file_actions=actions)
    finally:
        os.close(writing)
    said = b""
    while part := os.read(reading, 65536):
        said += part
    os.close(reading)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code, said
