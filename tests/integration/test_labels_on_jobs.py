"""Jobs that the wrapper submits where labels are kept, on a real cluster."""

from __future__ import annotations

from hpccompat.slurm.labels import label_of
from tests.integration.line import SOLVER
from tests.integration.publishing import SOLVES, Publishing


def sbatch(here: Publishing, *options: str, status: int = 0) -> tuple[dict[str, str], str]:
    """A held job with the solver's spec, by the wrapper: its record, and what was said."""
    done = here.site.hpccompat("sbatch", "-H", f"--compat-spec={SOLVER}", "-o/dev/null", *options, "--wrap", "true")
    assert done.returncode == status, done.stderr
    return (here.slurm.job(done.stdout.split()[-1]) if status == 0 else {}), done.stderr


def comment(here: Publishing, job: dict[str, str]) -> str:
    return here.slurm.run("squeue", "-h", "-o", "%k", "-j", job["JobId"]).stdout.rstrip("\n")


def test_the_first_job_is_carried_by_exclusions_and_the_next_by_a_label(here: Publishing) -> None:
    first, _ = sbatch(here, "--comment=mine")
    assert (first["Features"], first["ExcNodeList"]) == ("(null)", "eth[1-2],ss[1-2]")
    here.publish()
    job, _ = sbatch(here, "--comment=mine")
    label, token = label_of(SOLVES.id), f"hpccompat={SOLVES.id}"
    assert (job["Features"], job["ExcNodeList"]) == (label, "(null)")
    assert comment(here, job) == f"mine {token}"
    for constraint, expected in (("amd|rack3", f"(amd|rack3)&{label}"), ("(amd|rack3)", f"(amd|rack3)&{label}")):
        job, _ = sbatch(here, "-C", constraint, "-x", "ib1")
        assert (job["Features"], job["ExcNodeList"]) == (expected, "ib1")
        here.slurm.run("scontrol", "release", job["JobId"])
        assert here.slurm.wait_for_job(job["JobId"])["NodeList"] == "ib2"


def test_where_a_label_can_not_stand_exclusions_do(here: Publishing) -> None:
    sbatch(here)
    here.publish()
    label = label_of(SOLVES.id)
    for constraint in ("amd*1", "[amd*1&rack1*1]", "amd&" * 255 + "amd"):
        job, _ = sbatch(here, "-N2", "-C", constraint)
        assert label not in job["Features"], constraint
        assert job["ExcNodeList"] == "eth[1-2],ss[1-2]"
    _, said = sbatch(here, "-C", "nosuch", status=1)
    assert "no node of the job's partitions has what --constraint=nosuch asks for" in said
    assert "Invalid feature specification" in said
    _, said = sbatch(here, "-C", "rack3", status=4)
    assert "none of the 1 nodes" in said
    _, said = sbatch(here, "-C", "x" * 1100, status=1)
    assert "too long" in said


def test_a_preference_carries_the_label_or_is_left_out(here: Publishing) -> None:
    sbatch(here)
    here.publish()
    job, _ = sbatch(here, "--prefer", "amd")
    assert f"(amd)&{label_of(SOLVES.id)}" in here.slurm.run("scontrol", "show", "job", job["JobId"]).stdout
    for options in ((), ("-C", "amd*1"), ("-C", "amd|rack3")):
        job, said = sbatch(here, "--prefer", "rack3", *options)
        assert "--prefer=rack3 is left out" in said
        here.slurm.run("scontrol", "release", job["JobId"])
        assert here.slurm.wait_for_job(job["JobId"])["NodeList"].startswith("ib"), options


def test_a_comment_without_room_stays_as_it_is(here: Publishing) -> None:
    job, said = sbatch(here, f"--comment={'c' * 1000}")
    assert "no room for our token" in said
    assert comment(here, job) == "c" * 1000


def test_a_label_that_is_gone_is_replaced_by_exclusions(here: Publishing) -> None:
    sbatch(here)
    here.publish()
    here.slurm.reconfigure()
    here.slurm.daemons.wait_until(
        lambda: not any("hc_" in lists[0] for lists in here.slurm.features().values()), "the labels are gone"
    )
    job, said = sbatch(here)
    assert (job["Features"], job["ExcNodeList"]) == ("(null)", "eth[1-2],ss[1-2]")
    assert "Invalid feature" not in said


def kept(here: Publishing) -> int:
    """How many plans are kept."""
    folder = here.slurm.directory / "cache" / "hpccompat" / "plans"
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_a_kept_plan_ends_with_what_it_was_made_of(here: Publishing) -> None:
    label = label_of(SOLVES.id)
    first, said = sbatch(here)
    assert kept(here)
    again, said_again = sbatch(here)
    assert (first["ExcNodeList"], said) == (again["ExcNodeList"], said_again)
    here.publish()
    job, _ = sbatch(here)
    assert job["Features"] == label, "the store's generation is another"
    record = here.site.store / "nodes" / "ib1.json"
    text = record.read_text()
    try:
        # A node that drifts: nothing of the publisher's has changed.
        other = record.with_name("new")
        other.write_text(text.replace('"X86_64_V3"', '"NO_V3"').replace("X86_64_V3", "NO_V3"))
        other.rename(record)
        _, said = sbatch(here, "-w", "ib1", status=4)
        assert "--nodelist names ib1" in said
    finally:
        record.write_text(text)


def test_a_label_that_goes_while_a_plan_is_kept(here: Publishing) -> None:
    sbatch(here)
    here.publish()
    job, _ = sbatch(here)
    assert job["Features"] == label_of(SOLVES.id)
    here.slurm.reconfigure()
    here.slurm.daemons.wait_until(
        lambda: not any("hc_" in lists[0] for lists in here.slurm.features().values()), "the labels are gone"
    )
    assert kept(here)
    job, said = sbatch(here)
    assert job["Features"] == "(null)"
    assert "ib" not in job["ExcNodeList"]
    assert "Invalid feature" not in said
