"""Images that a job's commands seem to use, on a real cluster with a real registry, by wrapper and by plugin."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpccompat.nodes.hostlist import expand
from tests.cluster.registry import Registry
from tests.cluster.site import HPCCOMPAT, Site
from tests.integration.line import SOLVER, image_with
from tests.integration.publishing import FEATURES, NODES

ALLOWED, INCOMPATIBLE = {"ib1", "ib2"}, {"eth1", "eth2", "ss1", "ss2"}
COUNTED = '#!/bin/sh\necho >> "$0.calls"\nexec {} "$@"\n'
NOWHERE = "rules: [{name: never, matchFeatures: [{feature: cpu.cpuid, matchExpressions: {NO_SUCH: {op: Exists}}}]}]"
# Stands for the runtime, and says where it was started.
RUNTIME = '#!/bin/sh\necho "$SLURMD_NODENAME"\n'


@pytest.fixture(scope="module")
def plugged(loopback: Path) -> Iterator[Site]:
    settings = ("CliFilterPlugins=lua",)
    site = Site(
        loopback / "guesses", NODES, features=FEATURES, partitions={"all": list(NODES)}, slurm_settings=settings
    )
    site.install_plugin()
    try:
        site.start()
        for node in NODES:
            assert site.hpccompat("features", "collect", "--node", node).returncode == 0
        yield site
    finally:
        site.stop()


class User:
    def __init__(self, site: Site, folder: Path, counted: Path) -> None:
        self.site, self.folder, self.counted = site, folder, counted
        self.runtime = folder / "apptainer"

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        cache = {"XDG_CACHE_HOME": str(self.folder / "cache")}
        return self.site.slurm.run(*words, cwd=self.folder, env=cache | env, stdin=subprocess.DEVNULL)

    def hpccompat(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(HPCCOMPAT), "--config", str(self.site.config), *words)

    def script(self, *lines: str) -> str:
        (self.folder / "job.sh").write_text("\n".join(("#!/bin/sh", *lines, "")))
        return "job.sh"

    def calls(self) -> int:
        file = Path(f"{self.counted}.calls")
        return file.read_text().count("\n") if file.exists() else 0

    def excluded(self, submitted: subprocess.CompletedProcess[str]) -> set[str]:
        """Of a held job, which is then removed."""
        assert submitted.returncode == 0, submitted.stderr
        job_id = submitted.stdout.split()[-1]
        job = self.site.slurm.job(job_id)
        self.run("scancel", job_id)
        return set(expand(job["ExcNodeList"].replace("(null)", "")))

    def by_door(self, door: str, *words: str) -> tuple[set[str], str]:
        """What a job excludes, and what was said."""
        options = ("-H", "-o/dev/null")
        done = self.run("sbatch", *options, *words) if door == "plugin" else self.hpccompat("sbatch", *options, *words)
        return self.excluded(done), done.stderr


@pytest.fixture
def user(plugged: Site, tmp_path: Path) -> User:
    counted = tmp_path / "counted"
    counted.write_text(COUNTED.format(HPCCOMPAT))
    counted.chmod(0o755)
    plugged.configure()
    plugged.install_plugin(f"HPCCOMPAT={counted}\nHPCCOMPAT_CONFIG='{plugged.config}'\n")
    found = User(plugged, tmp_path, counted)
    found.runtime.write_text(RUNTIME)
    found.runtime.chmod(0o755)
    return found


@pytest.fixture(scope="module")
def image(registry: Registry) -> str:
    return image_with(registry, "guess/solver:1.0", SOLVER)


@pytest.fixture(scope="module")
def plain(registry: Registry) -> str:
    return registry.push_image("guess/plain:1.0")


@pytest.fixture(scope="module")
def nowhere(registry: Registry, loopback: Path) -> str:
    spec = loopback / "nowhere.yaml"
    spec.write_text(f"compatibilities: [{{{NOWHERE}}}]\n")
    return image_with(registry, "guess/nowhere:1.0", spec)


DOORS = ["wrapper", "plugin"]


@pytest.mark.parametrize("door", DOORS)
def test_a_job_starts_where_the_image_of_its_script_can_run(user: User, image: str, door: str) -> None:
    name = user.script("IMAGE=docker://" + image, "srun -n2 apptainer exec --nv \\", '  "$IMAGE" solver')
    excluded, said = user.by_door(door, name)
    assert excluded == INCOMPATIBLE, said
    assert f"{image} (guessed from job.sh line 3: apptainer exec): 2 of 6 nodes are eligible" in said
    assert "--compat=off" in said


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "line",
    ["singularity run docker://{}", "podman run {} x", "bash -c 'sarus run {} x'", "srun --container-image={1}#{2}"],
)
def test_other_runtimes(user: User, image: str, door: str, line: str) -> None:
    host, _, name = image.partition("/")
    assert user.by_door(door, user.script(line.format(image, host, name)))[0] == INCOMPATIBLE


@pytest.mark.parametrize("door", DOORS)
def test_a_command_to_wrap(user: User, image: str, door: str) -> None:
    excluded, said = user.by_door(door, "--wrap", f"apptainer exec docker://{image} solver")
    assert excluded == INCOMPATIBLE
    assert "guessed from --wrap line 1: apptainer exec" in said


@pytest.mark.parametrize("door", DOORS)
def test_what_leads_nowhere_is_not_spoken_of(user: User, plain: str, door: str) -> None:
    lines = ("apptainer exec $UNKNOWN x", "apptainer exec no.sif x", f"apptainer exec docker://{plain} x",
             "apptainer exec docker://127.0.0.1:1/dead x", "podman run NO x")  # fmt: skip
    user.site.configure("[policy]\n" + "".join(
        f'{state} = "deny"\n' for state in ("no_spec", "image_unknown", "unavailable", "invalid", "no_node")
    ))  # fmt: skip
    assert user.by_door(door, user.script(*lines)) == (set(), "")


@pytest.mark.parametrize("door", DOORS)
def test_several_images_with_a_spec_change_nothing(user: User, image: str, nowhere: str, door: str) -> None:
    name = user.script(f"apptainer exec docker://{image} x", "true", f"apptainer exec docker://{nowhere} x")
    excluded, said = user.by_door(door, name)
    assert excluded == set()
    assert "hpccompat: warning: several images of the job have a spec" in said
    assert "line 2: apptainer exec" in said
    assert "line 4: apptainer exec" in said


@pytest.mark.parametrize("door", DOORS)
def test_a_guess_does_not_refuse(user: User, nowhere: str, door: str) -> None:
    excluded, said = user.by_door(door, user.script(f"apptainer exec docker://{nowhere} x"))
    assert excluded == set()
    assert "hpccompat: warning: none of the 6 nodes" in said
    assert "guessed from job.sh line 2" in said


@pytest.mark.parametrize("door", DOORS)
def test_a_declared_image_comes_first(user: User, image: str, nowhere: str, door: str) -> None:
    name = user.script(f"#COMPAT image={image}", f"apptainer exec docker://{nowhere} x")
    excluded, said = user.by_door(door, name)
    assert excluded == INCOMPATIBLE
    assert "guessed" not in said


def test_srun_and_salloc(user: User, image: str) -> None:
    command = (str(user.runtime), "exec", f"docker://{image}", "solver")
    for words in (("srun", "-N2", *command), ("salloc", "-Q", "-N2", "srun", *command)):
        for door in (user.run, user.hpccompat):
            done = door(*words)
            assert (done.returncode, set(done.stdout.split())) == (0, ALLOWED), done.stderr
    # A kept plan is one for all words.
    other = user.hpccompat("srun", "-N6", str(user.runtime), "exec", "docker://127.0.0.1:1/dead", "solver")
    assert (other.returncode, set(other.stdout.split())) == (0, ALLOWED | INCOMPATIBLE), other.stderr


def test_most_jobs_start_no_process(user: User) -> None:
    assert user.by_door("plugin", user.script("srun solver --input image.dat")) == (set(), "")
    assert user.run("srun", "true").returncode == 0
    assert user.calls() == 0
    user.by_door("plugin", user.script("apptainer exec no.sif"))
    assert user.calls() == 1


def test_a_plan_shows_what_was_found_and_where(user: User, image: str, plain: str) -> None:
    name = user.script(
        f"apptainer exec docker://{image} x", f"podman run {plain}", "apptainer run $X", f"podman run {plain}"
    )
    shown = user.hpccompat("plan", name).stdout
    assert f"{image}  (guessed from job.sh line 2: apptainer exec)" in shown
    assert f"{plain} (job.sh line 3: podman run; also line 5): image {plain} has no compatibility spec" in shown
    assert "(job.sh line 4: apptainer run): '$X' holds a variable" in shown
    found = json.loads(user.hpccompat("--output", "json", "plan", name).stdout)
    (component,) = found["components"]
    assert (found["outcome"], component["image"]) == ("rewritten", image)
    assert component["origin"] == "job.sh line 2: apptainer exec"
    assert [(each["image"], each["lines"], each["found"]) for each in component["guesses"]] == [
        (image, [2], "spec"), (plain, [3, 5], ""), ("", [4], ""),
    ]  # fmt: skip
    refused = user.hpccompat("plan", "--compat=require", name)
    assert (refused.returncode, "it seems to use" in refused.stderr) == (4, True)


def test_a_hostile_script_runs_nothing(user: User) -> None:
    lines = ("apptainer exec $(touch canary) x", "apptainer exec `touch canary`", "podman run 'x; touch canary'",
             "apptainer exec 'docker://$(touch canary)'", "docker run \x1b[31m\udcff")  # fmt: skip
    name = "job.sh"
    (user.folder / name).write_bytes(("#!/bin/sh\n" + "\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
    for door in DOORS:
        assert user.by_door(door, name) == (set(), "")
    assert "\x1b" not in user.hpccompat("plan", name).stdout
    assert not os.path.exists(user.folder / "canary")
