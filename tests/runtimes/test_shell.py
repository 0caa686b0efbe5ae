"""What the commands of a job script are, as far as its text tells."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.runtimes.shell import SIZE_LIMIT, commands, of_shell
from hpccompat.runtimes.shell_reader import COMMAND_LIMIT

# A script, and its commands as (line, words).
SCRIPTS = {
    "words": ("a b  c\td", [(1, ["a", "b", "c", "d"])]),
    "operators": ("a;b&c&&d||e|f|&g", [(1, [each]) for each in "abcdefg"]),
    "lines": ("a\n\n# no\nb # c\nd#e", [(1, ["a"]), (4, ["b"]), (5, ["d#e"])]),
    "joined lines": ("a \\\n b\\\nc\nd", [(1, ["a", "bc"]), (4, ["d"])]),
    "quotes": ("""a 'b $c' "d e" f'g'"h" \\'""", [(1, ["a", "b $c", "d e", "fgh", "'"])]),
    "quoted lines": ("a 'b\nc' \"d\ne\"\nf", [(1, ["a", "b\nc", "d\ne"]), (4, ["f"])]),
    "nothing in quotes": ("a '' \"\"", [(1, ["a", "", ""])]),
    "escapes in quotes": ('a "b\\"c\\d\\$e"', [(1, ["a", 'b"c\\d$e'])]),
    "ANSI quotes": ("a $'b' $\"c\"", [(1, ["a", "b", "c"])]),
    "keywords": (
        "if a; then b; elif c; then d; else e; fi; while f; do g; done\nuntil ! h; do i; done",
        [(1, [each]) for each in "abcdefg"] + [(2, ["h"]), (2, ["i"])],
    ),
    "a keyword as a word": ("a if then", [(1, ["a", "if", "then"])]),
    "groups": ("( a; b ) ; { c; }", [(1, ["a"]), (1, ["b"]), (1, ["c"])]),
    "functions": ("f() {\n a\n}\nfunction g { b; }", [(1, ["f"]), (2, ["a"]), (4, ["b"])]),
    "case": ("case x in\n a|b) c;;\n (d) e;;\nesac\nf", [
        (1, ["case", "x", "in"]), (2, ["a"]), (2, ["b"]), (2, ["c"]), (3, ["d"]), (3, ["e"]), (5, ["f"]),
    ]),
    "redirections": ("a >b 2>&1 <c >>d e &>f g", [(1, ["a", "e", "g"])]),
    "here-document": ("a <<E b\nc\nE\nd", [(1, ["a", "b"]), (4, ["d"])]),
    "quoted and indented here-document": ("a <<-'E F'\n\tc\n\tE F\nd", [(1, ["a"]), (4, ["d"])]),
    "two here-documents": ("a <<E <<F\nc\nE\nd\nF\ne", [(1, ["a"]), (6, ["e"])]),
    "a here-string": ("a <<<b c\nd", [(1, ["a", "c"]), (2, ["d"])]),
    "no end of a here-document": ("a <<E\nb", [(1, ["a"])]),
    "arithmetic is no here-document": ("((1<<2)); a $((1<<3)) b\nc", [(1, ["a", "$(…)", "b"]), (2, ["c"])]),
    "substitution": ("a $(b \"c)\" $(d)) e", [(1, ["d"]), (1, ["b", "c)", "$(…)"]), (1, ["a", "$(…)", "e"])]),
    "substitution in quotes": ('a "x$(b "c")y"', [(1, ["b", "c"]), (1, ["a", "x$(…)y"])]),
    "case in a substitution": ("a $(case b in c) d;; esac) e", [
        (1, ["case", "b", "in", "c"]), (1, ["d"]), (1, ["a", "$(…)", "e"]),
    ]),
    "backticks": ("a `b c` d", [(1, ["b", "c"]), (1, ["a", "`…`", "d"])]),
    "process substitution": ("a <(b) >(c)", [(1, ["b"]), (1, ["c"]), (1, ["a", "$(<…)", "$(>…)"])]),
    "parameters": ("a ${b:-c d} \"${e%'}'}\" f", [(1, ["a", "${b…}", "${e…}'}", "f"])]),
    "assignments before": ("A=1 B='2 3' c D=4", [(1, ["c", "D=4"])]),
    "an array": ("A=(b c)\nd", [(1, ["b", "c"]), (2, ["d"])]),
    "home": ("a ~/b ~c/d '~/e'", [(1, ["a", "$HOME/b", "$~c/d", "~/e"])]),
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_commands(name: str) -> None:
    script, expected = SCRIPTS[name]
    assert [(each.line, list(each.words)) for each in commands(script)] == expected


# What stands before `run $A` or `run "$A"`, and the words that it becomes.
VARIABLES = {
    "assigned": ("A=x", "$A", ["x"]),
    "exported": ("export A='x y'", '"$A"', ["x y"]),
    "declared": ("readonly A=x", "${A}", ["x"]),
    "in a word": ("A=x", "/y/${A}.sif", ["/y/x.sif"]),
    "of another": ("B=x\nA=$B/y", "$A", ["x/y"]),
    "falls into words": ("A='-B /x  -e'", "1${A}2", ["1-B", "/x", "-e2"]),
    "empty, and gone": ("A=", "$A", []),
    "empty in quotes": ("A=", '"$A"', [""]),
    "quoted, and no variable": ("A=x", "'$A'", ["$A"]),
    "never": ("", "$A", ["$A"]),
    "twice": ("A=x; A=y", "$A", ["$A"]),
    "later": ("", "$A; A=x", ["$A"]),
    "in a condition": ("if b; then A=x; fi", "$A", ["$A"]),
    "after &&": ("b && A=x", "$A", ["$A"]),
    "in a loop": ("for i in 1; do A=x; done", "$A", ["$A"]),
    "by a loop": ("for A in x; do :; done", "$A", ["$A"]),
    "in a function": ("f() { A=x; }", "$A", ["$A"]),
    "in a subshell": ("( A=x )", "$A", ["$A"]),
    "in a pipe": ("A=x | b", "$A", ["$A"]),
    "in a case": ("case b in b) A=x;; esac", "$A", ["$A"]),
    "for one command": ("A=x b", "$A", ["$A"]),
    "read": ("A=x; read A", "$A", ["$A"]),
    "unset": ("A=x; unset A", "$A", ["$A"]),
    "appended": ("A=x; A+=y", "$A", ["$A"]),
    "by default": ("A=x; b ${A:=y}", "$A", ["$A"]),
    "unknown value": ("A=$(b)", "$A", ["$A"]),
    "an array": ("A=(x)", "$A", ["$A"]),
    "of home": ("A=~/x", "$A", ["$A"]),
    "other form": ("A=x", "${A:-y}", ["${A…}"]),
    "other name": ("A=x", "$AB", ["$AB"]),
    "behind what has ended": ("if b; then c; fi; while d; do :; done; A=x", "$A", ["x"]),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_variables(name: str) -> None:
    before, word, expected = VARIABLES[name]
    found = [each.words for each in commands(f"{before}\nrun {word}\n") if each.words[0] == "run"]
    assert found == [("run", *expected)]


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize("name", [name for name, row in VARIABLES.items() if "$" not in "".join(row[2])])
def test_bash_makes_the_same_of_them(name: str) -> None:
    before, word, expected = VARIABLES[name]
    program = (
        f'run() {{ printf \'%s\\n\' "$#" "$@"; }}\nb() {{ :; }}\nc() {{ :; }}\nd() {{ false; }}\n{before}\nrun {word}'
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == [str(len(expected)), *expected]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("#!/bin/sh", True),
        ("#!/usr/bin/env -S bash -l", True),
        ("#! /bin/bash -e", True),
        ("echo", True),
        ("#!/usr/bin/env python3", False),
        ("#!/usr/bin/python3", False),
        ("#!", False),
        ("#!/bin/bashful", False),
    ],
)
def test_scripts_of_other_interpreters(line: str, expected: bool) -> None:
    assert of_shell(line) == expected
    assert bool(commands(f"{line}\nfalse\n")) == expected


@given(st.text(st.sampled_from("ab \n\t\\'\"$`(){}<>;&|#=!~*[]/"), max_size=200) | st.text(max_size=60))
def test_no_text_makes_it_stumble(text: str) -> None:
    for each in commands(text):
        assert each.words
        assert 1 <= each.line <= text.count("\n") + 1


HOSTILE = [
    '"', "\\", "'", "$(", "(", ")", "()", "$((", "((", "`", "${a:-", '"${a:-"', "<<a ", "<<a\n", "<<'", "a ", ";\n",
    "a\n", "$", "#", "a#", "if ", "if fi ", "<", "&", "a=(", "case x in a) ", "$'", '"$a', "A=1\n", "$A", "[[ ", "{ ",
    "{ } ", "~", "<(", "\\\n", "\n", "\udcff\0",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_time_is_linear(text: str) -> None:
    """The bound is generous, and far below what squares would take."""
    size = SIZE_LIMIT if text in ('"', "\\", "$(", "$") else SIZE_LIMIT // 4
    script = "A=" + "x" * 1000 + "\n" + text * (size // len(text))
    started = time.process_time()
    found = commands(script)
    assert time.process_time() - started < 30
    assert len(found) <= COMMAND_LIMIT + 1


def test_variables_that_double_each_other_stay_small() -> None:
    script = (
        "A0=xx\n" + "".join(f"A{number}=$A{number - 1}$A{number - 1}\n" for number in range(1, 9000)) + "a $A8999\n"
    )
    script += "B=" + "y" * 1000 + "\n" + f"b {'$B' * 200_000}\n"
    found = commands(script)
    assert found[0].words == ("a", "$A8999")
    assert len(found[1].words[1]) < 3 * SIZE_LIMIT


def test_what_is_beyond_the_limits_is_not_read() -> None:
    assert len(commands("a\n" * 20_000)) <= COMMAND_LIMIT + 1
    assert [each.words for each in commands("#" * SIZE_LIMIT + "\na\n")] == []
