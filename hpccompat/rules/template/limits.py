"""What one run of a template may cost: it is stopped long before it could hurt the host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hpccompat.errors import EvaluationError

if TYPE_CHECKING:
    from hpccompat.rules.template.values import Value

# Nodes walked, functions called, elements visited.
STEPS = 60_000
# Steps of all templates of a spec on one node.
ALL_STEPS = 5 * STEPS
# Bytes of texts and lists made by functions, and of what is written, in all.
SIZE = 4 * 1024 * 1024
# Blocks within blocks, those of templates that call each other included.
DEPTH = 120
# Values within values.
VALUE_DEPTH = 50


class Limits:
    """Counts down. Raises EvaluationError(limit)."""

    def __init__(self, spent: int = 0) -> None:
        """`spent`: the steps of templates before this one."""
        self.allowed = max(0, min(STEPS, ALL_STEPS - spent))
        self.steps, self.size = self.allowed, SIZE
        # What this run has compiled: regular expressions and constraints.
        self.compiled: dict[tuple[str, bytes], Any] = {}

    def step(self, count: int = 1) -> None:
        self.steps -= count
        if self.steps < 0:
            which = "the template takes" if self.allowed == STEPS else "the spec's templates together take"
            most = STEPS if self.allowed == STEPS else ALL_STEPS
            raise EvaluationError("limit", f"{which} more than {most} steps")

    @property
    def taken(self) -> int:
        return self.allowed - self.steps

    def make(self, size: int) -> None:
        """Before `size` bytes are made."""
        self.size -= size
        if self.size < 0:
            raise EvaluationError("limit", f"the template makes more than {SIZE} bytes")

    def elements(self, count: int) -> None:
        """Before a list of `count` elements is made or gone through."""
        self.step(count)
        self.make(64 * count)

    def characters(self, count: int) -> None:
        """Before a text is gone through character by character."""
        self.step(count)
        self.make(count)

    def given(self, values: Iterable[Value]) -> None:
        """Before a function is called: also what is only read takes its time."""
        for value in values:
            self.steps -= 1
            if type(value) is bytes and len(value) > 255:
                self.steps -= len(value) >> 8
        self.step()


def failed(text: str) -> EvaluationError:
    """What Go reports as an error of execution."""
    return EvaluationError("template-exec", text)
