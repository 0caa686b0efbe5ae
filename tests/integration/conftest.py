"""Every test here runs real daemons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.publishing import Publishing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="module")
def running(loopback: Path, request: pytest.FixtureRequest) -> Iterator[Publishing]:
    """One for each module of tests."""
    from tests.cluster.site import Site
    from tests.integration.publishing import FEATURES, NODES, Publishing

    site = Site(loopback / request.module.__name__, NODES, features=FEATURES, partitions={"all": list(NODES)})
    found = Publishing(site)
    found.specs.mkdir(parents=True)
    found.specs.chmod(0o1777)
    found.configure()
    try:
        site.start()
        for node in NODES:
            assert site.hpccompat("features", "collect", "--node", node).returncode == 0
        yield found
    finally:
        site.stop()


@pytest.fixture
def here(running: Publishing) -> Publishing:
    running.clear()
    return running
