"""The Python API, as it is written down."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest

import hpccompat

SPEC = """
version: v1alpha1
compatibilities:
- {tag: a, weight: 2, rules: [{name: one, vars: {v: "1"}, matchFeatures: [{feature: x.y}]}]}
- tag: b
  weight: 7
  rules: [{name: two, matchFeatures: [{feature: rule.matched, matchExpressions: {v: {op: Exists}}}]}]
- {tag: c, rules: [{name: three, matchFeatures: [{feature: no.such}]}]}
"""
NODE = {"attributes": {"x.y": {"elements": {"k": "v"}}}}


def test_a_check() -> None:
    for text in (SPEC, SPEC.encode()):
        report = hpccompat.check_node(hpccompat.load_spec(text), hpccompat.load_features(NODE))
        assert isinstance(report, hpccompat.NodeReport)
        assert (report.compatible, report.weight) == (True, 7)
        assert report.matched_vars == [{"v": "1"}] * 3
        assert [each["tag"] for each in report.to_nfd()] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("tags", "compatible", "weight"),
    [(("a",), True, 2), (("c",), False, None), (("b",), False, None), (("none",), None, None), (("a", "c"), True, 2)],
)
def test_tags_choose_the_sets(tags: tuple[str, ...], compatible: bool | None, weight: int | None) -> None:
    report = hpccompat.check_node(hpccompat.load_spec(SPEC), hpccompat.load_features(NODE), tags)
    assert (report.compatible, report.weight) == (compatible, weight)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a: [", "yaml-syntax"),
        ("compatibilities: x", "spec-type"),
        ("x" * 2**21, "limit"),
        ("compatibilities: [{rules: [{varsTemplate: '{{now}}'}]}]", "unsupported-template"),
    ],
)
def test_errors_of_a_spec_have_a_kind(text: str, kind: str) -> None:
    with pytest.raises(hpccompat.SpecError) as error:
        hpccompat.load_spec(text)
    assert error.value.kind == kind


def test_errors_of_features_and_of_the_engine_have_a_kind() -> None:
    with pytest.raises(hpccompat.FeaturesError) as features_error:
        hpccompat.load_features({"attributes": {"x.y": {"elements": {"k": 1}}}})
    assert features_error.value.kind == "spec-type"
    null = "compatibilities: [{rules: [{matchFeatures: [{feature: x.y, matchExpressions: {k: null}}]}]}]"
    with pytest.raises(hpccompat.EvaluationError) as error:
        hpccompat.check_node(hpccompat.load_spec(null), hpccompat.load_features(NODE))
    assert error.value.kind == "panic"
    assert issubclass(hpccompat.SpecError, hpccompat.HpccompatError)


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
        "[" * 1_000_000,
        "compatibilities: [" + "{}," * 300_000 + "]",
        "compatibilities: [{rules: [{matchFeatures: [{feature: x.y}], varsTemplate: '"
        + "{{range 9}}" * 40
        + "x"
        + "{{end}}" * 40
        + "'}]}]",
        "compatibilities: ['" + "x" * 1_000_000 + "']",
    ],
)
def test_hostile_specs_take_little_memory(text: str) -> None:
    tracemalloc.start()
    try:
        with contextlib.suppress(hpccompat.HpccompatError):
            hpccompat.check_node(hpccompat.load_spec(text), hpccompat.load_features(NODE))
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()
