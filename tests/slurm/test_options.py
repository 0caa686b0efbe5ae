"""Slurm's command lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import UsageError
from hpccompat.slurm.options import COMMANDS, CommandLine, Unknown, Value, options_in_help, scan


def scanned(text: str, command: str = "sbatch") -> CommandLine:
    line = scan(text.split(" "), {}, command)
    assert isinstance(line, CommandLine)
    return line


@pytest.mark.parametrize(
    ("text", "options", "script"),
    [
        ("job.sh", 0, 1),
        ("-N 2 job.sh -N 3", 2, 3),
        ("-N2 job.sh", 1, 1),
        ("-HN 2 job.sh", 2, 1),
        ("-HN2 job.sh", 1, 1),
        ("-k job.sh", 1, 1),
        ("-kx job.sh", 1, 1),
        ("-W job.sh", 1, 1),
        ("--nodes 2 job.sh", 2, 1),
        ("--nodes=2 job.sh", 1, 1),
        ("--constr b job.sh", 2, 1),
        ("--exclusive job.sh", 1, 1),
        ("--exclusive=user job.sh", 1, 1),
        ("-p a -- job.sh --x", 2, 2),
        ("-J -- job.sh", 2, 1),
        ("-x --compat job.sh", 2, 1),
        ("--comment -Q job.sh", 2, 1),
        ("-N1 - x", 1, 2),
    ],
)
def test_where_the_options_end(text: str, options: int, script: int) -> None:
    line = scanned(text)
    assert line.components[0].words == tuple(text.split(" "))[:options]
    assert line.script == tuple(text.split(" "))[-script:]


@pytest.mark.parametrize(
    ("text", "ours", "rest"),
    [
        ("--compat-image a -N1 j", {"--compat-image": ("a",)}, "-N1 j"),
        ("-N1 --compat-image=a j --compat-image=b", {"--compat-image": ("a",)}, "-N1 j --compat-image=b"),
        ("--compat off --compat=warn j", {"--compat": ("off", "warn")}, "j"),
        ("--comment --compat=off j", {}, "--comment --compat=off j"),
        ("--compat-tag= j", {"--compat-tag": ("",)}, "j"),
    ],
)
def test_our_options_are_taken_out(text: str, ours: dict[str, tuple[str, ...]], rest: str) -> None:
    line = scanned(text)
    assert line.components[0].ours == ours
    assert " ".join(line.arguments()) == rest


def test_what_else_is_seen() -> None:
    assert scanned("--wrap x").wrap
    assert scanned("--wra=x").wrap
    assert not scanned("-N1").wrap
    assert all(scanned(text).information for text in ("--help", "-h", "-V", "--usage", "--vers", "-Hh"))
    assert all(scanned(text).quiet for text in ("-Q j", "-HQN1 j", "--qui j"))
    assert not any(scanned(text).quiet for text in ("-x -Q j", "-JQ j", "-N1 j"))
    assert [each.values for each in scanned("-N1 -N3 : -N2 j").components] == [{"nodes": "3"}, {"nodes": "2"}]
    assert isinstance(scan(["-J", ":", "j"], {}), Unknown), "sbatch takes it for a separator, too"


@pytest.mark.parametrize(
    ("command", "text", "values", "script"),
    [
        ("sbatch", "-W j", {"wait": ""}, "j"),
        ("srun", "-W 5 j", {"wait": "5"}, "j"),
        ("salloc", "-W5 j", {}, "j"),
        ("srun", "-l -I j", {"label": "", "immediate": ""}, "j"),
        ("srun", "-I60 -K j", {"immediate": "60", "kill-on-bad-exit": ""}, "j"),
        ("salloc", "-K9 -Ca|b j", {"kill-command": "9", "constraint": "a|b"}, "j"),
        ("srun", "--pty -w n1 sh -c x", {"pty": "", "nodelist": "n1"}, "sh -c x"),
        ("sbatch", "--tasks-per-node=2 --cluster c --share j",
         {"ntasks-per-node": "2", "clusters": "c", "oversubscribe": ""}, "j"),
    ],
)  # fmt: skip
def test_the_commands_differ(command: str, text: str, values: dict[str, str], script: str) -> None:
    line = scanned(text, command)
    assert (line.components[0].values, " ".join(line.script)) == (values, script)


@pytest.mark.parametrize(
    ("command", "text", "added", "expected"),
    [
        ("sbatch", "-N1 j a", ["-x1"], "-N1 -x1 j a"),
        ("sbatch", "-N1 --compat=off : -N2 -- j", ["-x1", "-x2"], "-N1 -x1 : -N2 -x2 -- j"),
        ("sbatch", "-N1 : -N2 j", ["-x1"], "-N1 -x1 : -N2 j"),
        ("sbatch", "-v -N1 j", ["-x1", "-x2"], "-v -N1 -x1 : -N1 -x2 j"),
        ("srun", "-N1 a b : -N2 c", ["-x1", "-x2"], "-N1 -x1 a b : -N2 -x2 c"),
        ("srun", "-N1 -- a : c", ["-x1", "-x2"], "-N1 -x1 -- a : -x2 c"),
    ],
)
def test_ours_stand_last_among_the_options_of_a_component(
    command: str, text: str, added: list[str], expected: str
) -> None:
    assert " ".join(scanned(text, command).arguments([(each,) for each in added])) == expected


def test_unknown_and_ambiguous_options() -> None:
    assert scan(["-N1", "--compat=off", "--spank-x", "y"], {}) == Unknown("spank-x", ("-N1", "--spank-x", "y"))
    assert scan(["--no", "x"], {}) == Unknown("no", ("--no", "x"))
    assert isinstance(scan(["--ext", "x", "j"], {}), Unknown), "extra, external, extra-node-info"
    assert isinstance(scan(["--ext", "x", "j"], {"extra-node-info": Value.REQUIRED}), CommandLine)
    line = scan(["--spank-x", "y", "j"], {"spank-x": Value.REQUIRED})
    assert isinstance(line, CommandLine)
    assert line.script == ("j",)


def test_our_options_need_their_value() -> None:
    with pytest.raises(UsageError, match="--compat-image needs a value"):
        scan(["--compat-image"], {})


HELP = """\
Usage: sbatch [OPTIONS(0)...] --not-this
  -A, --account=name          charge job to specified account
      --bb=<spec>             burst buffer specifications
      --nice[=value]          decrease scheduling priority by value
  -H, --hold                  submit job in held state
  -B  --extra-node-info=S[:C[:T]]            Expands to:
"""


def test_options_in_help() -> None:
    assert options_in_help(HELP) == {
        "account": Value.REQUIRED,
        "bb": Value.REQUIRED,
        "nice": Value.OPTIONAL,
        "hold": Value.NONE,
        "extra-node-info": Value.REQUIRED,
    }


WORDS = st.lists(
    st.sampled_from(
        ["-N1", "-x", "--compat", "--compat=off", "--", ":", "-", "", "-Q", "--quiet", "j.sh", "--wrap", "-k"]
    )
    | st.text(max_size=5),
    max_size=8,
)


@given(WORDS, st.sampled_from(COMMANDS))
def test_nothing_is_lost_but_our_options(words: list[str], command: str) -> None:
    try:
        line = scan(words, {}, command)
    except UsageError:
        return
    if isinstance(line, Unknown):
        return
    left = list(line.arguments())
    remaining = iter(words)
    assert all(any(word == each for each in remaining) for word in left), "the order is kept"
    taken = sum(len(values) for component in line.components for values in component.ours.values())
    assert len(words) - 2 * taken <= len(left) <= len(words) - taken
    assert taken or left == words
