"""What one run of a template may cost: it is stopped long before it could hurt the host."""

from __future__ import annotations

from typing import Any

from hpccompat.errors import EvaluationError

# Nodes walked, functions called, elements visited.
STEPS = 50_000
# Bytes of texts and lists made by functions, and of what is written, in all.
SIZE = 4 * 1024 * 1024
# Blocks within blocks, those of templates that call each other included.
DEPTH = 120
# Values within values.
VALUE_DEPTH = 50


class Limits:
    """Counts down. Raises EvaluationError(limit)."""

    def __init__(self) -> None:
        self.steps, self.size = STEPS, SIZE
        # Regular expressions of this run, compiled.
        self.patterns: dict[bytes, Any] = {}

    def step(self, count: int = 1) -> None:
        self.steps -= count
        if self.steps < 0:
            raise EvaluationError("limit", f"the template takes more than {STEPS} steps")

    def make(self, size: int) -> None:
        """Before `size` bytes are made, or `size / 64` elements of a list. Each KiB is a step, too."""
        self.size -= size
        if self.size < 0:
            raise EvaluationError("limit", f"the template makes more than {SIZE} bytes")
        self.step(size >> 10)

    def elements(self, count: int) -> None:
        """Before a list of `count` elements is made or gone through."""
        self.step(count)
        self.make(64 * count)


def failed(text: str) -> EvaluationError:
    """What Go reports as an error of execution."""
    return EvaluationError("template-exec", text)
