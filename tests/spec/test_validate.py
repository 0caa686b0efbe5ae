"""What validation says of a spec, and where."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hpccompat
from hpccompat.errors import EvaluationError
from hpccompat.spec.check import check_node
from hpccompat.spec.decode import load_spec
from hpccompat.spec.schema import SCHEMA
from hpccompat.spec.validate import validate
from tests.integration.line import SOLVER
from tests.property.test_engine import FEATURES, SPEC

TERM = """\
version: v1alpha1
compatibilities:
- rules:
  - name: r
    matchFeatures:
    - {}
"""


# A term; where the remark points (the last such place in it); the remark.
ERRORS = [
    ("{feature: a.b, matchExpressions: {x: {op: Exist}}}", "Exist}", "did you mean Exists?"),
    ("{feature: a.b, matchExpressions: {x: {op: exists}}}", "exists}", "unknown operator 'exists'"),
    ("{feature: a.b, matchExpressions: {x: {op: Gt, value: ['1'], type: semver}}}", "semver", "unknown type"),
    ("{feature: a.b, matchExpressions: {x: {op: In}}}", "{op", "In needs at least one value"),
    ("{feature: a.b, matchExpressions: {x: {op: Exists, value: [a]}}}", "{op", "takes no value"),
    ("{feature: a.b, matchExpressions: {x: {op: Gt, value: ['1', '2']}}}", "{op", "takes one value"),
    ("{feature: a.b, matchExpressions: {x: {op: GtLt, value: ['5', '3']}}}", "{op", "5 is not less than 3"),
    ("{feature: a.b, matchExpressions: {x: {op: Gt, value: [five]}}}", "{op", "'five' is not a whole number"),
    ("{feature: a.b, matchName: {op: InRegexp, value: ['(']}}", "{op", "invalid regular expression"),
    ("{feature: a.b, matchExpressions: {x: null}}", "null", "is null, on which NFD crashes"),
    ("{matchExpressions: {x: {op: Exists}}}", "{matchE", "is missing"),
    ("{feature: cpu.cpuid, matchExpression: {}}", "{}", "did you mean matchExpressions?"),
    ("{feature: cpu.cpuid}\n    varsTemplate: '{{.cpu.cpuid'", "'{{.cpu", "can't be parsed: unclosed action"),
    ("{feature: cpu.cpuid}\n    varsTemplate: '{{nothing}}'", "'{{noth", "function 'nothing' not defined"),
]
FULL = "{feature: kernel.version, matchExpressions: {full: {op: Ge, type: version, value: ['5.1']}}}"
TWICE = (
    "{{feature: cpu.model, matchExpressions: {{id: {}}}}}\n    - {{feature: cpu.model, matchExpressions: {{id: {}}}}}"
)
WARNINGS = [
    (FULL, "{op", "stops the whole check"),
    ("{feature: kernel.loadedmodule, matchExpressions: {x: {op: NotIn, value: [a]}}}", "{op", "flags, which have no"),
    ("{feature: cpu.cpuid, matchExpressions: {AVX: {op: NotIn, value: [a]}}}", "{op", "DoesNotExist is meant"),
    ("{feature: system.osrelease, matchExpressions: {V: {op: In, value: [8.10]}}}", "8.10", "read as '8.1'"),
    ("{feature: cpu.cpuidd}", "cpu.cpuidd", "did you mean cpu.cpuid?"),
    ("{feature: CPU.cpuid}", "CPU.cpuid", "write 'cpu.cpuid'"),
    ("{feature: cpu.model, matchExpressions: {vendor: {op: Exists}}}", "{op", "did you mean vendor_id?"),
    ("{feature: cpu.model, matchName: {op: DoesNotExist}}", "{op", "never matches as a matchName"),
    ("{feature: system.dmiid, matchExpressions: {x: {op: DoesNotExist}}}", "{op", "not even DoesNotExist"),
    ("{feature: hpc.gpu, matchExpressions: {x: {op: Exists}}}", "hpc.gpu", "not portable"),
    ("{feature: system.name, matchExpressions: {nodename: {op: Exists}}}", "{op", "differs on every node"),
    ("{feature: rule.matched, matchExpressions: {x: {op: Exists}}}", "name: r", "no rule before this one"),
    (TWICE.format("{op: In, value: ['1']}", "{op: In, value: ['2']}"), "{op", "the rule never matches"),
    (TWICE.format("{op: Exists}", "{op: DoesNotExist}"), "{op", "must exist and not exist"),
]
CASES = [("error", *each) for each in ERRORS] + [("warning", *each) for each in WARNINGS]


@pytest.mark.parametrize(("level", "term", "at", "text"), CASES)
def test_remarks(level: str, term: str, at: str, text: str) -> None:
    document = TERM.format(term)
    before = document[: document.rindex(at)]
    place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    remarks = validate(document)
    found = [each for each in remarks if text in each.text]
    assert [(each.level, (each.line, each.column)) for each in found] == [(level, place)], remarks


def test_what_is_right_has_no_remarks() -> None:
    assert validate(SOLVER.read_bytes()) == ()
    instances = (
        "{feature: pci.device, matchExpressions: {vendor: {op: In, value: ['1']}}}\n"
        "    - {feature: pci.device, matchExpressions: {vendor: {op: In, value: ['2']}}}"
    )
    assert validate(TERM.format(instances)) == (), "different devices may satisfy these"


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("a: [", 2, "flow node"),
        ("version: v1alpha1", 1, "'compatibilities' is a required property"),
        ("version: v1\ncompatibilities: [{rules: []}]", 1, "'v1' is not 'v1alpha1'"),
        ("version: v1alpha1\ncompatibilities: []", 2, "non-empty"),
        ("version: v1alpha1\ncompatibilities: [{rules: x}]", 2, "must be a list, not a string"),
        ("version: v1alpha1\ncompatibilities: [{rules: [], weight: heavy}]", 2, "must be a whole number"),
        ("version: v1alpha1\ncompatibilities:\n- rules:\n  - matchFeatures: []", 4, "'name' is a required property"),
    ],
)
def test_documents(text: str, line: int, named: str) -> None:
    (remark, *_) = [each for each in validate(text) if each.level == "error"]
    assert remark.line == line
    assert named in remark.text


def test_the_schema_is_one() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(dict(SCHEMA))


@given(SPEC, FEATURES)
def test_a_spec_without_errors_does_not_stop_for_what_it_says_itself(spec: object, features: object) -> None:
    text = json.dumps(spec, ensure_ascii=False)
    if any(each.level == "error" for each in validate(text)):
        return
    # Only what the node has can be wrong then.
    kinds = {"", "not-a-number-input", "not-a-version-input", "template-exec", "template-line", "panic"}
    assert error_kind(text, features) in kinds


def error_kind(text: str, features: object) -> str:
    try:
        check_node(load_spec(text), hpccompat.load_features(features))
    except EvaluationError as error:
        return error.kind
    return ""


@given(st.text() | st.binary())
def test_no_input_breaks_it(text: str | bytes) -> None:
    validate(text)
