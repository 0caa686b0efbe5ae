"""Which nodes a job may start on, given the verdicts and what its user asked for (pure)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hpccompat.plan.selection import Selection, Verdict


@dataclass(frozen=True)
class Eligibility:
    """`state`: "" where there are compatible nodes, `no_node` where all that could be used are known not to
    be, `no_records` where none is compatible, but some are unknown. `coverage`: share of the partitions'
    nodes that have a readable record."""

    eligible: frozenset[str]
    candidates: frozenset[str]
    coverage: float
    state: str


def eligibility(
    selection: Selection,
    partition: Collection[str],
    excluded: Collection[str],
    required: Collection[str],
    reporting: Collection[str],
    min_coverage: float,
    strict: bool,
) -> Eligibility:
    """`required`: the user's --nodelist, all of which Slurm gives to the job. `reporting`: the partition's
    nodes that can be expected to have a record. `strict`: unknown nodes are never eligible.

    Nodes without a record stay eligible until enough of the others have one: a node that gets no jobs
    never runs the prolog that would report it.
    """
    compatible = selection.nodes(Verdict.COMPATIBLE)
    unknown = selection.nodes(Verdict.UNKNOWN)
    candidates = frozenset(required) or frozenset(partition) - frozenset(excluded)
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
    return Eligibility(compatible if strict else eligible, candidates, coverage, state)
