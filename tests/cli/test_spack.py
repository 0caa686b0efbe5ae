"""Spack binaries on the command line; no cluster is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpccompat.spec.decode import load_spec
from tests.cluster.site import HOSTS
from tests.integration.line import run_hpccompat
from tests.spack.mirrors import Package, layout_2, layout_3, lockfile, tool

OLD = Package("glibc", "2.17", "x86_64", external="/usr", provides="libc")


def app(target: str, *, mpi: str = "") -> Package:
    needs = {OLD: ["link"]}
    if mpi:
        needs[Package("mpich", "4.2", "x86_64", external=mpi, provides="mpi")] = ["link"]
    return Package("app", "1.0", target, needs=needs)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recorded nodes, and a mirror with three builds of `app`."""
    tmp_path = tmp_path_factory.mktemp("spack")
    (tmp_path / "config.toml").write_text(
        f'store = "{tmp_path}/store"\nhost_root = "{HOSTS}/%n"\nspack_mirrors = ["{tmp_path}/mirror"]\n'
    )
    for root in HOSTS.iterdir():
        run_hpccompat("--config", tmp_path / "config.toml", "features", "collect", "--node", root.name)
    layout_3(tmp_path / "mirror", [app("x86_64_v3"), app("haswell"), app("sapphirerapids")])
    return tmp_path


def test_one_binary_on_all_nodes(site: Path) -> None:
    config = ("--config", site / "config.toml")
    answer = run_hpccompat(*config, "--output", "json", "check", "--spack", "app target=haswell", "--all")
    assert answer.returncode == 0
    found = json.loads(answer.stdout)
    assert found["counts"] == {"eligible": 6, "incompatible": 5, "error": 0, "unknown": 0}
    # Of these, AMD's are of another line.
    assert "has all instructions of haswell, but is no CPU of that line" in answer.stderr
    doubted = next(line for line in answer.stderr.splitlines() if "no CPU of that line" in line)
    assert "zen3-rocky9-ethernet" in doubted
    assert "haswell-centos7-infiniband" not in doubted
    exact = run_hpccompat(
        *config, "--output", "json", "check", "--spack", "app target=haswell", "--tag", "exact", "--all"
    )
    assert json.loads(exact.stdout)["counts"]["eligible"] < 6
    assert "no CPU of that line" not in exact.stderr


def test_a_name_of_several_is_a_table(site: Path) -> None:
    config = ("--config", site / "config.toml")
    answer = run_hpccompat(*config, "check", "--spack", "app", "--features", _features(site, "zen3-rocky9-infiniband"))
    assert answer.returncode == 0
    lines = [line for line in answer.stdout.splitlines() if line.startswith("app@1.0")]
    verdicts = {line.split()[1]: "incompatible" not in line for line in lines}
    assert verdicts == {"haswell": True, "x86_64_v3": True, "sapphirerapids": False}
    assert "AMXTILE missing" in answer.stdout
    rows = json.loads(run_hpccompat(*config, "--output", "json", "check", "--spack", "app", "--all").stdout)
    assert [(row["target"], row["libc"], row["verdict"]) for row in rows] == [
        ("haswell", "glibc 2.17", "6 of 11 nodes"),
        ("sapphirerapids", "glibc 2.17", "1 of 11 nodes"),
        ("x86_64_v3", "glibc 2.17", "6 of 11 nodes"),
    ]


def test_all_of_a_mirror(site: Path) -> None:
    layout_2(site / "other", [tool("zen3")])
    answer = run_hpccompat("--output", "json", "check", "--mirror", site / "other")
    assert {row["binary"].partition("@")[0] for row in json.loads(answer.stdout)} == {
        "hpctool",
        "hpcutil",
        "gcc-runtime",
    }


def test_what_is_not_installed_here_is_told(site: Path) -> None:
    """On this host; a record does not tell."""
    layout_3(site / "external", [app("x86_64", mpi="/nowhere/mpich")])
    (site / "local.toml").write_text(f'spack_mirrors = ["{site}/external"]\n')
    answer = run_hpccompat("--config", site / "local.toml", "check", "--spack", "app target=x86_64")
    assert answer.returncode == 1
    assert "mpich@4.2 at /nowhere/mpich is not there, and app@1.0/" in answer.stdout
    recorded = run_hpccompat(
        "--config", site / "local.toml", "check", "--spack", "app target=x86_64",
        "--features", _features(site, "zen3-rocky9-infiniband"),
    )  # fmt: skip
    assert recorded.returncode == 0
    assert "needs on each node mpich@4.2 at /nowhere/mpich" in recorded.stderr


def test_a_lockfile_and_a_hash(site: Path) -> None:
    (site / "spack.lock").write_text(lockfile([app("x86_64_v3"), app("sapphirerapids")]))
    config = ("--config", site / "config.toml")
    both = run_hpccompat(*config, "--output", "json", "check", "--spack", site / "spack.lock", "--all")
    assert json.loads(both.stdout)["eligible"] == "sapphirerapids-rocky9-h100"
    one = run_hpccompat(*config, "--output", "json", "check", "--spack", f"/{app('x86_64_v3').hash[:7]}", "--all")
    assert json.loads(one.stdout)["counts"]["eligible"] == 6
    elsewhere = f"{site}/mirror#/{app('x86_64_v3').hash}"
    assert (
        run_hpccompat("check", "--spack", elsewhere, "--features", _features(site, "zen3-rocky9-ethernet")).returncode
        == 0
    )


def test_generated_specs_are_ordinary_specs(site: Path) -> None:
    config = ("--config", site / "config.toml")
    answer = run_hpccompat(*config, "spec", "generate", "--spack", "app target=haswell")
    assert answer.returncode == 0
    assert answer.stdout.startswith(
        f"# app@1.0/{app('haswell').hash[:7]}, from the index of {site}/mirror\n# built on debian12"
    )
    one_line = run_hpccompat(*config, "--output", "json", "spec", "generate", "--spack", "app target=haswell").stdout
    assert load_spec(answer.stdout) == load_spec(one_line)
    (site / "spec.yaml").write_text(answer.stdout)
    assert run_hpccompat("spec", "validate", site / "spec.yaml").returncode == 0
    same = [
        json.loads(run_hpccompat(*config, "--output", "json", "check", *which, "--all").stdout)
        for which in (("--spec", site / "spec.yaml"), ("--spack", "app target=haswell"))
    ]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("words", "status", "because"),
    [
        (["--spack", "app", "--download"], 2, "'app' means 3 binaries; --download goes with one"),
        (["--spack", "nothing"], 3, "no binary is meant by 'nothing' in"),
        (["--spack", "nowhere#app"], 3, "nowhere: there is no buildcache"),
        (["--spack", "app ^mpich"], 2, "'^mpich' is not understood"),
        (["--spack", "./nothing"], 3, "./nothing: is not there"),
        (["--spack", "app", "--spec", "x.yaml"], 2, "are checked against recorded nodes"),
        (["--spack", "app target=haswell", "--spack", "app", "--all"], 2, "app means 3 binaries: app@1.0/"),
        (
            ["--spack", "app target=haswell", "--tag", "nonsense"],
            2,
            "no set has the tag nonsense (there are exact, features)",
        ),
    ],
)
def test_what_can_not_be_checked(site: Path, words: list[str], status: int, because: str) -> None:
    answer = run_hpccompat("--config", site / "config.toml", "check", *words)
    assert answer.returncode == status
    assert because in answer.stderr


def test_without_a_mirror(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    answer = run_hpccompat("--config", tmp_path / "config.toml", "check", "--spack", "app")
    assert answer.returncode == 3
    assert "app: in which mirror? Write MIRROR#SPEC, give --mirror, or set spack_mirrors" in answer.stderr


def _features(site: Path, host: str) -> Path:
    file = site / f"{host}.json"
    file.write_text(run_hpccompat("features", "discover", "--root", HOSTS / host).stdout)
    return file
