"""`hpccompat sbatch` on a real cluster, with an image in a real registry."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cluster.registry import Registry
from tests.cluster.site import HPCCOMPAT, Site
from tests.integration.line import ALLOWED, INCOMPATIBLE, SOLVER, User, image_with


@pytest.fixture(scope="module")
def image(registry: Registry) -> str:
    return image_with(registry, "hpc/solver:1.0", SOLVER)


@pytest.fixture
def user(site: Site, tmp_path: Path) -> User:
    return User(site, tmp_path)


def test_a_job_starts_on_compatible_nodes_only(user: User, image: str) -> None:
    name = user.script(directives=f"#SBATCH --nodes=3 --output=out.txt\n#COMPAT image={image}")
    job = user.job(user.run("sbatch", name, "an", "argument"))
    assert job["JobState"] == "COMPLETED"
    assert user.nodes(job["NodeList"]) == ALLOWED
    assert user.nodes(job["ExcNodeList"]) == INCOMPATIBLE
    assert {line.split()[-1] for line in (user.folder / "out.txt").read_text().splitlines()} == ALLOWED


@pytest.mark.parametrize("origin", ["option", "separate option", "directive", "environment", "spec"])
def test_the_image_is_found_wherever_it_is_named(user: User, image: str, origin: str) -> None:
    arguments, env, directive = [], {}, ""
    if origin == "option":
        arguments = [f"--compat-image={image}"]
    elif origin == "separate option":
        arguments = ["--compat-image", image]
    elif origin == "directive":
        directive = f"#COMPAT image={image}"
    elif origin == "environment":
        env = {"HPCCOMPAT_IMAGE": f"docker://{image}"}
    else:
        arguments = ["--compat-spec", str(SOLVER)]
    plan = user.run("--output", "json", "plan", "sbatch", "-N1", *arguments, user.script(directives=directive), env=env)
    found = json.loads(plan.stdout)
    assert (found["outcome"], found["version"]) == ("rewritten", 1)
    (component,) = found["components"]
    assert component["carrier"] == "exclude"
    assert user.nodes(component["nodes"]["eligible"]) == ALLOWED
    assert user.nodes(component["nodes"]["incompatible"]) == INCOMPATIBLE
    assert component["nodes"]["counts"] == {"eligible": 3, "incompatible": 5, "error": 0, "unknown": 0}
    assert found["argv"] == ["sbatch", "-N1", f"--exclude={component['exclude']}", "job.sh"]


def test_the_users_own_exclusions_are_kept(user: User, image: str) -> None:
    (user.folder / "not.these").write_text("icx1\nzen2\n")
    for exclusion in ("icx1,zen2", "./not.these"):
        job = user.job(user.run("sbatch", "-o/dev/null", f"--compat-image={image}", "-x", exclusion, "--wrap", "true"))
        assert user.nodes(job["NodeList"]) == {"zen1"}
        assert user.nodes(job["ExcNodeList"]) == INCOMPATIBLE | {"icx1", "zen2"}


def test_a_script_from_standard_input_is_planned_and_submitted(user: User, image: str) -> None:
    script = f"#!/bin/sh\n#SBATCH -o out.txt\n#COMPAT image={image}\necho read from stdin\n"
    job = user.job(user.run("sbatch", stdin=script))
    assert user.nodes(job["ExcNodeList"]) == INCOMPATIBLE
    assert (user.folder / "out.txt").read_text() == "read from stdin\n"


def test_standard_output_and_status_are_sbatchs(user: User, image: str) -> None:
    answer = user.run("sbatch", "--parsable", "-H", f"--compat-image={image}", "--wrap", "true")
    assert answer.returncode == 0
    assert answer.stdout.strip().isdigit()
    assert user.nodes(user.site.slurm.job(answer.stdout.strip())["ExcNodeList"]) == INCOMPATIBLE
    quiet = user.run("sbatch", "-HQ", "-J", "quiet", f"--compat-image={image}", "--wrap", "true")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    job_id = user.bare("squeue", "-h", "-o", "%i", "-n", "quiet").stdout.strip()
    assert user.nodes(user.site.slurm.job(job_id)["ExcNodeList"]) == INCOMPATIBLE
    user.bare("scancel", answer.stdout.strip(), job_id)
    assert user.run("sbatch", "--help").stdout == user.bare("sbatch", "--help").stdout


def test_a_submission_inside_a_job_is_planned(user: User, image: str) -> None:
    inner = f"{user.site.directory}/inner.sh"
    Path(inner).write_text(f"#!/bin/sh\n#SBATCH -o /dev/null\n#COMPAT image={image}\ntrue\n")
    body = f"{HPCCOMPAT} --config {user.config} sbatch --parsable {inner}"
    user.job(user.bare("sbatch", "-o", "out.txt", "-w", "arm1", user.script(body)))
    inner_id = next(line for line in (user.folder / "out.txt").read_text().splitlines() if line.isdigit())
    job = user.site.slurm.wait_for_job(inner_id)
    assert user.nodes(job["ExcNodeList"]) == INCOMPATIBLE


def test_srun_and_salloc_are_planned(user: User, image: str) -> None:
    env = {"HPCCOMPAT_IMAGE": image}
    step = user.run("srun", "-N3", "sh", "-c", 'echo "$SLURMD_NODENAME $#"', "x", "a b", "--compat=off", env=env)
    assert (step.returncode, set(step.stdout.splitlines())) == (0, {f"{node} 2" for node in ALLOWED}), step.stderr
    refused = user.run("srun", "-N1", "-w", "arm1", "true", env=env)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "--nodelist names arm1" in refused.stderr
    inside = user.run("salloc", "-Q", "-N3", "srun", "sh", "-c", "echo $SLURMD_NODENAME; exit 3", env=env)
    assert (inside.returncode, set(inside.stdout.split())) == (3, ALLOWED)
    off = user.run("salloc", "-Q", "--compat=off", "-w", "snb1", "srun", "sh", "-c", "echo $SLURMD_NODENAME", env=env)
    assert (off.returncode, off.stdout) == (0, "snb1\n")
    plan = json.loads(user.run("--output", "json", "plan", "salloc", "-N1", "true", env=env).stdout)
    assert plan["argv"] == ["salloc", "-N1", "--exclude=arm1,eth[1-2],hsw1,snb1", "true"]


def test_steps_of_a_job_are_left_alone(user: User, image: str) -> None:
    body = f"{HPCCOMPAT} --config {user.config} srun --compat=warn sh -c 'echo on $SLURMD_NODENAME'"
    submitted = user.bare(
        "sbatch", "-o", "out.txt", "-w", "arm1", f"--export=ALL,HPCCOMPAT_IMAGE={image}", user.script(body)
    )
    assert user.job(submitted)["JobState"] == "COMPLETED"
    assert (user.folder / "out.txt").read_text() == "on arm1\n"


def test_partitions_decide_who_is_asked(user: User, image: str) -> None:
    refused = user.run("sbatch", "-p", "old", f"--compat-image={image}", "--wrap", "true")
    assert refused.returncode == 4
    assert "none of the 2 nodes" in refused.stderr
    assert "arm1" not in refused.stderr
    both = user.job(user.run("sbatch", "-o/dev/null", "-p", "old,all", f"--compat-image={image}", "--wrap", "true"))
    assert user.nodes(both["NodeList"]) <= ALLOWED


def test_a_plan_says_why_and_submits_nothing(user: User, image: str) -> None:
    before = user.bare("squeue", "-h", "-a", "-t", "all").stdout
    plan = user.run("plan", f"--compat-image={image}", "--wrap", "true")
    assert plan.returncode == 0
    assert "X86_64_V3 missing" in plan.stdout
    assert re.search(r"^2 +eth\[1-2\] ", plan.stdout, re.MULTILINE), "equal reasons are one row"
    assert user.bare("squeue", "-h", "-a", "-t", "all").stdout == before


def amd(user: User) -> str:
    """A spec that the AMD nodes satisfy, as a file in the user's folder."""
    rules = (
        "[{name: amd, matchFeatures: [{feature: cpu.model, matchExpressions: {vendor_id: {op: In, value: [AMD]}}}]}]"
    )
    (user.folder / "amd.yaml").write_text(f"compatibilities: [{{rules: {rules}}}]\n")
    return "amd.yaml"


def test_each_component_of_a_heterogeneous_job_has_its_image(user: User, image: str) -> None:
    (user.folder / "het.sh").write_text(
        f"#!/bin/sh\n#SBATCH -o /dev/null\n#COMPAT image={image}\n#SBATCH hetjob\n#COMPAT spec={amd(user)}\ntrue\n"
    )
    lines = ([f"--compat-image={image}", "-N1", ":", f"--compat-spec={amd(user)}", "-N1", "--wrap", "true"], ["het.sh"])
    for words in lines:
        submitted = user.run("sbatch", "-H", *words)
        assert submitted.returncode == 0, submitted.stderr
        job = int(submitted.stdout.split()[-1])
        excluded = [user.site.slurm.job(f"{job}+{offset}")["ExcNodeList"] for offset in (0, 1)]
        assert [user.nodes(each) for each in excluded] == [INCOMPATIBLE, {"arm1", "hsw1", "icx1", "snb1"}]
        user.bare("scancel", str(job))


def test_of_several_images_a_node_must_satisfy_each(user: User, image: str) -> None:
    job = user.job(
        user.run("sbatch", "-o/dev/null", f"--compat-image={image}", f"--compat-spec={amd(user)}", "--wrap", "true")
    )
    assert user.nodes(job["ExcNodeList"]) == INCOMPATIBLE | {"icx1"}


def test_an_array_has_one_plan(user: User, image: str) -> None:
    submitted = user.run("sbatch", "-H", "-a", "1-3", f"--compat-image={image}", "--wrap", "true")
    assert user.nodes(user.site.slurm.job(submitted.stdout.split()[-1])["ExcNodeList"]) == INCOMPATIBLE
    user.bare("scancel", submitted.stdout.split()[-1])


def test_a_script_from_a_pipe_is_not_read_before_sbatch_reads_it(user: User, image: str) -> None:
    command = (
        f"{HPCCOMPAT} --config {user.config} sbatch --compat-image={image} -o out.txt "
        f"<(printf '#!/bin/sh\\necho whole\\n')"
    )
    submitted = user.bare("bash", "-c", command)
    assert "is not a regular file" in submitted.stderr
    assert user.job(submitted)["JobState"] == "COMPLETED"
    assert (user.folder / "out.txt").read_text() == "whole\n"


def test_names_in_any_encoding(user: User) -> None:
    name = b"\xff\xe4.yaml".decode("utf-8", "surrogateescape")
    answer = user.run("--output", "json", "plan", f"--compat-spec={name}", "--wrap", name)
    assert answer.returncode == 4
    assert "\\udcff" in answer.stdout
    assert user.run("plan", f"--compat-spec={name}", "--wrap", name).returncode == 4


def test_what_our_tables_leave_open_sbatch_settles(user: User, image: str) -> None:
    # extra, external and extra-node-info begin so in some release; this sbatch has the last one alone.
    submitted = user.run("sbatch", "--ext", "1", "-H", f"--compat-image={image}", "--wrap", "true")
    job_id = submitted.stdout.split()[-1]
    assert user.nodes(user.site.slurm.job(job_id)["ExcNodeList"]) == INCOMPATIBLE
    user.bare("scancel", job_id)


def test_a_quiet_script_is_planned(user: User, image: str) -> None:
    job = user.job(user.run("sbatch", "-o/dev/null", user.script("true", f"#SBATCH -Q\n#COMPAT image={image}")))
    assert user.nodes(job["ExcNodeList"]) == INCOMPATIBLE
