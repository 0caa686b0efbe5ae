"""The cluster and the registry that the integration tests share; each is started once, when first needed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.registry import Registry
from tests.cluster.site import Site
from tests.demo import NODES

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Data that lies beside the project and is not part of it."""
    if not SHARED.is_dir():
        pytest.skip(f"there is no {SHARED.name}/ beside the project: recorded data of others stays there")
    return SHARED


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody else trusts, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    pair = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-out", str(pair[0]), "-keyout", str(pair[1])],
        check=True, capture_output=True,
    )  # fmt: skip
    return pair


@pytest.fixture(scope="session")
def loopback() -> Iterator[Path]:
    """A folder that every user may enter, as munge wants it."""
    directory = Path(tempfile.mkdtemp(prefix="hpccompat-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def site(loopback: Path) -> Iterator[Site]:
    """Eight nodes, all of which have reported by the prolog of their first job."""
    site = Site(loopback / "site", NODES, partitions={"all": list(NODES), "old": ["hsw1", "snb1"]})
    try:
        site.start()
        first = site.slurm.run("sbatch", f"--nodes={len(NODES)}", "--output=/dev/null", "--wrap", "true")
        site.slurm.wait_for_job(first.stdout.split()[-1])
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="session")
def registry(loopback: Path) -> Iterator[Registry]:
    registry = Registry(loopback / "registry")
    try:
        registry.start()
        yield registry
    finally:
        registry.stop()
