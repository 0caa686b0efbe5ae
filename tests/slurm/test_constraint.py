"""Constraints as Slurm reads them, and labels put into them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import UsageError
from hpccompat.slurm.constraint import Combined, Constraint, conjoin, may_use, parse

LABELS = ("hc_0123456789", "hc_abcdef0123")
OURS = "&".join(LABELS)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", ""),
        ("a", "a"),
        ("a,b|c", "a&b|c"),
        ("(a,b)|c&(d|n4)", "(a&b)|c&(d|n4)"),
        ("a&", "a"),
        ("(a|b)|", "(a|b)"),
        ("a*2", "a*2"),
        ("a*02&b", "a*2&b"),
        ("(a|b)*2", "(a|b)*2"),
        ("[a|b]&c", "[a|b]&c"),
        ("[(a&b)|(c&d)]&(a|b)", "[(a&b)|(c&d)]&(a|b)"),
        ("[(c|d&a)*2&(c|d&b)*2]", "[(c|d&a)*2&(c|d&b)*2]"),
        ("gpu:a.b-c_d/e+f#g@h=i!j k", "gpu:a.b-c_d/e+f#g@h=i!j k"),
    ],
)
def test_printed_as_slurm_reads_it(text: str, printed: str) -> None:
    assert str(parse(text)) == printed


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("((a|b)&c)", "'(' inside of '(' at character 2"),
        ("(a|(b&c))", "'(' inside of '(' at character 4"),
        ("((a))", "'(' inside of '('"),
        ("([a|b])", "'[' inside of '('"),
        ("(a|b)c", "'c' without an operator before it at character 6"),
        ("a(b)", "'(' without an operator"),
        ("()", "the name of a feature is missing at character 2"),
        ("&a", "missing at character 1"),
        ("|", "missing at character 1"),
        ("a&&b", "missing at character 3"),
        ("a&|", "missing at character 3"),
        ("(a&)", "missing at character 4"),
        ("(a", "')' is missing at character 3"),
        ("a)", "')' without an operator before it at character 2"),
        ("[a|b]&[c|d]", "a second '[' at character 7"),
        ("[a*1|b*2]", "counts of alternatives"),
        ("a*0", "a count above zero is missing at character 3"),
        ("a*", "a count above zero is missing"),
        ("a*b", "a count above zero is missing"),
        ("a*²", "a count above zero is missing"),
        ("a*99999999999999999999", "a count above zero is missing"),
        ("a*2*3", "'*' without an operator"),
        ("a\x1b[2J", "a control character in the name at character 1"),
    ],
)
def test_what_is_wrong_and_where(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=re.escape(what)) as raised:
        parse(text)
    assert str(raised.value).isprintable()


def test_what_is_in_it() -> None:
    tree = parse("[(a|b)*2&c*1]&d")
    assert tree.features() == {"a", "b", "c", "d"}
    assert (tree.has_counts, tree.has_brackets, tree.has_parentheses) == (True, True, True)
    tree = parse("a|b")
    assert (tree.has_counts, tree.has_brackets, tree.has_parentheses) == (False, False, False)
    assert parse("(a*2)").has_counts
    assert parse("").features() == frozenset()


@pytest.mark.parametrize(
    ("text", "features", "answer"),
    [
        ("", "", True),
        ("a", "a b", True),
        ("a", "A", False),
        ("a|b&c", "a", False),  # (a|b)&c
        ("a|b&c", "a c", True),
        ("a&b|c", "c", True),
        ("(a&b)|c&(d|e)", "c", False),
        ("(a|b)&(c|d)", "b d", True),
        ("[a|b]&c", "b c", True),
        ("[a|b]&c", "c", False),
        ("[(a&b)|(c&d)]", "a d", False),
        ("[(a&b)|(c&d)]", "c d", True),
        ("a*2", "b", True),
        ("[a*2&b*2]&c", "d", True),
    ],
)
def test_nodes_that_a_job_may_use(text: str, features: str, answer: bool) -> None:
    assert may_use(parse(text), features.split()) is answer


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ("", OURS),
        ("a", f"(a)&{OURS}"),
        ("a|b,c", f"(a|b&c)&{OURS}"),
        ("a|", f"(a)&{OURS}"),
        ("(a)", f"(a)&{OURS}"),
        ("(a|b)&c|d", f"(a|b)&c|d&{OURS}"),
        ("(a&b)|c&(d|n4),", f"(a&b)|c&(d|n4)&{OURS}"),
        ("[a|b]", f"[a|b]&{OURS}"),
        ("c&[a|b]", f"c&[a|b]&{OURS}"),
        ("[a|b]&(c|d)", f"[a|b]&(c|d)&{OURS}"),
        # What is there already.
        (OURS, OURS),
        (f"a&{OURS}", f"a&{OURS}"),
        (f"a,{OURS}|", f"a,{OURS}"),
        # The labels, but not bound to all of it.
        (f"a|{OURS}", f"(a|{OURS})&{OURS}"),
        (f"{LABELS[0]}|{LABELS[1]}", f"({LABELS[0]}|{LABELS[1]})&{OURS}"),
        (f"a&{LABELS[0]}", f"(a&{LABELS[0]})&{OURS}"),
        (f"(a&{OURS})", f"(a&{OURS})&{OURS}"),
    ],
)
def test_labels_come_last(user: str, text: str) -> None:
    assert conjoin(user, LABELS) == Combined(text)
    assert conjoin(text, LABELS) == Combined(text)


def test_without_labels_the_constraint_stays() -> None:
    assert conjoin("a,b|c", ()) == Combined("a,b|c")
    assert conjoin("", ()) == Combined("")


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("a*2", "counts nodes"),
        ("a*2&b", "counts nodes"),
        ("(a|b)*2", "counts nodes"),
        ("[a*2&b*2]", "counts nodes"),
        ("[a*2]&(c|d)", "counts nodes"),
        (f"a*2&{OURS}", "counts nodes"),
        ("[(a&b)|(c&d)]&(a|b)", "parentheses in brackets"),
        ("[a&b]", "'&' in brackets"),
        ("((a))", "can't be read"),
        ("(a|b)c", "can't be read"),
        ("|".join(f"feature{number}" for number in range(104)), "over 1024 bytes"),
        ("ü" * 499, "over 1024 bytes"),  # of two bytes each
    ],
)
def test_what_no_label_can_be_added_to(user: str, reason: str) -> None:
    combined = conjoin(user, LABELS)
    assert combined.text is None
    assert reason in combined.reason


def test_a_thousand_and_twenty_four_bytes_are_the_limit() -> None:
    room = 1024 - len(f"()&{OURS}")
    assert conjoin("x" * room, LABELS).text is not None
    assert conjoin("x" * (room + 1), LABELS).text is None


def test_features_that_a_reboot_changes() -> None:
    assert conjoin("a|b", LABELS, changeable=True).text is None
    assert conjoin(f"a&{OURS}", LABELS, changeable=True).text is None
    assert conjoin("", LABELS, changeable=True).text == OURS  # it names none


NAMES = ("a", "b", "c", "d", "n.1", "x-y")
NAME = st.sampled_from(NAMES)
SIGN = st.sampled_from("&|,")


@st.composite
def chains(draw: st.DrawFn, operand: st.SearchStrategy[str]) -> str:
    text = draw(operand)
    for sign in draw(st.lists(SIGN, max_size=4)):
        text += sign + draw(operand)
    return text


COUNT = st.sampled_from(["", "", "", "*1", "*2"])
PARENTHESES = chains(NAME).map(lambda inside: f"({inside})")
COUNTED = st.tuples(NAME | PARENTHESES, COUNT).map("".join)
BRACKETS = st.lists(NAME | PARENTHESES, min_size=1, max_size=3).map(lambda inside: f"[{'|'.join(inside)}]")
PLAIN = chains(NAME | PARENTHESES)
ANYTHING = (
    PLAIN
    | chains(COUNTED)
    | st.tuples(BRACKETS, SIGN, PLAIN).map("".join)
    | st.tuples(PLAIN, SIGN, BRACKETS).map("".join)
)


@given(ANYTHING, st.sampled_from(["", "", "&", "|", ","]))
def test_print_and_parse(text: str, trailing: str) -> None:
    tree = parse(text + trailing)
    assert str(tree) == text.replace(",", "&")
    assert parse(str(tree)) == tree
    assert tree.features() == {name for name in re.split(r"[][()&|,*]", text) if name and not name.isdigit()}


def satisfied(text: str, features: frozenset[str]) -> bool:
    """Slurm's reading, from left to right, on the text itself: an evaluator that shares nothing with the tree."""
    while "(" in text:
        text = re.sub(r"\(([^()]*)\)", lambda group: "TRUE" if satisfied(group[1], features) else "FALSE", text)
    value = False
    for sign, name in re.findall(r"(^|[&|,])([^&|,]+)", text):
        here = name == "TRUE" or name in features
        value = here if not sign else value or here if sign == "|" else value and here
    return value


@given(PLAIN, st.frozensets(st.sampled_from((*NAMES, *LABELS))), st.lists(st.sampled_from(LABELS), max_size=2))
def test_with_labels_it_means_both(user: str, features: frozenset[str], labels: list[str]) -> None:
    combined = conjoin(user, labels)
    assert combined.text is not None
    assert satisfied(combined.text, features) == (satisfied(user, features) and set(labels) <= features)
    assert may_use(parse(combined.text), features) == satisfied(combined.text, features)
    assert conjoin(combined.text, labels) == combined


@given(BRACKETS, st.frozensets(st.sampled_from((*NAMES, *LABELS))))
def test_of_alternatives_any_may_be_taken(user: str, features: frozenset[str]) -> None:
    assert may_use(parse(user), features) == satisfied(user.replace("[", "(").replace("]", ")"), features)


@given(st.text() | st.text("ab&|,()[]*12") | ANYTHING, st.booleans())
def test_any_text_has_an_answer(text: str, changeable: bool) -> None:
    combined = conjoin(text, LABELS, changeable)
    assert (combined.text is None) == bool(combined.reason)
    assert combined.reason.isprintable()
    if combined.text is None:
        return
    assert conjoin(combined.text, LABELS) == combined
    last = parse(combined.text)
    assert isinstance(last, Constraint)
    assert tuple(map(str, last.operands[-2:])) == LABELS
    assert set(last.operators[-2:]) <= {"&"}
