"""Which nodes a job may start on, given the verdicts and what its user asked for (pure)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hpccompat.plan.selection import Selection, Verdict


@dataclass(frozen=True)
class Eligibility:
    """`chosen`: the number of each spec's set that all nodes of the job get, None for any set. `mixed`: no single set
    has enough nodes, so that the job may get nodes that satisfy different ones.

    `state`: "" where there are compatible nodes, `no_node` where all that could be used are known not to
    be, `no_records` where none is compatible, but some are unknown. `coverage`: share of the partitions'
    nodes that have a readable record."""

    eligible: frozenset[str]
    candidates: frozenset[str]
    coverage: float
    state: str
    chosen: tuple[int, ...] | None = None
    mixed: bool = False


def eligibility(
    selection: Selection,
    partition: Collection[str],
    excluded: Collection[str],
    required: Collection[str],
    reporting: Collection[str],
    min_coverage: float,
    strict: bool,
    weights: Sequence[Sequence[int]] = (),
    count: int | None = None,
) -> Eligibility:
    """`required`: the user's --nodelist, all of which Slurm gives to the job. `reporting`: the partition's
    nodes that can be expected to have a record. `strict`: unknown nodes are never eligible.

    Nodes without a record stay eligible until enough of the others have one: a node that gets no jobs
    never runs the prolog that would report it.

    `weights`: of each spec's sets. `count`: the nodes that the job needs, None for a job that surely has only one. A
    job of several gets nodes of one set, since alternatives (one fabric or another) don't mix: the set of highest
    weight that has enough of them.
    """
    compatible = selection.nodes(Verdict.COMPATIBLE)
    unknown = selection.nodes(Verdict.UNKNOWN)
    candidates = frozenset(required) or frozenset(partition) - frozenset(excluded)
    chosen, mixed = None, False
    if count is not None:
        chosen, mixed = _one_set(selection, candidates, weights, max(count, len(required), 1))
        compatible = compatible if chosen is None else selection.sets[chosen]
    reported = sum(node in selection.recorded for node in reporting)
    coverage = reported / len(reporting) if reporting else 1.0
    eligible = compatible
    if coverage < min_coverage:
        eligible |= unknown - selection.recorded

    refused = candidates - compatible - unknown
    if required and refused:
        state = "no_node"
    elif candidates & compatible and not (required and candidates - eligible):
        state = ""
    elif candidates & unknown:
        state = "no_records"
        eligible |= unknown
    else:
        state = "no_node"
    return Eligibility(compatible if strict else eligible, candidates, coverage, state, chosen, mixed)


def _one_set(
    selection: Selection, candidates: Collection[str], weights: Sequence[Sequence[int]], count: int
) -> tuple[tuple[int, ...] | None, bool]:
    """The sets, one of each spec, of highest weight that `count` candidates satisfy, the first of equals; and whether,
    for want of one, nodes of different sets would be mixed."""
    of_set = {numbers: nodes & frozenset(candidates) for numbers, nodes in selection.sets.items()}
    enough = [numbers for numbers, nodes in of_set.items() if len(nodes) >= count]

    def order(numbers: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        return -sum(each[number] for each, number in zip(weights, numbers, strict=True)), numbers

    if enough:
        return min(enough, key=order), False
    return None, len({nodes for nodes in of_set.values() if nodes}) > 1
