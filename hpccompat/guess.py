"""Which of the images that a job's commands seem to use counts: the one that leads to a spec, if no other does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from hpccompat.demand import Demand
from hpccompat.errors import InvalidReference
from hpccompat.reference import parse_reference
from hpccompat.resolution import Resolved

# Different images that are looked up for one job; with more of them none counts.
LOOKUPS = 8
# Seconds of a lookup that begins when the time for all is nearly over.
_LEAST = 0.1


@dataclass(frozen=True)
class Looked:
    """A guessed image, as it is first named; `lines`: where else. `resolved`: what it leads to; None for nothing, and
    `why`. `state`: of the policy, then."""

    demand: Demand
    resolved: Resolved | None = None
    state: str = ""
    why: str = ""
    lines: tuple[int, ...] = ()

    def __str__(self) -> str:
        also = f"; also line{'s' * (len(self.lines) > 1)} {', '.join(map(str, self.lines))}" if self.lines else ""
        named = f"{self.demand.name} " if self.demand.name else ""
        return f"{named}({self.demand.origin}{also})"


def distinct(guesses: Sequence[Demand]) -> tuple[Looked, ...]:
    """Each image once, nothing looked up yet."""
    found: dict[str, Looked] = {}
    for demand in guesses:
        key = _key(demand)
        if key not in found:
            found[key] = Looked(demand)
        elif demand.line not in (found[key].demand.line, *found[key].lines):
            found[key] = replace(found[key], lines=(*found[key].lines, demand.line))
    return tuple(found.values())


def look_up(
    guesses: Sequence[Demand], look: Callable[[Demand, float], Looked], deadline: float
) -> tuple[tuple[Looked, ...], Looked | None]:
    """What each leads to, and the one that counts. `look`: looks one up, within so many seconds. `deadline`: for all of
    them together, in seconds."""
    found: list[Looked] = []
    ends = time.monotonic() + deadline
    known = [each for each in distinct(guesses) if not each.demand.unknown]
    for each in distinct(guesses):
        demand = each.demand
        unknown = demand.unknown or (_malformed(demand.name) if demand.kind == "image" else "")
        if unknown:
            done = Looked(demand, None, "image_unknown", unknown)
        elif len(known) > LOOKUPS:
            done = Looked(demand, None, "unavailable", f"not looked up, since the job names more than {LOOKUPS} images")
        else:
            done = look(demand, max(ends - time.monotonic(), _LEAST))
        why = done.why.removeprefix(f"{demand.origin} ").removeprefix(f"{demand.name}: ")
        found.append(replace(done, why=why, lines=each.lines))
    leading = [each for each in found if each.resolved]
    return tuple(found), leading[0] if len(leading) == 1 else None


def conflict(looked: Iterable[Looked]) -> str:
    """What to say where several lead to a spec; "" where that is not so."""
    leading = [each for each in looked if each.resolved]
    if len(leading) < 2:
        return ""
    named = ", ".join(map(str, leading))
    return f"several images of the job have a spec, and none counts unless it is declared (#COMPAT image=): {named}"


def _malformed(name: str) -> str:
    try:
        parse_reference(name)
    except InvalidReference as error:
        return str(error)
    return ""


def _key(demand: Demand) -> str:
    if demand.unknown:
        return f"? {demand.unknown}"
    if demand.kind != "image":
        return f"{demand.kind} {demand.name}"
    try:
        return str(parse_reference(demand.name))
    except InvalidReference:
        return demand.name
