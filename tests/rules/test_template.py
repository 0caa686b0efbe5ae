"""Templates: what this version has of them; the answers of Go are in the conformance vectors."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import EvaluationError, SpecError
from hpccompat.rules.template.expand import VarsTemplate
from hpccompat.rules.template.parser import parse_template
from hpccompat.rules.template.refused import UnsupportedTemplate
from hpccompat.rules.template.values import template_data
from hpccompat.spec.decode import load_spec

DATA = template_data(
    [
        ("cpu.cpuid", [{"Name": "AVX2"}, {"Name": "SSE"}]),
        ("kernel.version", [{"Name": "major", "Value": "5"}]),
        ("pci.device", [{"vendor": "15b3", "class": "0207"}]),
        ("pci.device", [{"vendor": "8086"}]),
    ]
)


def variables(text: str) -> dict[str, str]:
    return VarsTemplate(text).variables(DATA)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=1\n\n b = 2 \na=3", {"a": "3", "b ": " 2"}),
        ("{{range .cpu.cpuid}}has-{{.Name}}=yes\n{{end}}", {"has-AVX2": "yes", "has-SSE": "yes"}),
        ("n={{len .pci.device}}", {"n": "2"}),
        ('v={{(index (index .kernel "version") 0) | x}}', None),
        ('{{with index .kernel.version 0}}major={{.Value}}{{end}}', {"major": "5"}),
        ('{{range $i, $d := .pci.device}}{{$i}}={{$d.vendor}}\n{{end}}', {"0": "15b3", "1": "8086"}),
        ('{{range .pci.device}}{{with index . "class"}}class={{.}}\n{{end}}{{end}}', {"class": "0207"}),
        ('{{if index .pci "none"}}a=1{{else}}b={{$.cpu.cpuid}}{{end}}', {"b": "[map[Name:AVX2] map[Name:SSE]]"}),
        ("{{range index .pci \"none\"}}a=1{{else}}b=2{{end}}", {"b": "2"}),
        ("{{$x := index .cpu.cpuid 1}}x={{$x.Name}}", {"x": "SSE"}),
        ("a={{- /* nothing */ -}}  1", {"a": "1"}),
        ("  {{- \"a=\" -}}\n1", {"a": "1"}),
        ('s={{"}}"}}', {"s": "}}"}),
        ("\u0085\u00a0a=1\u200b\u00a0", {"a": "1\u200b"}),
    ],
)  # fmt: skip
def test_what_it_computes(text: str, found: dict[str, str] | None) -> None:
    if found is None:
        with pytest.raises(UnsupportedTemplate):
            variables(text)
    else:
        assert variables(text) == found


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("no equals sign", "template-line"),
        ("a={{.nothing}}", "template-exec"),
        ("a={{.cpu.nothing}}", "template-exec"),
        ("{{range .cpu.cpuid}}{{.Value}}=1{{end}}", "template-exec"),
        ("{{range .kernel.version}}{{.Name.x}}=1{{end}}", "template-exec"),
        ("a={{index .cpu.cpuid 7}}", "template-exec"),
        ("a={{len 5}}", "template-exec"),
        ('{{range "text"}}{{end}}', "template-exec"),
        ("{{range 999999999999999}}{{end}}", "template-exec"),
        ("{{range 99999}}{{range 99999}}xxxxxxxxxx{{end}}{{end}}", "template-exec"),
        ("a=" + "x" * 65536, "template-size"),
    ],
)
def test_errors(text: str, kind: str) -> None:
    started = time.perf_counter()
    with pytest.raises(EvaluationError) as error:
        variables(text)
    assert error.value.kind == kind
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{{upper .x}}", "function upper"),
        ("{{.x | len}}", "'|"),
        ("{{template \"x\"}}", "function template"),
        ("{{$y}}", "undefined variable $y"),
        ("{{range .x}}", "range without its end"),
        ("{{end}}", "{{end}} without a beginning"),
        ("{{", "an action that does not end"),
        ("{{1.5}}", "'1.5"),
        ("{{010}}", "'010'"),
        ("{{}}", "an empty action"),
        ("{{if .x}}" * 60 + "{{end}}" * 60, "nesting"),
    ],
)  # fmt: skip
def test_what_this_version_lacks_is_refused_by_name_on_load(text: str, named: str) -> None:
    spec = f"compatibilities: [{{rules: [{{name: r, varsTemplate: '{text}'}}]}}]"
    with pytest.raises(SpecError) as error:
        load_spec(spec)
    assert error.value.kind == "unsupported-template"
    assert error.value.path == "compatibilities[0].rules[0].varsTemplate"
    assert named in error.value.text


TOKENS = '{{ }} {{- -}} . .cpu .cpuid $x := , range with if else end len index ( ) " ` 0 1 a=1 /* */'.split()
TEXT = st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join)


@given(TEXT | st.text())
def test_no_text_breaks_it(text: str) -> None:
    try:
        parse_template(text)
        variables(text)
    except (UnsupportedTemplate, EvaluationError):
        pass


@given(st.dictionaries(st.text("abc", min_size=1), st.text("xyz ")))
def test_without_actions_it_is_the_text(values: dict[str, str]) -> None:
    text = "\n".join(f"{name}={value}" for name, value in values.items())
    assert variables(text) == {name: value.rstrip() for name, value in values.items()}
