"""What a door hands over, and what it becomes: a submission, and its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hpccompat.demand import Demand, Values
from hpccompat.guess import Looked
from hpccompat.plan.requirement import Requirement
from hpccompat.plan.selection import Reason, Verdict
from hpccompat.slurm.plan import Rewrite
from hpccompat.slurm.request import JobRequest


@dataclass(frozen=True)
class Message:
    """`level`: info, warning or error. `code`: a state of the policy, or another word for programs."""

    level: str
    code: str
    text: str


@dataclass(frozen=True)
class Submission:
    """What a door hands over: a job, by component. `command`: Slurm's, that takes it. `ours`: our options, name ->
    values. `doubts`: what could not be known of the request. `misplaced`: what was surely meant for us, and does not
    reach us. `unreadable`: why its script could not be read, if that is so. `script`: its text, and `script_name` for
    people; `command_words`: what srun or salloc runs, by component; both for guesses alone."""

    components: tuple[JobRequest, ...]
    command: str = "sbatch"
    ours: tuple[Values, ...] = ()
    doubts: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()
    unreadable: str = ""
    script: str = ""
    script_name: str = ""
    command_words: tuple[tuple[str, ...], ...] = ()

    def level(self) -> str:
        """The last --compat of all components; "" without."""
        given = [value for ours in self.ours for value in ours.get("--compat", ())]
        return given[-1] if given else ""


@dataclass(frozen=True)
class Component:
    """How one component of the job was decided. `demands` and `digests` belong together; a digest is "" where there is
    none. `guesses`: the images that its commands seem to use, where it declares none; one of them may be its demand."""

    request: JobRequest
    demands: tuple[Demand, ...] = ()
    digests: tuple[str, ...] = ()
    guesses: tuple[Looked, ...] = ()
    rewrite: Rewrite = field(default_factory=Rewrite)
    requirements: tuple[Requirement, ...] = ()
    verdicts: Mapping[Verdict, frozenset[str]] = field(default_factory=dict)
    eligible: frozenset[str] = frozenset()
    reasons: tuple[Reason, ...] = ()
    refused: bool = False


@dataclass(frozen=True)
class Plan:
    """`outcome`: unchanged, rewritten, refused, off or observed. `components`: all of the job, in their order. `until`:
    how long the same request may be answered so, in seconds since the epoch; 0 for not again."""

    outcome: str
    components: tuple[Component, ...] = ()
    messages: tuple[Message, ...] = ()
    until: float = 0.0

    @property
    def rewrites(self) -> tuple[Rewrite, ...]:
        """What to submit with."""
        if self.outcome != "rewritten":
            return tuple(Rewrite() for _ in self.components)
        return tuple(each.rewrite for each in self.components)


def decision(plan: Plan, command: str) -> dict[str, object]:
    """What was decided, for the log."""
    return {
        "event": "plan",
        "command": command,
        "outcome": plan.outcome,
        "components": [
            {
                "images": [each.name or each.unknown for each in component.demands],
                "digests": list(component.digests),
                "requirements": [each.id for each in component.requirements],
                "carrier": component.rewrite.carrier,
                "eligible": len(component.eligible),
            }
            for component in plan.components
        ],
        "states": [each.code for each in plan.messages],
    }
