"""Templates that would take all time or memory are stopped."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from hpccompat.errors import EvaluationError
from hpccompat.features.model import Features
from hpccompat.rules.model import MatchExpression, Rule, Term
from hpccompat.rules.vars_template import VarsTemplate
from hpccompat.spec.check import check_node
from hpccompat.spec.model import CompatibilitySet, CompatibilitySpec

# Three times what is promised: machines of tests are busy. benchmarks/rules.py has the figures.
SECONDS = 0.3
BYTES = 50_000_000

FLAGS = ("cpu.cpuid", [{"Name": f"F{number}"} for number in range(200)])
CONFIG = ("kernel.config", [{"Name": f"CONFIG_{number}", "Value": "y"} for number in range(8000)])
FOREVER = "{{range 999999999}}"
# A list of two lists of two lists ...: 2^40 elements, in 40 lists.
HALVES = "{{$x := list 1}}{{range 40}}{{$x = list $x $x}}{{end}}"
CIRCLE = '{{$d := dict}}{{$_ := set $d "a" $d}}'
LONG = '{{$l := repeat 1000000 "a"}}'
MANY = [
    # Loops.
    FOREVER + "{{end}}",
    FOREVER * 30 + "x" + "{{end}}" * 30,
    FOREVER + "xxxxxxxxxxxxxxxxxxxx{{end}}",
    "{{range until 9000}}{{range $.cpu.cpuid}}{{range $.cpu.cpuid}}x{{end}}{{end}}{{end}}",
    "{{$x := 1}}" * 3000 + FOREVER + "{{$y := $}}{{end}}",
    "".join(f"{{{{$x{number} := 1}}}}" for number in range(3000)) + FOREVER + "{{$z := $x0}}{{end}}",
    FOREVER + "{{$x := coalesce" + " 0" * 40 + "}}{{end}}",
    FOREVER + "{{$x := dict 1 2 3 4 5 6 7 8 9 10}}{{end}}",
    # Templates in templates.
    '{{define "r"}}{{template "r" .}}{{end}}{{template "r" .}}',
    '{{define "r"}}{{template "r" .}}{{template "r" .}}{{end}}{{template "r" .}}',
    '{{define "r"}}{{if gt . 0}}{{template "r" (sub . 1)}}{{template "r" (sub . 1)}}{{end}}{{end}}{{template "r" 30}}',
    '{{define "r"}}{{if 1}}{{with 1}}{{range 2}}{{template "r" .}}{{end}}{{end}}{{end}}{{end}}{{template "r" .}}',
    # Texts that grow.
    '{{repeat 999999999 "x"}}',
    '{{$x := "x"}}{{range 60}}{{$x = repeat 10 $x}}{{end}}{{$x}}',
    '{{$x := "x"}}{{range 60}}{{$x = print $x $x}}{{end}}{{$x}}',
    '{{$x := "x"}}' + FOREVER + '{{$x = print $x "x"}}{{end}}',
    '{{indent 1000 (repeat 10000 "\\n")}}',
    '{{indent 99999999 "x"}}',
    '{{replace "" (repeat 1000 "x") (repeat 10000 "y")}}',
    '{{join (repeat 10000 "x") (until 1000)}}',
    FOREVER + "{{$x := printf `%99999d` 1}}{{end}}",
    FOREVER + "{{$x := printf `%*d` 99999 1}}{{end}}",
    FOREVER + "{{$x := printf `%.300f` 1e300}}{{end}}",
    '{{printf (repeat 100000 "%v") 1}}',
    "{{range 99}}{{$}}{{end}}",
    # Lists and dicts that grow.
    "{{until 999999999}}",
    "{{untilStep 0 9223372036854775807 1}}",
    "{{seq 1 99999999}}",
    "{{$x := list 1}}{{range 60}}{{$x = concat $x $x}}{{end}}",
    "{{$x := list}}" + FOREVER + "{{$x = append $x .}}{{end}}",
    "{{$x := dict}}" + FOREVER + "{{$_ := set $x (toString .) .}}{{end}}",
    '{{splitList "" (repeat 1000000 "a") | len}}',
    '{{fromJson (printf "[%s1]" (repeat 500000 "1,")) | len}}',
    '{{fromJson (repeat 100000 "[")}}',
    '{{dir (repeat 1000000 "a/")}}',
    # Values in values.
    HALVES + "{{$x}}",
    HALVES + "{{toPrettyJson $x}}",
    HALVES + "{{$y := deepCopy $x}}",
    HALVES + HALVES.replace("$x", "$y") + "{{deepEqual $x $y}}",
    CIRCLE + "{{$d}}",
    CIRCLE + "{{toJson $d}}",
    CIRCLE + "{{deepCopy $d}}",
    CIRCLE + CIRCLE.replace("$d", "$e") + "{{deepEqual $d $e}}",
    CIRCLE + CIRCLE.replace("$d", "$e") + "{{merge $d $e}}",
    # Long texts, looked at again and again.
    LONG + FOREVER + '{{$y := contains "b" $l}}{{end}}',
    LONG + FOREVER + "{{$y := trunc 999999 $l}}{{end}}",
    LONG + FOREVER + "{{$y := trim $l}}{{end}}",
    LONG + FOREVER + "{{$y := eq $l $l}}{{end}}",
    LONG + FOREVER + "{{$y := uniq (list $l $l)}}{{end}}",
    LONG + FOREVER + "{{$y := float64 $l}}{{end}}",
    "{{$l := until 5000}}" + FOREVER + "{{$y := has -1 $l}}{{end}}",
    '{{$d := split "" (repeat 5000 "a")}}' + FOREVER + "{{range $d}}{{break}}{{end}}{{end}}",
    *(f'{{{{{name} (repeat 400000 "é ") | len}}}}' for name in ("title", "swapcase", "snakecase", "nospace", "quote")),
    '{{wrap 1 (repeat 400000 "ab ") | len}}',
    '{{b64dec (repeat 1000000 "aaaa") | len}}',
    # Regular expressions and constraints.
    '{{regexFindAll "a*b|a" (repeat 60000 "a") -1 | len}}',
    '{{regexReplaceAll "(a|b)*a(a|b){20}c|." (repeat 20000 "ab") "x" | len}}',
    '{{regexMatch "(a|b)*a(a|b){400}(a|b)*a(a|b){400}c" (repeat 200000 "ab")}}',
    '{{regexReplaceAll "(a)" (repeat 10000 "a") (repeat 1000 "$1")}}',
    FOREVER + '{{$x := regexMatch (printf "((a{10}){10}){%d}" .) "a"}}{{end}}',
    FOREVER + '{{$x := regexMatch (printf "(\\\\pL{1,30}){%d}" .) "a"}}{{end}}',
    FOREVER + '{{$x := regexMatch (printf "(?i)[^a]{9}[^b]{9}%d" .) "a"}}{{end}}',
    FOREVER + '{{$x := semverCompare (printf ">=1.2.3-%d || ^5.6 || ~7.8 || 1.x || 2 - 3" .) "1.2.3-rc.1"}}{{end}}',
    FOREVER + "{{$x := mulf 1.234567890123456e300 1.234567890123456e300 1.234567890123456e-300}}{{end}}",
]  # fmt: skip


def outcome(text: str, *more: tuple[str, list[dict[str, str]]]) -> str:
    try:
        VarsTemplate(text).variables([FLAGS, *more])
    except EvaluationError as error:
        return error.kind
    return ""


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    outcome('a={{regexFind "a" "a"}}')


@pytest.mark.parametrize("text", MANY, ids=lambda text: text[-60:])
def test_it_is_stopped_in_time(text: str) -> None:
    template = VarsTemplate(text)
    assert template.unsupported == template.wrong == ""
    taken = []
    for _ in range(3):
        # Of this process: others may have the processor meanwhile.
        started = time.process_time()
        with pytest.raises(EvaluationError) as error:
            template.variables([FLAGS])
        taken.append(time.process_time() - started)
        assert error.value.kind in ("limit", "template-exec", "template-line")
    assert min(taken) < SECONDS


@pytest.mark.parametrize("text", MANY, ids=lambda text: text[-60:])
def test_it_takes_little_memory(text: str) -> None:
    tracemalloc.start()
    try:
        outcome(text)
        assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "{{range .kernel.config}}{{.Name}}={{.Value}}\n{{end}}",
        "{{range .cpu.cpuid}}{{.Name | lower}}={{if hasPrefix \"F1\" .Name}}1{{else}}0{{end}}\n{{end}}",
        "{{$all := \"\"}}{{range .cpu.cpuid}}{{$all = print $all .Name \",\"}}{{end}}all={{$all | trimSuffix \",\"}}",
        "{{range .cpu.cpuid}}{{if regexMatch \"^F1[0-9]$\" .Name}}{{.Name}}={{semverCompare \">=1.2\" \"1.3\"}}\n"
        "{{end}}{{end}}",
        "{{if 0}}" + "{{else if 0}}" * 1000 + "{{else}}a=1{{end}}",
        '{{define "r"}}{{if gt . 0}}{{template "r" (sub . 1)}}{{else}}a=1{{end}}{{end}}{{template "r" 30}}',
        "a=" + "{{1}}" * 10_000,
    ],
)  # fmt: skip
def test_what_serves_a_purpose_goes_through(text: str) -> None:
    assert outcome(text, CONFIG) == ""


@pytest.mark.parametrize("where", ["rules", "alternatives"])
def test_many_templates_are_stopped_together(where: str) -> None:
    """Each of them would be allowed alone."""
    template = "{{range 25000}}{{end}}a=1"
    terms = (Term("a.b", {"x": MatchExpression("Exists")}),)
    rule = Rule("r", terms, vars_template=VarsTemplate(template))
    rules: tuple[Rule, ...] = (rule,) * 1000
    if where == "alternatives":
        rules = (Rule("r", match_any=(terms,) * 1000, vars_template=VarsTemplate(template)),)
    features = Features(flags={"a.b": frozenset("x")})
    assert check_node(CompatibilitySpec((CompatibilitySet((rule,) * 3),)), features).compatible
    started = time.process_time()
    with pytest.raises(EvaluationError, match="the spec's templates together take more than") as error:
        check_node(CompatibilitySpec((CompatibilitySet(rules),)), features)
    assert error.value.kind == "limit"
    assert time.process_time() - started < 1


def test_a_long_template_is_parsed_soon() -> None:
    for text in ("{{$x := 1}}" * 5900, "{{if 0}}" + "{{else if 0}}" * 5000 + "{{end}}", "{{$" + ".a" * 32000 + "}}"):
        started = time.process_time()
        assert VarsTemplate(text).unsupported == ""
        assert time.process_time() - started < 1
