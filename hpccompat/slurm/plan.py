"""From eligible nodes to the arguments of the submission (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hpccompat.nodes.hostlist import fold
from hpccompat.slurm.options import CommandLine

# One argument of a command may have 128 KiB (MAX_ARG_STRLEN of Linux); longer lists go by file.
ARGUMENT_LIMIT = 100 * 1024


@dataclass(frozen=True)
class Rewrite:
    """`exclude`: everything that the job must not start on, the user's own exclusions included."""

    exclude: str

    def arguments(self, line: CommandLine, exclude_file: str | None = None) -> tuple[str, ...]:
        """sbatch's arguments. Ours stand last among the options: of options given twice Slurm takes the last.

        `exclude_file`: hands the list over in this file instead (its name must hold a slash)."""
        if not self.exclude:
            return (*line.options, *line.tail)
        return (*line.options, f"--exclude={exclude_file or self.exclude}", *line.tail)

    @property
    def needs_file(self) -> bool:
        return len(self.exclude) > ARGUMENT_LIMIT


def exclude(inventory: Iterable[str], eligible: Collection[str], own: Iterable[str]) -> Rewrite:
    """Excludes all of the inventory that is not eligible, and what the user excluded."""
    return Rewrite(fold({*(node for node in inventory if node not in eligible), *own}))
