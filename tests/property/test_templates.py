"""Templates, whatever is in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import EvaluationError
from hpccompat.rules.template.functions import FUNCTIONS
from hpccompat.rules.vars_template import VarsTemplate

DATA = [
    ("t.flags", [{"Name": "AVX"}, {"Name": "SSE"}]),
    ("t.attrs", [{"Name": "int", "Value": "42"}, {"Name": "s", "Value": "h\u00e9llo"}]),
    ("t.devs", [{"class": "0302", "vendor": "10de"}, {"vendor": "15b3"}]),
    ("nodot", []),
]
OURS = {"template-parse", "template-exec", "template-line", "template-size", "limit"}

LITERAL = st.sampled_from(
    [
        *'1 0 -1 7 1.5 1e6 \'x\' 0x10 1i nil true false "a" "" "42" "h\u00e9" `[a-z]+` "(" "1.2.3"'.split(),
        *". $ $x .t .t.flags .Name $x.Name".split(),
        *[
            "(list)",
            "(dict)",
            "(until 3)",
            '(semver "1.2.3")',
            '(trunc 1 "\u00e9")',
            '(list 1 "a" nil)',
            '(dict "a" 1)',
        ],
    ]
)
NAME = st.sampled_from(sorted(FUNCTIONS))
CALL = st.builds(lambda name, arguments: " ".join([name, *arguments]), NAME, st.lists(LITERAL, max_size=3))
PIPELINE = st.lists(CALL | LITERAL, min_size=1, max_size=3).map(" | ".join)
ACTION = st.builds("{{{{{}{}}}}}".format, st.sampled_from(["", "$x := ", "$x = ", "$y := "]), PIPELINE)
BLOCK = st.recursive(
    ACTION | st.text(max_size=3) | st.sampled_from(["a=b\n", "{{break}}", "{{continue}}"]),
    lambda inner: (
        st.builds(
            "{{{{{}{}}}}}{}{{{{else}}}}{}{{{{end}}}}".format,
            st.sampled_from(["if ", "with ", "range ", "range $i, $x := ", 'block "b" ', "with $x := "]),
            PIPELINE,
            inner,
            inner,
        )
        | st.lists(inner, max_size=3).map("".join)
    ),
    max_leaves=6,
)
TOKENS = (
    "{{ }} {{- -}} . .t .flags $x := = , | ( ) \" ` ' \\ 0 1 1.5e 0x i + range with if else end define template block "
    "break nil len index upper a=1 /* */ \u00e9 \u00b2 \x00"
).split(" ")
SOUP = st.lists(st.sampled_from(TOKENS), max_size=14).map(" ".join) | st.lists(st.sampled_from(TOKENS)).map("".join)


def kind(text: str) -> str:
    template = VarsTemplate(text)
    if template.unsupported:
        return "unsupported"
    try:
        template.variables(DATA)
    except EvaluationError as error:
        return error.kind
    return ""


@given(BLOCK.map("{{{{$x := 5}}}}k={}".format) | SOUP | st.text())
def test_no_text_breaks_it(text: str) -> None:
    assert kind(text) in OURS | {"", "unsupported"}


@given(NAME, st.lists(LITERAL | CALL.map("({})".format), max_size=4))
def test_no_argument_breaks_a_function(name: str, arguments: list[str]) -> None:
    assert kind(f"{{{{$x := 5}}}}k={{{{{' '.join([name, *arguments])}}}}}") in OURS | {""}


# Pieces of a line, as they are written and as they come out.
VALUES = {"v": "42", "w": "h\u00e9llo w", "empty": ""}
DECLARED = "{{$v := .v}}{{$w := .w}}{{$empty := .empty}}"
PIECES = [
    ("{{.v}}", "42"),
    ("{{ .w }}", "h\u00e9llo w"),
    ("{{.empty}}", ""),
    ("{{$v}}", "42"),
    ("{{ $w }}", "h\u00e9llo w"),
    ("{{$empty}}", ""),
    ("{{/* nothing */}}", ""),
    ('{{"quoted\\t\\u00e9"}}', "quoted\t\u00e9"),
    ("{{`raw\\t`}}", "raw\\t"),
    ("{{7}}", "7"),
    ("{{true}}", "true"),
    ("{{if .empty}}no{{else}}yes{{end}}", "yes"),
    ("{{with .v}}<{{.}}>{{end}}", "<42>"),
]
PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="{}"))
PIECE = st.sampled_from(PIECES) | PLAIN.map(lambda text: (text, text))
LINES = st.lists(st.tuples(st.text("abc.-", min_size=1), st.lists(PIECE, max_size=5)), max_size=5)


@given(LINES)
def test_without_functions_it_is_a_substitution(lines: list[tuple[str, list[tuple[str, str]]]]) -> None:
    body = "\n".join(f"{name}={''.join(written for written, _ in pieces)}" for name, pieces in lines)
    text = "{{range .t.one}}" + DECLARED + body + "{{end}}"
    expected = {name: "".join(value for _, value in pieces).rstrip() for name, pieces in lines}
    assert VarsTemplate(text).variables([("t.one", [VALUES])])[0] == expected
