"""Jobs that use Spack binaries, on a real cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.site import Site
from tests.integration.line import User
from tests.spack.mirrors import Package, layout_2, layout_3

# Older than that of any node but the one with CentOS 7.
GLIBC = Package("glibc", "2.28", "x86_64", external="/usr", provides="libc")
LEVEL = Package("app", target="x86_64_v3", needs={GLIBC: ["link"]})
HASWELL = Package("app", target="haswell", needs={GLIBC: ["link"]})
NOWHERE = Package("amx", target="sapphirerapids", needs={GLIBC: ["link"]})
FITTING = {"eth1", "eth2", "icx1", "zen1", "zen2"}


@pytest.fixture
def user(site: Site, tmp_path: Path) -> User:
    user = User(site, tmp_path)
    layout_3(tmp_path / "mirror", [LEVEL, HASWELL, NOWHERE])
    user.configure(f'spack_mirrors = ["{tmp_path}/mirror"]')
    return user


@pytest.mark.parametrize("origin", ["option", "directive", "mirror"])
def test_a_job_starts_where_the_binary_runs(user: User, origin: str) -> None:
    arguments, directive = [], ""
    if origin == "option":
        arguments = ["--compat-spack=app target=x86_64_v3"]
    elif origin == "directive":
        directive = f"\n#COMPAT spack=/{LEVEL.hash[:7]}"
    else:
        layout_2(user.folder / "other", [LEVEL])
        arguments = [f"--compat-spack={user.folder}/other#app"]
    name = user.script(directives=f"#SBATCH --nodes=5 --output=out.txt{directive}")
    job = user.job(user.run("sbatch", *arguments, name))
    assert job["JobState"] == "COMPLETED"
    assert user.nodes(job["NodeList"]) == FITTING


def test_a_plan_tells_what_only_probably_runs(user: User) -> None:
    answer = user.run("--output", "json", "plan", "-N1", "--compat-spack=app target=haswell", user.script())
    found = json.loads(answer.stdout)
    assert found["outcome"] == "rewritten"
    texts = {each["text"] for each in found["messages"] if each["code"] == "lesser_set"}
    assert any("has all instructions of haswell, but is no CPU of that line" in each for each in texts)


def test_a_binary_that_no_node_can_run_is_refused(user: User) -> None:
    answer = user.run("sbatch", "--compat-spack=amx", user.script())
    assert answer.returncode == 4
    assert "AMXTILE" in answer.stderr


@pytest.mark.parametrize(
    ("name", "status", "because"),
    [
        ("app", 4, "app means 2 binaries"),  # what can't be meant is denied
        ("nothing", 0, "no binary is meant by 'nothing'"),  # what isn't there, warned of
    ],
)
def test_names_that_lead_nowhere(user: User, name: str, status: int, because: str) -> None:
    answer = user.run("plan", f"--compat-spack={name}", user.script())
    assert answer.returncode == status
    assert because in answer.stdout + answer.stderr


def test_check_counts_the_nodes(user: User) -> None:
    answer = user.run("--output", "json", "check", "--spack", "app target=x86_64_v3", "--all")
    assert user.nodes(json.loads(answer.stdout)["eligible"]) == FITTING
