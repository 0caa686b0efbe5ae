"""sbatch's command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import UsageError
from hpccompat.slurm.options import CommandLine, Unknown, Value, options_in_help, scan


def scanned(text: str) -> CommandLine:
    line = scan(text.split(" "), {})
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
    assert line.options == tuple(text.split(" "))[:options]
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
    assert line.ours == ours
    assert " ".join((*line.options, *line.script)) == rest


@pytest.mark.parametrize(
    ("text", "loud"),
    [
        ("-Q j", ""),
        ("-HQN1 j", "-HN1"),
        ("-QH j", "-H"),
        ("--quiet -x Q j", "-x Q"),
        ("--qui j", ""),
        ("-x -Q j", "-x -Q"),
        ("-JQ j", "-JQ"),
        ("-N1 j", "-N1"),
    ],
)
def test_quiet_is_left_out_where_sbatch_has_to_talk(text: str, loud: str) -> None:
    line = scanned(text)
    assert " ".join(line.loud) == loud
    assert line.quiet == (loud != " ".join(line.options))


def test_what_else_is_seen() -> None:
    assert scanned("--wrap x").wrap
    assert scanned("--wra=x").wrap
    assert not scanned("-N1").wrap
    assert all(scanned(text).information for text in ("--help", "-h", "-V", "--usage", "--vers", "-Hh"))
    assert scanned("-N1 : -N2 j").components == 2
    assert scanned("-J : j").components == 2, "sbatch takes it for a separator, too"


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


@given(WORDS)
def test_nothing_is_lost_but_our_options(words: list[str]) -> None:
    try:
        line = scan(words, {})
    except UsageError:
        return
    if isinstance(line, Unknown):
        return
    left = list(line.options) + list(line.tail)
    remaining = iter(words)
    assert all(any(word == each for each in remaining) for word in left), "the order is kept"
    taken = sum(len(values) for values in line.ours.values())
    assert len(words) - 2 * taken <= len(left) <= len(words) - taken
