"""Prints how many recorded cases agree, at both levels."""

from __future__ import annotations

from collections import Counter

import pytest

_COUNTS = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session")
def conformance_counts(pytestconfig: pytest.Config) -> Counter[str]:
    return pytestconfig.stash.setdefault(_COUNTS, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash.get(_COUNTS, Counter())
    if counts:
        terminalreporter.write_line(
            "NFD's recorded answers, agreeing: " + ", ".join(f"{n} {what}" for what, n in counts.items())
        )
