"""From eligible nodes to the arguments of the submission (pure).

Two carriers. Labels are Slurm features on exactly the compatible nodes, added to the user's constraint: they
follow the nodes while the job waits. Exclusions name every node that is not eligible: they are a snapshot, and always
possible.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from hpccompat.nodes.hostlist import fold
from hpccompat.slurm.constraint import conjoin
from hpccompat.slurm.labels import with_token
from hpccompat.slurm.options import CommandLine
from hpccompat.slurm.request import JobRequest

# One argument of a command may have 128 KiB (MAX_ARG_STRLEN of Linux); longer lists go by file.
ARGUMENT_LIMIT = 100 * 1024


@dataclass(frozen=True)
class Rewrite:
    """What the job asks for instead; None leaves it as it is. `exclude`: everything that the job must not start on, the
    user's own exclusions included, "" for none. `carrier`: label, exclude or none; `reason` says why that one."""

    exclude: str = ""
    constraint: str | None = None
    prefer: str | None = None
    comment: str | None = None
    carrier: str = "none"
    reason: str = ""

    def arguments(self, line: CommandLine, exclude_file: str | None = None) -> tuple[str, ...]:
        """sbatch's arguments. Ours stand last among the options: of options given twice Slurm takes the last.

        `exclude_file`: hands the list over in this file instead (its name must hold a slash)."""
        values = {
            "constraint": self.constraint,
            "prefer": self.prefer,
            "exclude": exclude_file or self.exclude or None,
            "comment": self.comment,
        }
        return (
            *line.options,
            *(f"--{name}={value}" for name, value in values.items() if value is not None),
            *line.tail,
        )

    @property
    def needs_file(self) -> bool:
        return len(self.exclude) > ARGUMENT_LIMIT


def exclude(inventory: Iterable[str], eligible: Collection[str], own: Iterable[str], reason: str = "") -> Rewrite:
    """Excludes all of the inventory that is not eligible, and what the user excluded."""
    names = fold({*(node for node in inventory if node not in eligible), *own})
    return Rewrite(names, carrier="exclude", reason=reason)


def label(request: JobRequest, labels: Sequence[str]) -> Rewrite | str:
    """The user's constraint, and the labels. Where the two can't stand together, why not."""
    constraint = conjoin(request.constraint, labels)
    if constraint.text is None:
        return f"--constraint: {constraint.reason}"
    # A preference that can be met overrides the constraint (sbatch(1), --prefer), and so must carry them too.
    prefer = conjoin(request.prefer, labels) if request.prefer else None
    if prefer is not None and prefer.text is None:
        return f"--prefer: {prefer.reason}"
    return Rewrite(
        constraint=constraint.text,
        prefer=prefer.text if prefer else None,
        carrier="label",
        reason=f"compatible nodes carry {'&'.join(labels)}",
    )


def without_preference(rewrite: Rewrite, request: JobRequest) -> Rewrite:
    """The same without the user's --prefer, since Slurm rejects a job where the preference alone can't give it enough
    nodes. It becomes the constraint itself: an empty one would override the constraint, and let the job start anywhere
    (22.05)."""
    return replace(rewrite, prefer=request.constraint if rewrite.constraint is None else rewrite.constraint)


def signed(rewrite: Rewrite, request: JobRequest, ids: Sequence[str]) -> Rewrite | None:
    """With our token in the comment; None where the user's own leaves no room for it."""
    comment = with_token(request.comment, ids)
    return None if comment is None else replace(rewrite, comment=comment)
