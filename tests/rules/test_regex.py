"""Where Go's regexp and RE2 differ; where they agree, the conformance vectors show it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import EvaluationError
from hpccompat.rules.regex import as_re2, compile_pattern

UNASSIGNED = "\u0378"


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (r"^\p{Letter}$", "é", "1"),
        (r"^\p{letter}\P{ decimal-number }$", "aa", "a1"),
        (r"^\pl$", "x", "1"),
        (r"^\p{GREEK}$", "α", "a"),
        (r"^\p{old italic}$", "\U00010300", "a"),
        (r"^\p{^Greek}$", "a", "α"),
        (r"^\P{^Greek}$", "α", "a"),
        (r"^\p{ASCII}$", "a", "é"),
        (r"^\P{ASCII}$", "é", "a"),
        (r"^[\p{ASCII}é]$", "é", "ü"),
        (r"^[^\p{ASCII}é]$", "ü", "é"),
        (r"^[x\P{ASCII}]$", "é", "a"),
        (r"^\p{LC}$", "a", "ª"),
        (r"^[\P{LC}x]$", "1", "a"),
        (r"^\p{Cn}$", UNASSIGNED, "a"),
        (r"^[\p{Cn}x]$", UNASSIGNED, "a"),
        (r"^\p{C}$", UNASSIGNED, "a"),
        (r"^[\pC]$", "\x01", "a"),
        (r"^\p{Assigned}$", "a", UNASSIGNED),
        (r"^[\p{Any}]$", "a", ""),
        (r"^\Q\C\p{x}\E$", r"\C\p{x}", "C"),
        (r"^\\C$", r"\C", "C"),
        (r"^[]\p{Letter}]$", "]", "1"),
        (r"^[^]\p{Letter}]$", "1", "]"),
        (r"^[[:^alpha:]\p{Letter}]$", "é", ""),
        (r"^(?P<name>\p{Letter})$", "a", "1"),
    ],
)
def test_classes_mean_what_they_mean_in_go(pattern: str, matching: str, other: str) -> None:
    compiled = compile_pattern(pattern)
    assert compiled.search(matching)
    assert not compiled.search(other)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\C",
        r"x\C+",
        r"[\C]",
        r"(?P<é>a)",
        r"(?<é>a)",
        r"\p{Nothing}",
        r"\p",
        r"\p{",
        r"\p{Greek",
        r"\pé",
        "(",
        "a**",
        "[b-a]",
        "\ud800",
    ],
)
def test_what_go_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(EvaluationError) as error:
        compile_pattern(pattern)
    assert error.value.kind == "bad-regexp"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a*)*b", "a" * 100_000),
        ("(a|a)*$", "a" * 100_000 + "b"),
        ("(x+x+)+y", "x" * 100_000),
        ("((((((((((a{1,9}){1,9}){1,9}){1,9}){1,9}){1,9}){1,9}){1,9}){1,9}){1,9})", "a"),
        ("(" * 50_000, "a"),
        ("a?" * 20_000 + "a" * 20_000, "a"),
        (r"[\P{LC}\p{Cn}\pC]" * 30, "a"),
    ],
)
def test_hostile_patterns_cost_little_or_are_refused(pattern: str, text: str) -> None:
    compile_pattern("warm").search("up")
    started = time.process_time()
    try:
        compile_pattern(pattern).search(text)
    except EvaluationError:
        pass
    assert time.process_time() - started < 1, "the benchmark has the figures; this only tells an explosion"


@given(st.text(st.sampled_from("\\\\pPQECLN{}[]^(?P<>:)ab")))
def test_the_rewriting_breaks_no_pattern(pattern: str) -> None:
    try:
        compile_pattern(pattern)
        rewritten = as_re2(pattern)
    except EvaluationError:
        return
    if not any(each in pattern for each in ("\\p", "\\P")):
        assert rewritten == pattern
