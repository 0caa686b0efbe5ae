"""From eligible nodes to what a component of a job asks for instead (pure).

Two carriers. Labels are Slurm features on exactly the compatible nodes, added to the user's constraint: they
follow the nodes while the job waits. Exclusions name every node that is not eligible: they are a snapshot, and always
possible.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from hpccompat.nodes.hostlist import fold
from hpccompat.slurm.constraint import conjoin
from hpccompat.slurm.labels import label_of, token_of, with_token
from hpccompat.slurm.request import JobRequest

# One argument of a command may have 128 KiB (MAX_ARG_STRLEN of Linux); longer lists go by file.
ARGUMENT_LIMIT = 100 * 1024


@dataclass(frozen=True)
class Rewrite:
    """What the component asks for instead; None leaves it as it is. `carrier`: label, exclude or none; `reason` says
    why that one. `token_left_out`: there was no room for it in the comment."""

    constraint: str | None = None
    prefer: str | None = None
    exclude: str | None = None
    comment: str | None = None
    carrier: str = "none"
    reason: str = ""
    token_left_out: bool = False

    @property
    def changes(self) -> bool:
        return any(each is not None for each in (self.constraint, self.prefer, self.exclude, self.comment))

    @property
    def needs_file(self) -> bool:
        return self.exclude is not None and len(self.exclude) > ARGUMENT_LIMIT

    def options(self, exclude_file: str | None = None) -> tuple[str, ...]:
        """As options of sbatch, srun and salloc. `exclude_file`: hands that list over in this file instead (its name
        must hold a slash)."""
        values = {
            "constraint": self.constraint,
            "prefer": self.prefer,
            "exclude": exclude_file if self.needs_file and exclude_file else self.exclude,
            "comment": self.comment,
        }
        return tuple(f"--{name}={value}" for name, value in values.items() if value is not None)


@dataclass(frozen=True)
class Restriction:
    """What a job may not leave. `ids`: its requirements. `inventory`: all nodes that there are. `eligible`: those that
    the job may use. `excluded`: those that its user excludes. `labels`: the labels of the requirements, None where
    they can't be used, and `no_labels` says why. `changeable`: Slurm may reboot nodes to change their features.
    `token`: whether the comment names the requirements."""

    ids: tuple[str, ...]
    inventory: Collection[str]
    eligible: Collection[str]
    excluded: Collection[str]
    labels: tuple[str, ...] | None = None
    no_labels: str = ""
    changeable: bool = False
    token: bool = True


def restrict(request: JobRequest, restriction: Restriction) -> Rewrite:
    """The user's constraint, preference, exclusions and comment stay, and what the job must not leave is added."""
    excluded = {node for node in restriction.inventory if node not in restriction.eligible}
    if _carried(request, restriction, excluded):
        return Rewrite(carrier="none", reason="the request carries it already")
    comment = with_token(request.comment, restriction.ids) if restriction.token else None
    rewrite = Rewrite(comment=comment, token_left_out=restriction.token and comment is None)
    if restriction.labels is None:
        reason = restriction.no_labels
    else:
        constraint = conjoin(request.constraint, restriction.labels, restriction.changeable)
        # A preference that can be met overrides the constraint (sbatch(1), --prefer), and so must carry it too.
        prefer = conjoin(request.prefer, restriction.labels, restriction.changeable)
        if constraint.text is not None and (prefer.text is not None or not request.prefer):
            return replace(
                rewrite,
                constraint=constraint.text,
                prefer=prefer.text if request.prefer else None,
                carrier="label",
                reason=f"compatible nodes carry {'&'.join(restriction.labels)}",
            )
        reason = constraint.reason or f"--prefer: {prefer.reason}"
    if excluded <= set(restriction.excluded):
        return replace(rewrite, reason="there is no node that it would have to be kept from")
    return replace(rewrite, exclude=fold({*excluded, *restriction.excluded}), carrier="exclude", reason=reason)


def without_preference(rewrite: Rewrite, request: JobRequest) -> Rewrite:
    """The same without the user's --prefer, since Slurm rejects a job where the preference alone can't give it enough
    nodes. It becomes the constraint itself: an empty one would override the constraint, and let the job start anywhere
    (22.05)."""
    return replace(rewrite, prefer=request.constraint if rewrite.constraint is None else rewrite.constraint)


def _carried(request: JobRequest, restriction: Restriction, excluded: Collection[str]) -> bool:
    """Whether another door has planned this request for the same requirements: our token, and one of the carriers."""
    if set(token_of(request.comment)) != set(restriction.ids):
        return False
    if set(excluded) <= set(restriction.excluded):
        return True
    return _bears(request.constraint, restriction.ids) and (
        not request.prefer or _bears(request.prefer, restriction.ids)
    )


def _bears(constraint: str, ids: Sequence[str]) -> bool:
    """Whether it ends with the labels, each of which then must be on every node (Slurm reads from left to right)."""
    labels = dict.fromkeys(map(label_of, ids))
    ending = "&".join(labels)
    return constraint == ending or constraint.endswith(f"&{ending}")
