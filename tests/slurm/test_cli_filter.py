"""What plugin and hook tell each other; the plugin's side is tried under real Slurm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import UsageError
from hpccompat.slurm.cli_filter import decode_fields, encode_fields, read_question

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAME = st.from_regex(r"[a-z/-]{1,20}", fullmatch=True)


@given(st.lists(st.tuples(NAME, TEXT)))
def test_fields_come_back_as_they_were(fields: list[tuple[str, str]]) -> None:
    assert decode_fields(encode_fields(fields)) == fields


@given(st.binary(max_size=60))
def test_nothing_else_is_read(data: bytes) -> None:
    try:
        decode_fields(data)
    except UsageError:
        pass


def asked(**fields: str) -> bytes:
    all_of = {"version": "1", "type": "sbatch", "offset": "0", **fields}
    return encode_fields([(name.replace("_", "-"), value) for name, value in all_of.items()])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"nodes": "1-0", "ntasks": "1"}, (1, False)),
        ({"nodes": "4-4", "ntasks": "1"}, (4, False)),
        ({"nodes": "1", "ntasks": "1"}, (1, True)),
        ({"nodes": "4", "ntasks": "2"}, (2, False)),
        ({}, (1, False)),
    ],
)
def test_numbers_of_nodes_as_slurm_prints_them(fields: dict[str, str], expected: tuple[int, bool]) -> None:
    request = read_question(asked(**fields)).request
    assert (request.min_nodes, request.one_node) == expected


def test_slurms_words_for_nothing() -> None:
    request = read_question(asked(constraint="unset", exclude="(null)", comment="invalid-context")).request
    assert (request.constraint, request.exclude, request.comment) == ("", "", "")


def test_each_component_has_its_lines_of_the_script() -> None:
    script = "#!/bin/sh\n#COMPAT image=a\n#SBATCH hetjob\n#COMPAT image=b\n#COMPAT nonsense\n"
    found = [read_question(asked(offset=str(offset), script=script)) for offset in range(3)]
    assert [each.request.compat for each in found] == [{"image": ("a",)}, {"image": ("b",)}, {}]
    assert found[0].unread == ("#COMPAT nonsense",)
    assert read_question(asked(type="salloc", script=script)).request.compat == {}


@pytest.mark.parametrize("fields", [{"version": "0"}, {"type": "scrontab"}, {"offset": "x"}])
def test_questions_of_others(fields: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        read_question(asked(**fields))


def test_what_the_job_runs_is_handed_over() -> None:
    script = "#!/bin/sh\napptainer exec a.sif\n"
    found = read_question(asked(script=script, script_name="x/job.sh"))
    assert (found.script, found.script_name, found.words) == (script, "job.sh", ())
    found = read_question(asked(wrap="apptainer exec a.sif"))
    assert (found.script, found.script_name) == ("apptainer exec a.sif", "--wrap")
    words = encode_fields([("argv/1", "apptainer"), ("argv/2", "unset"), ("argv/10", "")])
    assert read_question(asked(type="srun") + words).words == ("apptainer", "unset", "")
    assert read_question(asked(type="srun", offset="1") + words).words == ("apptainer", "unset", "")
    assert read_question(asked() + words).words == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("salloc -N 2 -- srun apptainer exec -n x", ("srun", "apptainer", "exec", "-n", "x")),
        ("salloc -N1 : -N2 apptainer", ()),
        ("salloc --strange apptainer", ()),
        ("salloc", ()),
    ],
)
def test_what_salloc_runs_stands_in_its_command_line(line: str, expected: tuple[str, ...]) -> None:
    words = encode_fields([(f"command-line/{number}", word) for number, word in enumerate(line.split(), 1)])
    assert read_question(asked(type="salloc") + words).words == expected
    assert read_question(asked(type="srun") + words).words == ()


def test_of_a_heterogeneous_job_it_is_not_known_which_component_runs_it() -> None:
    script = "#!/bin/sh\n#SBATCH hetjob\napptainer exec a.sif\n"
    assert [read_question(asked(offset=str(offset), script=script)).script for offset in range(2)] == ["", ""]
    assert read_question(asked(offset="1", wrap="apptainer exec a.sif")).script == ""
