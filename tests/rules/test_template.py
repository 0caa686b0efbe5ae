"""Templates, as rules use them; Go's own answers are in the conformance vectors."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hpccompat.errors import EvaluationError, SpecError
from hpccompat.rules.template.functions import FUNCTIONS
from hpccompat.rules.template.refused import DEPTH, REFUSED
from hpccompat.rules.template.row import TYPES
from hpccompat.rules.vars_template import VarsTemplate
from hpccompat.spec.decode import load_spec

DATA = [
    ("cpu.cpuid", [{"Name": "AVX2"}, {"Name": "SSE"}]),
    ("kernel.version", [{"Name": "major", "Value": "5"}]),
    ("pci.device", [{"vendor": "15b3", "class": "0207"}]),
    ("pci.device", [{"vendor": "8086"}]),
]


def variables(text: str) -> dict[str, str]:
    return VarsTemplate(text).variables(DATA)[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # Lines.
        ("a=1\n\n b = 2 \na=3", {"a": "3", "b ": " 2"}),
        ("\u0085\u00a0a=1\u200b\u00a0", {"a": "1\u200b"}),
        # Text, comments, trim markers.
        ("a={{- /* nothing */ -}}  1", {"a": "1"}),
        ("  {{- \"a=\" -}}\n1", {"a": "1"}),
        ('s={{"}}"}}', {"s": "}}"}),
        ("a={{`raw\\n`}}", {"a": "raw\\n"}),
        # What matched.
        ("{{range .cpu.cpuid}}has-{{.Name}}=yes\n{{end}}", {"has-AVX2": "yes", "has-SSE": "yes"}),
        ('{{with index .kernel.version 0}}major={{.Value}}{{end}}', {"major": "5"}),
        ('{{range $i, $d := .pci.device}}{{$i}}={{$d.vendor}}\n{{end}}', {"0": "15b3", "1": "8086"}),
        ('{{range .pci.device}}{{with index . "class"}}class={{.}}\n{{end}}{{end}}', {"class": "0207"}),
        ('{{if index .pci "none"}}a=1{{else}}b={{$.cpu.cpuid}}{{end}}', {"b": "[map[Name:AVX2] map[Name:SSE]]"}),
        ('{{range index .pci "none"}}a=1{{else}}b=2{{end}}', {"b": "2"}),
        # Variables, pipelines, control.
        ("{{$x := index .cpu.cpuid 1}}x={{$x.Name}}", {"x": "SSE"}),
        ("{{$n := 0}}{{range .cpu.cpuid}}{{$n = add $n 2}}{{end}}n={{$n}}", {"n": "4"}),
        ("v={{(index (index .kernel \"version\") 0).Value | atoi | add 1 | printf \"%03d\"}}", {"v": "006"}),
        ("{{range $i := 5}}{{if eq $i 1}}{{continue}}{{end}}{{if eq $i 3}}{{break}}{{end}}{{$i}}=x\n{{end}}",
         {"0": "x", "2": "x"}),
        ("{{with \"\"}}a=1{{else with 5}}a={{.}}{{end}}", {"a": "5"}),
        ("{{if false}}a=1{{else if eq 1 1}}a=2{{else}}a=3{{end}}", {"a": "2"}),
        ("{{define \"line\"}}{{.}}=1\n{{end}}{{template \"line\" \"a\"}}{{block \"b\" 7}}b={{.}}{{end}}",
         {"a": "1", "b": "7"}),
        # Go's types.
        ("a={{1e6}} {{1.0}} {{'x'}} {{010}} {{0x1F}} {{1_000}} {{add 9223372036854775807 1}}",
         {"a": "1e+06 1 120 8 31 1000 -9223372036854775808"}),
        ("a={{len \"héllo\"}} {{trunc 3 \"héllo\"}} {{div -7 2}} {{mod -7 3}} {{print 1 2 \"x\" 3}}",
         {"a": "6 hé -3 -1 1 2x3"}),
        ("a={{typeOf (add 1 1)}} {{typeOf (len \"\")}} {{typeOf .cpu.cpuid}} {{kindOf list}}",
         {"a": "int64 int []nodefeaturerule.MatchedElement slice"}),
        ("a={{printf \"%s|%5.2f|%-4d|%q|%x|%v\" 5 3.14159 7 \"é\" \"hi\" nil}}",
         {"a": '%!s(int=5)| 3.14|7   |"é"|6869|<nil>'}),
        # Bytes that are no character are replaced where they leave.
        ("a={{trunc 2 \"é é\"}}|{{trunc 1 \"é\"}}", {"a": "é|\ufffd"}),
        ("a={{$h := trunc 1 \"é\"}}{{$t := trunc -1 \"é\"}}{{print $h $t}}", {"a": "é"}),
    ],
)  # fmt: skip
def test_what_it_computes(text: str, found: dict[str, str]) -> None:
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
        ('{{eq 1 "1"}}', "template-exec"),
        ("{{upper 5}}", "template-exec"),
        ('{{repeat (add 1 1) "x"}}', "template-exec"),
        ('{{hasKey .cpu "cpuid"}}', "template-exec"),
        ("{{mod 1 0}}", "template-exec"),
        ("{{$x = 1}}", "template-exec"),
        ("a=" + "x" * 65536, "template-size"),
        ("{{upper .x", "template-parse"),
        ("{{.x | nothing}}", "template-parse"),
        ("{{$y}}", "template-parse"),
        ("{{range .x}}", "template-parse"),
        ("{{end}}", "template-parse"),
        ("{{}}", "template-parse"),
        ('{{env "HOME"}}', "template-parse"),
        ("{{break}}", "template-parse"),
    ],
)
def test_errors(text: str, kind: str) -> None:
    with pytest.raises(EvaluationError) as error:
        variables(text)
    assert error.value.kind == kind


def spec_of(template: str) -> str:
    return f"compatibilities: [{{rules: [{{name: r, varsTemplate: '{template}'}}]}}]"


@pytest.mark.parametrize("template", ["{{.x", "{{nonsense}}", "{{end}}"])
def test_what_go_can_not_parse_either_is_only_noticed_where_the_rule_matches(template: str) -> None:
    rule = load_spec(spec_of(template)).compatibilities[0].rules[0]
    assert rule.vars_template is not None
    assert rule.vars_template.wrong


@pytest.mark.parametrize(
    ("template", "named"),
    [(f"{{{{{name}}}}}", f"function {name}, which {REFUSED[name]}") for name in sorted(REFUSED)]
    + [("{{if .x}}" * (DEPTH + 1) + "{{end}}" * (DEPTH + 1), "nesting"), ("{{" + "(" * (DEPTH + 1), "unclosed"),
       ("{{" + "(" * (DEPTH + 1) + "1" + ")" * (DEPTH + 1) + "}}", "nesting")],
)  # fmt: skip
def test_what_this_version_lacks_is_refused_by_name_on_load(template: str, named: str) -> None:
    if named == "unclosed":
        load_spec(spec_of(template))
        return
    with pytest.raises(SpecError) as error:
        load_spec(spec_of(template))
    assert error.value.kind == "unsupported-template"
    assert error.value.path == "compatibilities[0].rules[0].varsTemplate"
    assert named in error.value.text


def test_the_table_of_functions_is_in_order() -> None:
    assert not FUNCTIONS.keys() & REFUSED.keys()
    assert not {"env", "expandenv", "getHostByName"} & (FUNCTIONS.keys() | REFUSED.keys())
    for name, row in FUNCTIONS.items():
        assert {*row.parameters, row.rest or "any"} <= set(TYPES), name


def test_a_spec_without_a_template_does_not_import_any_of_it() -> None:
    code = (
        "import sys, hpccompat, hpccompat.workflow, hpccompat.cli.submit\n"
        'spec = hpccompat.load_spec(\'compatibilities: [{rules: [{name: r, varsTemplate: "", vars: {a: b}, '
        "matchFeatures: [{feature: a.b, matchName: {op: Exists}}]}]}]')\n"
        "features = hpccompat.load_features({'flags': {'a.b': {'elements': {'x': {}}}}})\n"
        "assert hpccompat.check_node(spec, features).compatible\n"
        "print(*(name for name in sys.modules if name.startswith('hpccompat.rules.template')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
