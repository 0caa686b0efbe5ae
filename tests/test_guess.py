"""Which guessed image counts, and what becomes of the job; no cluster is needed, and no registry."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from hpccompat import workflow
from hpccompat.demand import Demand
from hpccompat.errors import RegistryError, SpecError
from hpccompat.guess import LOOKUPS, Looked, conflict, distinct, look_up
from hpccompat.job_plan import Plan, Submission
from hpccompat.resolution import Resolved, Search
from hpccompat.settings import Policy, Settings
from hpccompat.slurm.inventory import Inventory
from hpccompat.slurm.inventory_cache import dump_inventory
from hpccompat.slurm.request import JobRequest
from hpccompat.spec.decode import load_spec
from hpccompat.workflow import plan_submission

FLAG = "{{feature: f.g, matchExpressions: {{{}: {{op: Exists}}}}}}"


def guessed(name: str, line: int = 1, unknown: str = "") -> Demand:
    return Demand("image", name, f"line {line}: run", (), named_to_us=False, unknown=unknown, guessed=True, line=line)


def found(kind: str) -> Resolved:
    return Resolved(
        load_spec(f"compatibilities: [{{rules: [{{name: r, matchFeatures: [{FLAG.format(kind)}]}}]}}]"),
        "sha256:0",
        "here",
    )


def test_an_image_is_looked_up_once_however_it_is_written() -> None:
    demands = [
        guessed("docker.io/library/a", 1),
        guessed("a:latest", 4),
        guessed("b", 5),
        guessed("a", 4),
        guessed("a", 9),
    ]
    one, other = distinct(demands)
    assert (str(one), str(other)) == ("docker.io/library/a (line 1: run; also lines 4, 9)", "b (line 5: run)")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("s", "s"),
        ("-", None),
        ("s-", "s"),
        ("-s", "s"),
        ("st", None),
        ("ss", "s"),
        ("s?", "s"),
        ("?", None),
        ("s!", "s"),
    ],
)
def test_one_counts_if_it_alone_leads_to_a_spec(names: str, expected: str | None) -> None:
    """s and t have a spec, ? is not known, ! is no name of an image."""
    images = {"-": "none", "!": "NO!", "?": ""}
    demands = [guessed(images.get(name, name), line, "?" * (name == "?")) for line, name in enumerate(names, 1)]

    def look(demand: Demand, deadline: float) -> Looked:
        assert 0 < deadline <= 5
        assert demand.name in ("s", "t", "none")
        return Looked(demand, found("x")) if len(demand.name) == 1 else Looked(demand, None, "no_spec", "none")

    looked, counts = look_up(demands, look, 5)
    assert (counts.demand.name if counts else None) == expected
    assert bool(conflict(looked)) == (names == "st")
    if names == "st":
        assert "s (line 1: run), t (line 2: run)" in conflict(looked)


def test_one_deadline_for_all_and_not_too_many() -> None:
    deadlines = []

    def look(demand: Demand, deadline: float) -> Looked:
        deadlines.append(deadline)
        time.sleep(0.05)
        return Looked(demand, None, "unavailable", "slow")

    look_up([guessed(f"a{number}", number) for number in range(4)], look, 0.1)
    assert deadlines == sorted(deadlines, reverse=True)
    assert deadlines[-1] == 0.1
    looked, counts = look_up([guessed(f"a{number}", number) for number in range(LOOKUPS + 1)], look, 5)
    assert (counts, len(deadlines)) == (None, 4)
    assert "not looked up" in looked[0].why


class Here:
    """A cluster of two nodes that have reported, and what names of images lead to."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.settings = Settings(store=folder, spool=folder / "spool")
        (folder / "nodes").mkdir()
        for node in ("x1", "w1"):
            features = {"flags": {"f.g": {"elements": {node[0]: {}}}}, "attributes": {}, "instances": {}}
            record = {"apiVersion": "hpccompat/v1", "kind": "NodeRecord", "node": node, "bootID": "b"}
            record |= {"collected": "2026-01-01T00:00:00Z", "collector": "c", "errors": {}, "features": features}
            (folder / "nodes" / f"{node}.json").write_text(json.dumps(record))
        inventory = Inventory({"x1": "IDLE", "w1": "IDLE"}, {"all": frozenset({"x1", "w1"})}, "all")
        (folder / "inventory.json").write_text(dump_inventory(inventory, time.time()))
        self.folder = folder
        patch.setattr(workflow, "resolve", self.resolve)

    def resolve(self, demand: Demand, search: Search) -> Resolved | None:
        if demand.name == "dead":
            raise RegistryError("no answer")
        if demand.name == "bad":
            raise SpecError("spec-type", "is bad")
        return None if demand.name == "none" else found(demand.name)

    def plan(
        self, *images: str, compat: str = "", policy: Policy | None = None, components: int = 1, mode: str = "advise",
        **request: str,
    ) -> Plan:  # fmt: skip
        script = "#!/bin/sh\n" + "".join(f"apptainer exec docker://{each} cmd\n" for each in images)
        settings = Settings(store=self.folder, spool=self.folder / "spool", mode=mode, policy=policy or Policy())
        ours = ({"--compat": (compat,)} if compat else {},)
        submission = Submission(
            (JobRequest(**request),) * components, "sbatch", ours, script=script, script_name="job.sh"
        )
        return plan_submission(submission, settings, {})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(tmp_path, monkeypatch)


DENY = Policy(**dict.fromkeys(("no_spec", "unavailable", "invalid", "no_node", "no_records", "image_unknown"), "deny"))


def test_a_guess_is_planned_and_says_so(here: Here) -> None:
    plan = here.plan("none", "x", "none")
    assert (plan.outcome, plan.rewrites[0].exclude) == ("rewritten", "w1")
    (message,) = plan.messages
    assert (message.level, message.code) == ("info", "eligible")
    assert message.text.startswith("x (guessed from job.sh line 3: apptainer exec): 1 of 2 nodes are eligible: x1; if")
    assert [(each.demand.name, each.why) for each in plan.components[0].guesses] == [
        ("none", "image none has no compatibility spec in its registry"), ("x", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("images", [("none",), ("dead",), ("none", "dead"), ("$IMAGE",)])
def test_a_guess_that_leads_nowhere_is_silent(here: Here, images: tuple[str, ...]) -> None:
    plan = here.plan(*images, policy=DENY)
    assert (plan.outcome, plan.messages) == ("unchanged", ())
    assert len(plan.components[0].guesses) == len(images)


def test_several_with_a_spec_are_named_and_change_nothing(here: Here) -> None:
    plan = here.plan("x", "none", "w", policy=DENY)
    assert plan.outcome == "unchanged"
    (message,) = plan.messages
    assert message.level == "warning"
    assert "x (job.sh line 2: apptainer exec), w (job.sh line 4: apptainer exec)" in message.text


@pytest.mark.parametrize("mode", ["advise", "enforce"])
def test_a_guess_never_refuses(here: Here, mode: str) -> None:
    for images, text in ((("z",), "none of the 2 nodes"), (("bad",), "is bad")):
        plan = here.plan(*images, policy=DENY, mode=mode)
        assert (plan.outcome, [each.level for each in plan.messages]) == ("unchanged", ["warning"])
        assert text in plan.messages[0].text
    plan = here.plan("x", policy=DENY, mode=mode, nodelist="w1")
    assert plan.outcome == "unchanged"
    assert "--nodelist names w1" in plan.messages[0].text
    assert here.plan("x", policy=DENY, mode=mode, clusters="other").messages == ()


def test_what_is_declared_comes_first(here: Here) -> None:
    script = "#!/bin/sh\napptainer exec docker://x cmd\n"
    request = JobRequest(compat={"image": ("w",)})
    plan = plan_submission(Submission((request,), script=script), here.settings, {})

    assert (plan.rewrites[0].exclude, plan.components[0].guesses) == ("x1", ())


def test_a_site_or_user_that_wants_images_declared_is_not_served_by_a_guess(here: Here) -> None:
    plan = here.plan("x", compat="require")
    assert plan.outcome == "refused"
    assert "it seems to use x (job.sh line 2: apptainer exec)" in plan.messages[0].text
    plan = here.plan("none", policy=Policy(no_image="deny"))
    assert plan.outcome == "refused"
    assert "what it seems to use leads to no spec" in plan.messages[0].text
    assert here.plan("x", policy=Policy(no_image="deny")).outcome == "rewritten"


def test_each_component_of_srun_has_its_own_command(here: Here) -> None:
    words = (("apptainer", "exec", "docker://x"), (), ("apptainer", "exec", "docker://w"))
    submission = Submission((JobRequest(),) * 3, "srun", command_words=words)
    plan = plan_submission(submission, here.settings, {})
    assert [each.exclude for each in plan.rewrites] == ["w1", None, "x1"]


def test_jobs_that_are_left_alone(here: Here) -> None:
    assert here.plan("x", compat="off").outcome == "off"
    plan = here.plan("x", components=2)
    assert (plan.outcome, plan.components[0].guesses) == ("unchanged", ())
    assert here.plan("x", mode="observe").outcome == "observed"
