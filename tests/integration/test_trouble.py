"""What goes wrong on the way, and what becomes of the job then."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.registry import Registry
from tests.cluster.site import HPCCOMPAT, Site
from tests.integration.line import ALLOWED, INCOMPATIBLE, SOLVER, User, image_with

JOB = ("-H", "--wrap", "true")


@pytest.fixture
def user(site: Site, tmp_path: Path) -> Iterator[User]:
    yield User(site, tmp_path)
    site.slurm.run("scancel", "-t", "pending")


@pytest.fixture(scope="module")
def image(registry: Registry) -> str:
    return image_with(registry, "hpc/solver:1.0", SOLVER)


@pytest.fixture
def silent() -> Iterator[str]:
    """A registry that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def went_through(user: User, *arguments: str, warning: str) -> None:
    answer = user.run("sbatch", *arguments, *JOB)
    assert answer.returncode == 0, answer.stderr
    assert warning in answer.stderr
    assert "warning" in answer.stderr
    assert user.site.slurm.job(answer.stdout.split()[-1])["ExcNodeList"] == "(null)"


def refused(user: User, *arguments: str, because: str) -> str:
    answer = user.run("sbatch", *arguments, *JOB)
    assert (answer.returncode, answer.stdout) == (4, ""), answer.stderr
    assert because in answer.stderr
    return answer.stderr


def test_a_dead_registry(user: User) -> None:
    option = "--compat-image=127.0.0.1:1/hpc/solver:1.0"
    went_through(user, option, warning="registry 127.0.0.1:1 can't be reached: Connection refused")
    user.configure('[policy]\nunavailable = "deny"')
    refused(user, option, because="Connection refused")


def test_a_silent_registry_is_given_up_at_the_deadline(user: User, silent: str) -> None:
    user.configure("deadline = 1")
    started = time.monotonic()
    went_through(user, f"--compat-image={silent}/hpc/solver:1.0", warning=f"registry {silent}")
    assert time.monotonic() - started < 4


def test_an_unknown_image(user: User, registry: Registry) -> None:
    name = f"{registry.host}/hpc/solver:9.9"
    went_through(user, f"--compat-image={name}", warning=f"image {name} is not in the registry")
    assert user.run("check", "--image", name, "--all").returncode == 3


def test_an_image_without_a_spec(user: User, registry: Registry) -> None:
    name = registry.push_image("hpc/plain:1.0")
    went_through(user, f"--compat-image={name}", warning="has no compatibility spec")
    user.configure('[policy]\nno_spec = "deny"')
    refused(user, f"--compat-image={name}", because="has no compatibility spec")


def test_a_wrong_name_of_an_image(user: User) -> None:
    refused(user, "--compat-image=hpc/Solver", because="'hpc/Solver' is not the name of an image")


def test_an_operator_with_a_typo(user: User, registry: Registry, tmp_path: Path) -> None:
    spec = tmp_path / "typo.yaml"
    spec.write_text(SOLVER.read_text().replace("op: Exists", "op: Exist", 1))
    name = image_with(registry, "hpc/typo:1.0", spec)
    text = refused(user, f"--compat-image={name}", because="unknown operator 'Exist', did you mean Exists?")
    assert "compatibilities[0].rules[0].matchFeatures[0].matchExpressions.X86_64_V3.op" in text
    assert "--compat=warn" in text
    went_through(user, f"--compat-image={name}", "--compat=warn", warning="unknown operator")


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("compatibilities: [\n", "line 2"),
        ("compatibilities: {a: b}", "compatibilities: must be a list, not a mapping"),
        ("compatibilities:\n- rules:\n  - name: [x]\n", "line 3, column 11: compatibilities[0].rules[0].name"),
        ("x: 1", "compatibilities: is empty"),
        ("a: &a [x]\n" + "b: [" + "*a," * 200 + "]", "aliases"),
    ],
)
def test_a_wrong_spec_names_the_place(user: User, tmp_path: Path, text: str, because: str) -> None:
    (tmp_path / "spec.yaml").write_text(text)
    refused(user, "--compat-spec", "spec.yaml", because=because)


def test_a_spec_file_that_is_not_there(user: User) -> None:
    refused(user, "--compat-spec", "nowhere.yaml", because="spec file nowhere.yaml: No such file")


def test_a_tag_that_no_set_has(user: User, image: str) -> None:
    refused(user, f"--compat-image={image}", "--compat-tag=gpu", because="no set has the tag gpu")


def test_a_truncated_record(user: User, image: str) -> None:
    store = user.own_store()
    record = store / "nodes" / "zen1.json"
    record.write_bytes(record.read_bytes()[:300])
    selection = user.run("--output", "json", "check", "--image", image, "--all")
    assert json.loads(selection.stdout)["unknown"] == "zen1"
    assert "record of node zen1 is unreadable" in selection.stdout
    # 7 of 8 nodes have a readable record: below the coverage, the unknown node may still be used ...
    plan = json.loads(user.run("--output", "json", "plan", f"--compat-image={image}", *JOB).stdout)
    assert user.nodes(plan["components"][0]["nodes"]["eligible"]) == ALLOWED
    # ... above it, it may not.
    user.configure("min_coverage = 0.5")
    plan = json.loads(user.run("--output", "json", "plan", f"--compat-image={image}", *JOB).stdout)
    assert user.nodes(plan["components"][0]["nodes"]["eligible"]) == ALLOWED - {"zen1"}
    assert user.nodes(plan["components"][0]["exclude"]) == INCOMPATIBLE | {"zen1"}


def test_no_records_of_the_compatible_nodes(user: User, image: str) -> None:
    store = user.own_store()
    for node in ALLOWED:
        (store / "nodes" / f"{node}.json").unlink()
    answer = user.run("sbatch", f"--compat-image={image}", *JOB)
    assert "no node is known to be compatible" in answer.stderr
    excluded = user.site.slurm.job(answer.stdout.split()[-1])["ExcNodeList"]
    assert user.nodes(excluded) == INCOMPATIBLE, "the unknown nodes may be used, those known to be wrong not"
    refused(user, f"--compat-image={image}", "--compat=require", because="no node is known to be compatible")
    user.configure('[policy]\nno_records = "deny"')
    refused(user, f"--compat-image={image}", because="no node is known to be compatible")


def test_the_store_is_missing(user: User, image: str, tmp_path: Path) -> None:
    user.configure(store=tmp_path / "nothing")
    went_through(user, f"--compat-image={image}", warning="the store of node records can't be read")
    assert user.run("check", "--image", image, "--all").returncode == 3


def test_a_nodes_name_with_a_slash(user: User, tmp_path: Path) -> None:
    store = tmp_path / "store"
    user.configure(store=store)
    answer = user.run("features", "collect", "--node", "../etc/passwd")
    assert answer.returncode == 2
    assert "can't be a node's name" in answer.stderr
    assert not store.exists()


def test_slurms_commands_are_missing(user: User, image: str, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    answer = user.run("sbatch", f"--compat-image={image}", *JOB, env={"PATH": str(folder)})
    assert answer.returncode == 3
    assert "sbatch is not in the PATH" in answer.stderr
    (folder / "sbatch").symlink_to("/usr/bin/sbatch")
    env = {"PATH": str(folder), "XDG_CACHE_HOME": str(tmp_path / "empty")}
    answer = user.run("sbatch", f"--compat-image={image}", *JOB, env=env)
    assert answer.returncode == 0
    assert "scontrol is not in the PATH" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "script"),
    [
        (["--nosuch"], "#!/bin/sh\n"),
        (["-N", "many"], "#!/bin/sh\n"),
        ([], "no interpreter\n"),
        ([], "#!/bin/sh\r\n"),
        (["-C", "nosuch"], "#!/bin/sh\n"),
        (["-p", "nosuch"], "#!/bin/sh\n"),
        (["-x", "nosuch9"], "#!/bin/sh\n"),
        (["-x", "n[1-"], "#!/bin/sh\n"),
    ],
)
def test_what_slurm_rejects_is_rejected_in_its_words(user: User, image: str, arguments: list[str], script: str) -> None:
    (user.folder / "job.sh").write_text(script)
    bare = user.bare("sbatch", *arguments, "job.sh")
    ours = user.run("sbatch", f"--compat-image={image}", *arguments, "job.sh")
    assert bare.returncode != 0
    assert ours.returncode == bare.returncode
    assert ours.stdout == bare.stdout
    assert ours.stderr.endswith(bare.stderr), ours.stderr


def test_the_users_own_wishes_leave_nothing(user: User, image: str) -> None:
    option = f"--compat-image={image}"
    text = refused(user, option, "-x", "icx1,zen[1-2]", because="none of the 5 nodes that the job could use can run")
    assert "eth[1-2]" in text
    text = refused(user, option, "-w", "zen1,hsw1", because="--nodelist names hsw1")
    assert "major is '3'" in text
    refused(user, option, "-x", ",".join(ALLOWED | INCOMPATIBLE), because="no node is left for the job")
    went_through(user, option, "-w", "hsw1", "--compat=warn", warning="--nodelist names hsw1")


def test_more_nodes_than_there_are(user: User, image: str) -> None:
    answer = user.run("sbatch", f"--compat-image={image}", "-N4", "--wrap", "true")
    assert "asks for 4 nodes, and only 3 are eligible" in answer.stderr
    assert "Requested node configuration is not available" in answer.stderr
    assert answer.returncode == 1


def test_modes_and_the_kill_switch(user: User, image: str) -> None:
    option = f"--compat-image={image}"
    user.configure('mode = "observe"')
    answer = user.run("sbatch", option, *JOB)
    assert "would have been rewritten" in answer.stderr
    assert user.site.slurm.job(answer.stdout.split()[-1])["ExcNodeList"] == "(null)"
    plan = json.loads(user.run("--output", "json", "plan", option, "-x", "icx1,zen[1-2]", *JOB).stdout)
    assert plan["outcome"] == "observed"

    user.configure('mode = "enforce"')
    for level in ("off", "warn"):
        refused(user, option, f"--compat={level}", "-w", "arm1", because="has no effect: the site's mode is enforce")

    user.configure()
    (user.folder / "disabled").touch()
    answer = user.run("sbatch", option, *JOB)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert user.site.slurm.job(answer.stdout.split()[-1])["ExcNodeList"] == "(null)"


def test_a_job_without_image_is_left_alone(user: User) -> None:
    answer = user.run("sbatch", *JOB)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert user.run("sbatch", "--compat=off", "--compat-image=nowhere.invalid/x", *JOB).stderr == ""
    refused(user, "--compat=require", because="names no image")


def test_decisions_are_logged_where_the_site_asks_for_it(user: User, image: str) -> None:
    log = user.folder / "decisions"
    user.configure(f'log = "{log}"')
    user.run("sbatch", f"--compat-image={image}", *JOB)
    user.run("sbatch", f"--compat-image={image}", "-w", "arm1", *JOB)
    user.run("sbatch", *JOB)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [each["outcome"] for each in lines] == ["rewritten", "refused", "unchanged"]
    assert lines[0]["components"][0]["images"] == [image]
    assert lines[0]["components"][0]["eligible"] == 3
    assert "no_node" in lines[1]["states"]
    for place in (user.folder, user.folder / "none" / "here", Path("/dev/full")):
        user.configure(f'log = "{place}"')
        assert user.run("sbatch", f"--compat-image={image}", *JOB).returncode == 0, "a job is worth more than a line"


def test_whatever_breaks_in_us_does_not_stop_the_job(user: User, image: str) -> None:
    user.configure("nonsense = 1")
    went_through(user, f"--compat-image={image}", warning=f"{user.config}: unknown key 'nonsense'")
    sabotage = (
        "import sys, hpccompat.workflow as workflow, hpccompat.cli.main as main\n"
        "def broken(*_): raise ZeroDivisionError('a fault of ours')\n"
        "workflow.plan_submission = broken\n"
        "sys.exit(main.main(sys.argv[1:]))"
    )
    python = str(HPCCOMPAT.parent / "python")
    arguments = ("-c", sabotage, "--config", str(user.config), "sbatch", f"--compat-image={image}", *JOB)
    user.configure()
    answer = user.bare(python, *arguments)
    assert answer.returncode == 0
    assert "submitted as it is: ZeroDivisionError: a fault of ours" in answer.stderr
    user.configure('[policy]\nbroken = "deny"')
    assert user.bare(python, *arguments).returncode == 4


def test_wrong_use_of_our_own_options(user: User, image: str) -> None:
    answer = user.run("sbatch", "--compat=maybe", *JOB)
    assert (answer.returncode, answer.stdout) == (2, "")
    went_through(user, f"--compat-image={image}", "--compat-image=127.0.0.1:1/other", warning="can't be reached")
    refused(user, f"--compat-image={image}", "--compat-spec=x.yaml", because="spec file x.yaml: No such file")


def test_a_value_with_a_line_break_never_costs_the_users_exclusions(user: User, image: str) -> None:
    for comment in ("x\nsbatch: end of defined options", "x\nsbatch: exclude             : arm1"):
        answer = user.run("sbatch", f"--compat-image={image}", f"--comment={comment}", "-x", "zen1", *JOB)
        excluded = user.nodes(user.site.slurm.job(answer.stdout.split()[-1])["ExcNodeList"])
        assert excluded == INCOMPATIBLE | {"zen1"}


def test_hostlists_as_people_write_them(user: User, image: str) -> None:
    option = f"--compat-image={image}"
    for own in ("zen1,", "zen1 icx1", "zen[1],,icx1"):
        answer = user.run("sbatch", option, "-x", own, *JOB)
        assert answer.returncode == 0, answer.stderr
        excluded = user.nodes(user.site.slurm.job(answer.stdout.split()[-1])["ExcNodeList"])
        assert excluded >= INCOMPATIBLE | {"zen1"}
    assert user.run("sbatch", option, "-w", "zen1 zen2", *JOB).returncode == 0
    bare = user.bare("sbatch", "-w", "nosuch", *JOB)
    assert user.run("sbatch", option, "-w", "nosuch", *JOB).stderr.endswith(bare.stderr)


def test_the_script_that_is_read_is_the_one_that_is_submitted(user: User, image: str) -> None:
    (user.folder / "sub").mkdir()
    (user.folder / "sub" / "job.sh").write_text(f"#!/bin/sh\n#COMPAT image={image}\ntrue\n")
    (user.folder / "job.sh").write_text("#!/bin/sh\n#COMPAT image=127.0.0.1:1/other\ntrue\n")
    for change in (["-D", "sub"], ["--chdir=sub"], ["-HDsub"]):
        answer = user.run("sbatch", *change, "-H", "-o/dev/null", "job.sh")
        assert user.nodes(user.site.slurm.job(answer.stdout.split()[-1])["ExcNodeList"]) == INCOMPATIBLE


def test_a_wrapper_called_sbatch_is_noticed(user: User, image: str) -> None:
    folder = user.folder / "bin"
    folder.mkdir()
    (folder / "sbatch").write_text(f'#!/bin/sh\n{HPCCOMPAT} --config {user.config} sbatch "$@"\n')
    (folder / "sbatch").chmod(0o755)
    path = {"PATH": f"{folder}:{user.site.slurm.environment['PATH']}"}
    for arguments in ([], [f"--compat-image={image}"]):
        answer = user.run("sbatch", *arguments, *JOB, env=path)
        assert answer.returncode == 3
        assert "is hpccompat itself" in answer.stderr


def test_what_is_misplaced_is_told(user: User) -> None:
    (user.folder / "job.sh").write_text("#!/bin/sh\n#COMPAT image: hpc/solver\n")
    answer = user.run("sbatch", "-H", "job.sh", "--compat-spec=x.yaml")
    assert answer.returncode == 0
    assert "'#COMPAT image: hpc/solver' is not understood" in answer.stderr
    assert "--compat-spec=x.yaml stands after the script's name" in answer.stderr
