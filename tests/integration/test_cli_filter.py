"""The plugin under real Slurm and real Lua: plain sbatch, srun and salloc."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpccompat.nodes.hostlist import expand
from tests.artifact.sif_bytes import sif, spec
from tests.cluster.registry import Registry
from tests.cluster.site import HPCCOMPAT, Site
from tests.integration.line import SOLVER, image_with
from tests.integration.publishing import FEATURES, NODES

STUB = Path(__file__).parents[1] / "cluster" / "pyxis_stub.c"
ALLOWED, INCOMPATIBLE = {"ib1", "ib2"}, {"eth1", "eth2", "ss1", "ss2"}
# Counts its calls, then is hpccompat.
COUNTED = '#!/bin/sh\necho >> "$0.calls"\n[ ! -e "$0.instead" ] || exec sh "$0.instead"\nexec {} "$@"\n'
HOSTILE = [
    "'; touch canary; '",
    '"; touch canary; "',
    "$(touch canary)",
    "`touch canary`",
    "a\ntouch canary\n",
    "a' \\\n; touch canary #",
    "%s%n%d",
    "-x",
    "a 5\nb",
]


class Plain:
    """A user of the site who knows nothing of hpccompat."""

    def __init__(self, site: Site, folder: Path, program: Path) -> None:
        self.site, self.folder, self.program = site, folder, program
        self.env = {"XDG_CACHE_HOME": str(folder / "cache")}
        self.spool = site.directory / "spool"

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self.site.slurm.run(*arguments, cwd=self.folder, env=self.env | env, stdin=subprocess.DEVNULL)

    def held(self, *arguments: str, **env: str) -> tuple[dict[str, str], str]:
        """A held job: its record, and what was said."""
        done = self.run("sbatch", "-H", "-o/dev/null", *arguments, **env)
        assert done.returncode == 0, done.stderr
        job_id = done.stdout.split()[-1]
        job = self.site.slurm.job(job_id)
        self.run("scancel", job_id)
        return job, done.stderr

    def script(self, *lines: str) -> str:
        (self.folder / "job.sh").write_text("\n".join(("#!/bin/sh", *lines, "true", "")))
        return "job.sh"

    def calls(self) -> int:
        file = Path(f"{self.program}.calls")
        return file.read_text().count("\n") if file.exists() else 0

    def instead(self, body: str) -> None:
        Path(f"{self.program}.instead").write_text(body)

    def plugin(self, settings: str = "", program: Path | None = None, timeout: int = 30, own: str = "") -> None:
        self.site.configure(f'spool = "{self.spool}"\n{settings}')
        self.site.install_plugin(
            f"# as a shell would read it\nHPCCOMPAT={program or self.program}\nHPCCOMPAT_CONFIG='{self.site.config}'\n"
            f'HPCCOMPAT_PLUGIN_TIMEOUT="{timeout}"\n',
            own,
        )


@pytest.fixture(scope="module")
def plugged(loopback: Path) -> Iterator[Site]:
    settings = ("CliFilterPlugins=lua",)
    site = Site(
        loopback / "plugged", NODES, features=FEATURES, partitions={"all": list(NODES)}, slurm_settings=settings
    )
    library = site.directory / "pyxis.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(STUB)], check=True)
    (site.slurm.conf.parent / "plugstack.conf").write_text(f"optional {library}\n")
    site.install_plugin()
    try:
        site.start()
        for node in NODES:
            assert site.hpccompat("features", "collect", "--node", node).returncode == 0
        yield site
    finally:
        site.stop()


@pytest.fixture
def user(plugged: Site, tmp_path: Path) -> Iterator[Plain]:
    program = tmp_path / "counted"
    program.write_text(COUNTED.format(HPCCOMPAT))
    program.chmod(0o755)
    plain = Plain(plugged, tmp_path, program)
    plain.plugin()
    yield plain
    (plugged.directory / "etc" / "disabled").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def image(registry: Registry) -> str:
    return image_with(registry, "hpc/solver:1.0", SOLVER)


def excluded(job: dict[str, str]) -> set[str]:
    return set(expand(job["ExcNodeList"].replace("(null)", "")))


def pyxis(image: str) -> str:
    return "--container-image=" + image.replace("/", "#", 1)


def test_plain_sbatch_starts_on_compatible_nodes_only(user: Plain, image: str) -> None:
    name = user.script("#SBATCH -N2 -o out.txt", f"#COMPAT image={image}", "srun sh -c 'echo $SLURMD_NODENAME'")
    done = user.run("sbatch", name)
    assert (done.returncode, "2 of 6 nodes are eligible" in done.stderr) == (0, True), done.stderr
    assert set(expand(user.site.slurm.wait_for_job(done.stdout.split()[-1])["NodeList"])) == ALLOWED
    assert set((user.folder / "out.txt").read_text().split()) == ALLOWED


@pytest.mark.parametrize("origin", ["pyxis", "#SBATCH pyxis", "pyxis variable", "ours", "path"])
def test_the_image_is_found_wherever_it_is_named(user: Plain, image: str, origin: str) -> None:
    enroot = image.replace("/", "#", 1)
    options, env, line = [], {}, ""
    if origin == "pyxis":
        options = [f"--container-image={enroot}"]
    elif origin == "#SBATCH pyxis":
        line = f"#SBATCH --container-image='{enroot}'"
    elif origin == "pyxis variable":
        env = {"PYXIS_CONTAINER_IMAGE": f"docker://somebody@{enroot}"}
    elif origin == "ours":
        env = {"HPCCOMPAT_IMAGE": image}
    else:
        options = ["--container-image=/no/such.sqsh"]
    job, said = user.held(*options, user.script(line), **env)
    assert excluded(job) == (set() if origin == "path" else INCOMPATIBLE), said


def test_the_wrapper_reads_the_same_options(user: Plain, image: str) -> None:
    for words in ((pyxis(image), "--wrap", "true"), (user.script(f"#SBATCH {pyxis(image)!r}"),)):
        done = user.site.hpccompat("plan", *words, cwd=user.folder)
        assert "2 of 6 nodes are eligible" in done.stderr, (words, done.stderr)


def test_srun_and_salloc_and_their_steps(user: Plain, image: str) -> None:
    inner = "srun sh -c 'echo $SLURMD_NODENAME'"
    done = user.run("salloc", "-Q", "-N2", pyxis(image), "sh", "-c", inner, HPCCOMPAT_IMAGE=image)
    assert (done.returncode, set(done.stdout.split())) == (0, ALLOWED), done.stderr
    assert user.calls() == 1, "the step is not planned"
    done = user.run("srun", "-N2", pyxis(image), "sh", "-c", "echo $SLURMD_NODENAME")
    assert (done.returncode, set(done.stdout.split())) == (0, ALLOWED), done.stderr


def test_a_job_that_fits_nowhere_is_refused(user: Plain, image: str) -> None:
    for command in (("sbatch", "--wrap", "true"), ("srun", "true"), ("salloc", "true")):
        done = user.run(command[0], "-w", "eth1", *command[1:], HPCCOMPAT_IMAGE=image)
        assert (done.returncode, done.stdout) == (1, "")
        assert "--nodelist names eth1" in done.stderr
        assert f"hpccompat {command[0]} --compat=warn" in done.stderr
        assert "none of 2 has class In [0207]" in done.stderr
    assert user.run("sbatch", "-H", "-w", "eth1", "--wrap", "true", HPCCOMPAT_IMAGE=image,
                    HPCCOMPAT_POLICY_NO_NODE="warn").returncode == (1 if os.geteuid() == 0 else 0)  # fmt: skip


def test_a_job_without_an_image_starts_no_process(user: Plain) -> None:
    job, said = user.held(user.script("#SBATCH -C amd"))
    assert (excluded(job), said, user.calls()) == (set(), "", 0)
    user.plugin('[policy]\nno_image = "warn"')
    _, said = user.held("--wrap", "true")
    assert "the job names no image" in said


@pytest.mark.parametrize("constraint", ["[amd*1&rack1*1]", "amd", "(amd|rack3)"])
def test_what_the_user_asked_for_stays(user: Plain, image: str, constraint: str) -> None:
    options = ("-C", constraint, "-x", "ib1", "--prefer", "rack1", "--comment", "mine")
    job, said = user.held(*options, "--wrap", "true", HPCCOMPAT_IMAGE=image)
    assert (job["Features"].split("(null)")[0], excluded(job)) == (constraint, INCOMPATIBLE | {"ib1"}), said
    assert job["Comment"] == "mine"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(user: Plain, text: str) -> None:
    for arguments, env in (
        (("--wrap", "true"), {"HPCCOMPAT_IMAGE": text}),
        ((f"--container-image={text}", "--wrap", "true"), {}),
        ((f"--comment={text}", "--wrap", "true"), {"HPCCOMPAT_IMAGE": "x"}),
        ((user.script(f"#COMPAT image={text}"),), {}),
    ):
        done = user.run("sbatch", "-H", *arguments, **env)
        assert done.returncode in (0, 1), done.stderr
        assert "hpccompat failed" not in done.stderr
        assert user.calls()
        if done.returncode == 0:
            user.run("scancel", done.stdout.split()[-1])
    name = text.replace("/", "_")
    (user.folder / name).write_text("#!/bin/sh\n#COMPAT image=127.0.0.1:1/x\n")
    user.run("sbatch", "-H", f"./{name}")
    assert not list(user.folder.glob("**/canary"))


BREAKS = {
    "fails": ("exit 3", "it gave no answer"),
    "answers nonsense": ("echo constraint 99; echo x", "it gave no answer"),
    "answers half": ("printf 'constraint 1\\nx\\n'", "it gave no answer"),
    "hangs": ("trap '' TERM; exec sleep 60", "it gave no answer (within 1 s)"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_breaks_does_not_stop_the_job(user: Plain, image: str, what: str) -> None:
    body, reason = BREAKS[what]
    user.plugin(timeout=1)
    user.instead(body)
    started = time.monotonic()
    job, said = user.held("--wrap", "true", HPCCOMPAT_IMAGE=image)
    assert time.monotonic() - started < 6
    assert (excluded(job), job["Features"]) == (set(), "(null)")
    assert "hpccompat: warning: hpccompat failed, the job is submitted as it is" in said
    assert reason in said
    user.plugin('[policy]\nbroken = "deny"', timeout=1)
    done = user.run("sbatch", "-H", "--wrap", "true", HPCCOMPAT_IMAGE=image)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the job is refused" in done.stderr


def test_hpccompat_is_missing_or_its_settings_are_broken(user: Plain, image: str) -> None:
    user.plugin(program=user.folder / "nowhere")
    _, said = user.held("--wrap", "true", HPCCOMPAT_IMAGE=image)
    assert f"{user.folder}/nowhere is not there" in said
    user.plugin("nonsense = 1")
    _, said = user.held("--wrap", "true", HPCCOMPAT_IMAGE=image)
    assert "unknown key 'nonsense'" in said


def test_the_kill_switch_and_the_modes(user: Plain, image: str) -> None:
    user.plugin('mode = "observe"')
    job, said = user.held("--wrap", "true", HPCCOMPAT_IMAGE=image)
    assert excluded(job) == set()
    assert "the job would have been rewritten" in said
    (user.site.directory / "etc" / "disabled").touch()
    before = user.calls()
    job, said = user.held("--wrap", "true", HPCCOMPAT_IMAGE=image)
    assert (excluded(job), said, user.calls()) == (set(), "", before)


def amd(user: Plain) -> Path:
    rules = "[{name: rack, matchFeatures: [{feature: hpc.fabric.kind, matchExpressions: {slingshot: {op: Exists}}}]}]"
    file = user.folder / "slingshot.yaml"
    file.write_text(f"compatibilities: [{{rules: {rules}}}]\n")
    return file


def test_each_component_of_a_heterogeneous_job_has_its_plan(user: Plain, image: str) -> None:
    name = user.script(
        "#SBATCH -x ib1 --comment=mine", f"#COMPAT image={image}", "#SBATCH hetjob", f"#COMPAT spec={amd(user)}",
        "#SBATCH hetjob", "#SBATCH -N1",
    )  # fmt: skip
    done = user.run("sbatch", "-H", name)
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.split()[-1]
    jobs = [user.site.slurm.job(f"{job_id}+{offset}") for offset in range(3)]
    user.run("scancel", job_id)
    # Slurm lets a component inherit --exclude; what was ours of it, it does not get.
    assert [excluded(each) for each in jobs] == [
        INCOMPATIBLE | {"ib1"},
        {"eth1", "eth2", "ib1", "ib2"},
        {"ib1"},
    ]


def test_wrapper_and_plugin_together(user: Plain, image: str) -> None:
    for words, expected in (((), INCOMPATIBLE), (("--compat=off",), set())):
        for _ in range(2):  # the second time by the kept plan
            done = user.site.hpccompat(
                "sbatch", "-H", f"--compat-image={image}", *words, "--wrap", "true", env={"HPCCOMPAT_IMAGE": "other"}
            )
            job_id = done.stdout.split()[-1]
            assert excluded(user.site.slurm.job(job_id)) == expected
            assert done.stderr.count("eligible") == (1 if expected else 0), done.stderr
            user.run("scancel", job_id)
    assert user.calls() == 0
    done = user.site.hpccompat("salloc", "-Q", "--compat=off", "-w", "eth1", "sbatch", "-H", "--wrap", "true",
                               env={"HPCCOMPAT_IMAGE": image})  # fmt: skip
    assert excluded(user.site.slurm.job(done.stdout.split()[-1])) == INCOMPATIBLE, "a job from inside is another job"


def test_beside_a_sites_own_functions(user: Plain, image: str) -> None:
    user.plugin(
        own="""
        function slurm_cli_setup_defaults(options, early)
            options["comment"] = "the site's"
            return slurm.SUCCESS
        end
        function slurm_cli_pre_submit(options, offset)
            options["exclude"] = "ib2"
            return hpccompat_pre_submit(options, offset)
        end
        function slurm_cli_post_submit(offset, job_id, step_id)
            hpccompat_post_submit(offset, job_id, step_id)
            return slurm.SUCCESS
        end
        """
    )
    job, _ = user.held("--wrap", "true", HPCCOMPAT_IMAGE=image)
    assert excluded(job) == INCOMPATIBLE | {"ib2"}


def test_an_answer_is_kept_while_all_is_as_it_was(user: Plain, image: str) -> None:
    name = user.script(f"#COMPAT image={image}")
    first, said = user.held(name)
    again, said_again = user.held(name)
    assert (excluded(first), said) == (excluded(again), said_again) != (set(), "")
    assert user.calls() == 1
    changes = (
        lambda: user.script("#SBATCH -N1", f"#COMPAT image={image}"),
        lambda: user.plugin("min_coverage = 0.5"),
        lambda: user.env.update(HPCCOMPAT_IMAGE="x"),
        lambda: (user.site.store / "generation").write_text("another\n"),
        lambda: [each.write_bytes(each.read_bytes()[:-4]) for each in (user.folder / "cache").rglob("plugin-*")],
        lambda: [each.write_bytes(b"") for each in (user.folder / "cache").rglob("plugin-*")],
    )
    for number, change in enumerate(changes):
        change()
        job, _ = user.held(name)
        assert user.calls() == 2 + number, f"change {number}"
        assert excluded(job) == INCOMPATIBLE
        user.held(name)
        assert user.calls() == 2 + number
    (user.site.store / "generation").unlink()


def test_a_sif_file_and_its_sidecar(user: Plain) -> None:
    image = user.folder / "solver.sif"
    image.write_bytes(sif([spec(SOLVER.read_text(), "image-compatibility.yaml", 0x4007)]))
    name = user.script(f"apptainer exec {image} solver")
    for _ in range(2):
        job, said = user.held(f"--container-image={image}", name)
        assert excluded(job) == INCOMPATIBLE, said
    assert user.calls() == 1, "the answer is kept"
    # Where nothing is declared, what the script runs is a guess.
    job, said = user.held(name)
    assert (excluded(job), "guessed from" in said) == (INCOMPATIBLE, True), said
    changes = (
        lambda: image.write_bytes(sif([spec(amd(user).read_text(), "image-compatibility.yaml", 0x4007)])),
        lambda: (user.folder / "solver.sif.compat.yaml").write_text(SOLVER.read_text()),
        lambda: (user.folder / "solver.sif.compat.yaml").write_text(amd(user).read_text()),
    )
    others = NODES.keys() - {"ss1", "ss2"}
    for change, expected in zip(changes, (others, INCOMPATIBLE, others), strict=True):
        change()
        job, said = user.held(f"--container-image={image}", name)
        assert excluded(job) == expected, said
    wrapped = user.site.hpccompat("plan", name, cwd=user.folder)
    assert f"{image} (guessed from job.sh line 2: apptainer exec)" in wrapped.stdout + wrapped.stderr


def test_a_refusal_is_not_kept(user: Plain, image: str) -> None:
    for _ in range(2):
        assert user.run("sbatch", "-w", "eth1", "--wrap", "true", HPCCOMPAT_IMAGE=image).returncode == 1
    assert user.calls() == 2


def test_a_script_from_a_pipe_is_left_to_sbatch(user: Plain) -> None:
    fifo = user.folder / "fifo"
    os.mkfifo(fifo)
    done = user.run("bash", "-c", "printf '#!/bin/sh\\n#COMPAT image=x\\n' > fifo & sbatch -H -o/dev/null ./fifo")
    assert done.returncode == 0, done.stderr


def test_the_requirement_is_left_in_the_spool(user: Plain, image: str) -> None:
    specs = user.spool / "specs"
    specs.mkdir(parents=True)
    try:
        job, _ = user.held("--comment=mine", "--wrap", "true", HPCCOMPAT_IMAGE=image)
        (left,) = specs.iterdir()
        assert job["Comment"].startswith("mine")
        assert left.name.split(".")[0] in str(job)
        left.unlink()
    finally:
        specs.rmdir()
