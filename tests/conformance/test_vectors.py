"""NFD's verdicts, case by case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.conformance.vectors import Case, expected, own_cases, own_groups, shared_cases, status, verdict


def disagreements(cases: Iterable[Case]) -> list[str]:
    """The cases in which our verdict is another."""
    ours = ((case, verdict(case)) for case in cases)
    return [f"{case['id']}: {found}" for case, found in ours if found not in list(expected(case))]


def other_reports(cases: Iterable[Case]) -> list[str]:
    """The cases that have a status list in both engines, and not the same."""
    with_status = (case for case in cases if "status" in case["expect"])
    ours = ((case, status(case)) for case in with_status)
    return [case["id"] for case, found in ours if found is not None and found != case["expect"]["status"]]


def compare(cases: list[Case], counts: Counter[str]) -> None:
    """Asserts agreement in every case, at both levels, and counts the cases."""
    assert disagreements(cases) == []
    assert other_reports(cases) == []
    counts["verdicts"] += len(cases)
    counts["reports"] += sum("status" in case["expect"] and status(case) is not None for case in cases)


@pytest.mark.parametrize("group", own_groups())
def test_own_vectors(group: str, conformance_counts: Counter[str]) -> None:
    compare(own_cases(group), conformance_counts)


NFD_GROUPS = ["nfd-api", "nfd-expression", "nfd-grouprule", "nfd-node-validator", "nfd-rule", "nfd-samples"]


@pytest.mark.parametrize("group", NFD_GROUPS)
def test_vectors_of_nfd_itself(group: str, shared: Path, conformance_counts: Counter[str]) -> None:
    compare(shared_cases(shared / "conformance", group), conformance_counts)
