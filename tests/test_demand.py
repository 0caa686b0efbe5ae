"""What a job says it needs, and what its commands seem to use."""

from __future__ import annotations

import pytest

from hpccompat.demand import Demand, find_demands, guess_demands
from hpccompat.slurm.request import JobRequest

SCRIPT = "#!/bin/sh\n#SBATCH -N1\napptainer exec docker://r.org/a:1 x\nsrun apptainer exec $IMG x\n"
COMPAT = {"image": ("r.org/c",), "tag": ("t, u",)}


@pytest.mark.parametrize(
    ("ours", "request_", "environment", "expected"),
    [
        ({"--compat-image": ("a", "b", "a")}, JobRequest(compat=COMPAT), {"HPCCOMPAT_IMAGE": "d"}, [
            Demand("image", "a", "--compat-image", ("t", "u")), Demand("image", "b", "--compat-image", ("t", "u")),
        ]),
        ({}, JobRequest(compat=COMPAT), {"HPCCOMPAT_IMAGE": "d"}, [
            Demand("image", "r.org/c", "#COMPAT image=", ("t", "u")),
        ]),
        ({}, JobRequest(container="/x"), {"HPCCOMPAT_IMAGE": "d"}, [Demand("image", "d", "HPCCOMPAT_IMAGE")]),
        ({"--compat-tag": ("v",)}, JobRequest(container="/x"), {}, [
            Demand("image", "/x", "--container", ("v",), named_to_us=False),
        ]),
        ({}, JobRequest(), {}, []),
    ],
)  # fmt: skip
def test_the_first_place_that_declares_anything_counts(
    ours: dict[str, tuple[str, ...]], request_: JobRequest, environment: dict[str, str], expected: list[Demand]
) -> None:
    assert list(find_demands(ours, request_, environment)) == expected


def test_images_of_a_script_are_guessed_with_their_lines() -> None:
    known, unknown = guess_demands(JobRequest(compat={"tag": ("t",)}), SCRIPT, (), "job.sh")
    origin = "job.sh line 3: apptainer exec"
    assert known == Demand("image", "r.org/a:1", origin, ("t",), named_to_us=False, guessed=True, line=3)
    assert (unknown.name, unknown.line, unknown.origin) == ("", 4, "job.sh line 4: apptainer exec")
    assert "'$IMG' holds a variable" in unknown.unknown


def test_the_words_of_srun_have_no_line() -> None:
    (found,) = guess_demands(JobRequest(), "", ("apptainer", "exec", "docker://r.org/a", "x"))
    assert (found.name, found.origin, found.line, found.guessed) == ("r.org/a", "apptainer exec", 0, True)
    assert guess_demands(JobRequest(), "", ("sh", "-c", "apptainer exec /a.sif"))[0].name == "/a.sif"
    assert guess_demands(JobRequest(), "", ("echo", "apptainer")) == ()


@pytest.mark.parametrize("script", ["", "#!/bin/sh\necho\n", SCRIPT.replace("sh\n", "python3\n", 1)])
def test_most_scripts_name_none(script: str) -> None:
    assert guess_demands(JobRequest(), script, ()) == ()
