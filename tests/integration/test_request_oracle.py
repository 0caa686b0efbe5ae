"""Our reader of job requests against sbatch's own: `sbatch -v --test-only` reports what it has understood."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from hpccompat.slurm.options import CommandLine, scan
from hpccompat.slurm.request import Requests, merge
from tests.cluster.report import of_report, of_request, reported
from tests.cluster.site import Site
from tests.cluster.slurm import SlurmCluster
from tests.integration.requests import Submission, submission

# The long form: HPCCOMPAT_TEST_REQUESTS=3000.
CASES = int(os.environ.get("HPCCOMPAT_TEST_REQUESTS", "420"))


class Oracle:
    """Asks both of a submission. `folder`: where it is made."""

    def __init__(self, cluster: SlurmCluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        (folder / "hosts.txt").write_text("# two\nzen1\n\neth[1-2]  # more\nzen1\n")

    def sbatch(self, words: Sequence[str], case: Submission) -> tuple[Mapping[str, object], ...]:
        (self.folder / "job.sh").write_text(case.script or "")
        answer = self.cluster.run(
            "sbatch", "-v", "--test-only", *words,
            env=case.environment, cwd=self.folder, input=case.script if case.stdin else "",
        )  # fmt: skip
        return tuple(of_report(block, str(self.folder)) for block in reported(answer.stderr))

    def ours(self, requests: Requests) -> tuple[Mapping[str, object], ...]:
        return tuple(of_request(each, str(self.folder)) for each in requests.components)


@pytest.fixture
def oracle(site: Site, tmp_path: Path) -> Oracle:
    return Oracle(site.slurm, tmp_path)


def compare(oracle: Oracle, cases: Sequence[int]) -> Counter[str]:
    """How many submissions were equal, doubted, or rejected by sbatch."""
    counted: Counter[str] = Counter()
    for seed in cases:
        case = submission(seed)
        theirs = oracle.sbatch(case.arguments, case)
        if not theirs:
            counted["rejected"] += 1
            continue
        line = scan(case.arguments, {})
        requests = merge(line, case.script or "", case.environment) if isinstance(line, CommandLine) else None
        if not isinstance(line, CommandLine) or requests is None or requests.doubts:
            counted["doubted"] += 1
            continue
        mine = oracle.ours(requests)
        assert mine == theirs, f"seed {seed}: {differences(mine, theirs)} in {case}"
        counted["equal"] += 1
        counted["of several components"] += len(theirs) > 1
        if seed % 4 == 0:
            rewritten(oracle, case, line, theirs)
            counted["rewritten"] += 1
    return counted


def rewritten(oracle: Oracle, case: Submission, line: CommandLine, before: Sequence[Mapping[str, object]]) -> None:
    """What is added to a component changes it alone, and nothing else."""
    added = [(f"--exclude=eth{index + 1}", "--comment", f"ours {index}") for index in range(len(before))]
    expected = [
        {**component, "exclude": f"eth{index + 1}", "comment": f"ours {index}"}
        for index, component in enumerate(before)
    ]
    after = oracle.sbatch(line.arguments(added), case)
    assert list(after) == expected, f"{differences(after, expected)} in {case}"


def differences(mine: Sequence[Mapping[str, object]], theirs: Sequence[Mapping[str, object]]) -> list[object]:
    found: list[object] = [
        (index, key, a[key], b[key])
        for index, (a, b) in enumerate(zip(mine, theirs, strict=False))
        for key in a
        if a[key] != b[key]
    ]
    return found + ([("components", len(mine), len(theirs))] if len(mine) != len(theirs) else [])


def test_our_request_is_sbatchs(oracle: Oracle) -> None:
    counted = compare(oracle, range(CASES))
    print(dict(counted))
    assert counted["equal"] >= CASES // 2
    assert counted["of several components"] >= CASES // 10
    assert counted["doubted"] < (counted["equal"] + counted["doubted"]) / 20
