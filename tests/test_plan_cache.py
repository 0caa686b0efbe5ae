"""What keeps a plan, and what ends it; no cluster is needed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hpccompat import plan_cache
from hpccompat.launch import launch
from hpccompat.plan_cache import CachedPlan, digest_of

WORDS = ["-N1", "job.sh"]
FAKE = """#!/bin/sh
[ ! -e "$0.fails" ] || { echo "sbatch: error: $(cat "$0.fails")" >&2; exit 1; }
printf '%s\\n' "$HPCCOMPAT_RUNNING" "$@" > "$0.called"
"""


class Here:
    """A folder with a job script, a program in sbatch's place, and a plan for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script, self.store = folder / "job.sh", folder / "store"
        self.script.write_text("#!/bin/sh\n")
        self.store.mkdir()
        self.program = folder / "sbatch"
        self.program.write_text(FAKE)
        self.program.chmod(0o755)
        self.plans = folder / "cache" / "hpccompat" / "plans"

    def keep(self, until: float = 0.0, words: tuple[str, ...] = ("-N1", "-x", "n1", "job.sh")) -> None:
        paths = [str(self.script), str(self.store), str(self.folder / "absent")]
        plan = CachedPlan("", str(self.program), list(words), ["hpccompat: 1 node"])
        made_of = {path: digest_of(path) for path in paths}
        plan_cache.keep("sbatch", "", WORDS, os.environ, until or time.time() + 30, made_of, plan)

    def found(self, *words: str) -> CachedPlan | None:
        return plan_cache.find("sbatch", "", list(words or WORDS), os.environ)

    def called_with(self) -> list[str]:
        return (self.folder / "sbatch.called").read_text().splitlines()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HPCCOMPAT_RUNNING", raising=False)
    monkeypatch.chdir(tmp_path)
    return Here(tmp_path)


def test_a_kept_plan_is_submitted(here: Here, capfd: pytest.CaptureFixture[str]) -> None:
    here.keep()
    assert launch(["sbatch", *WORDS, "an argument", "--of=script"]) == 0
    assert here.called_with() == [str(os.getpid()), "-N1", "-x", "n1", "job.sh", "an argument", "--of=script"]
    assert capfd.readouterr().err == "hpccompat: 1 node\n"


CHANGES: dict[str, Callable[[Here, pytest.MonkeyPatch], object]] = {
    "the script": lambda here, _: here.script.write_text("#!/bin/sh\n#SBATCH -N2\n"),
    "the script is gone": lambda here, _: here.script.unlink(),
    "a record in the store": lambda here, _: (here.store / "new").touch(),
    "a file that was not there": lambda here, _: (here.folder / "absent").touch(),
    "Slurm's environment": lambda _, patch: patch.setenv("SBATCH_PARTITION", "p"),
    "our environment": lambda _, patch: patch.setenv("HPCCOMPAT_IMAGE", "other"),
    "where programs are found": lambda _, patch: patch.setenv("PATH", "/bin"),
    "the folder": lambda here, patch: patch.chdir(here.store),
    "the time": lambda here, _: here.keep(until=time.time() - 1),
    "others may write the plans": lambda here, _: here.plans.chmod(0o777),
    "half a plan": lambda here, _: [each.write_bytes(each.read_bytes()[:-3]) for each in here.plans.iterdir()],
    "another text in a plan": lambda here, _: [
        each.write_bytes(each.read_bytes().replace(b"n1", b"n2")) for each in here.plans.iterdir()
    ],
    "an empty plan": lambda here, _: [each.write_bytes(b"") for each in here.plans.iterdir()],
    "a pipe for a plan": lambda here, _: [(each.unlink(), os.mkfifo(each)) for each in here.plans.iterdir()],
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_ends_a_plan(here: Here, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    here.keep()
    assert here.found() is not None
    CHANGES[what](here, monkeypatch)
    assert here.found() is None


@pytest.mark.parametrize(
    "words", [("-N2", "job.sh"), ("-N1", "other.sh"), ("-N1",), ("job.sh",), ("-N1", "job.sh", "--compat=off")]
)
def test_other_words_are_another_job(here: Here, words: tuple[str, ...]) -> None:
    here.keep()
    assert here.found(*words) is None


def test_what_is_not_known_is_not_kept(here: Here) -> None:
    here.script.unlink()
    os.mkfifo(here.script)
    here.keep()
    assert not here.plans.exists()
    here.script.unlink()
    here.keep(words=("a\0b",))
    assert here.found() is None


@pytest.mark.parametrize("complaint", ["Invalid feature specification", "Invalid node name specified"])
def test_an_outdated_plan_is_made_again(here: Here, complaint: str, capfd: pytest.CaptureFixture[str]) -> None:
    here.keep()
    (here.folder / "sbatch.fails").write_text(complaint)
    assert launch(["sbatch", *WORDS]) is None
    assert here.found() is None
    assert capfd.readouterr().err == ""


def test_what_slurm_complains_of_is_passed_on(here: Here, capfd: pytest.CaptureFixture[str]) -> None:
    here.keep()
    (here.folder / "sbatch.fails").write_text("No partition")
    assert launch(["sbatch", *WORDS]) == 1
    assert capfd.readouterr().err == "hpccompat: 1 node\nsbatch: error: No partition\n"


def test_old_plans_are_removed(here: Here) -> None:
    here.keep()
    (old,) = here.plans.iterdir()
    os.utime(old, (1, 1))
    here.script.write_text("#!/bin/bash\n")
    plan = CachedPlan("", str(here.program), ["other.sh"], [])
    plan_cache.keep("sbatch", "", ["other.sh"], os.environ, time.time() + 30, {}, plan)
    assert len(list(here.plans.iterdir())) == 1
    assert here.found("other.sh") is not None


@pytest.mark.parametrize(
    "words",
    [["plan", "job.sh"], ["--output", "json", "sbatch", *WORDS], ["--config"], ["--config", "x"], [], ["sbatch"]],
)
def test_all_else_takes_the_long_way(here: Here, words: list[str]) -> None:
    here.keep()
    assert launch(words) is None


def test_a_loop_takes_the_long_way(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    here.keep()
    monkeypatch.setenv("HPCCOMPAT_RUNNING", str(os.getppid()))
    assert launch(["sbatch", *WORDS]) is None


@pytest.mark.parametrize(("command", "found"), [("sbatch", True), ("srun", False), ("salloc", False)])
def test_of_sruns_words_all_decide(here: Here, command: str, found: bool) -> None:
    """What they run may be a container runtime, and name its image."""
    plan = CachedPlan("", str(here.program), ["-xn1", "apptainer"], [])
    plan_cache.keep(command, "", ["apptainer"], os.environ, time.time() + 30, {}, plan)
    assert plan_cache.find(command, "", ["apptainer"], os.environ) is not None
    assert (plan_cache.find(command, "", ["apptainer", "exec"], os.environ) is not None) == found
