"""The loader and the engine on whatever may come."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

import hpccompat
from hpccompat.errors import DocumentError, EvaluationError
from hpccompat.plan.requirement import load_requirement, requirement
from hpccompat.rules.operators import OPERATORS
from hpccompat.spec.encode import dump_spec

NAMES = st.sampled_from(["a", "b", "A", "ſ", "n", "", "5", "\ud800", "ü\u2028"])
SETS = st.sampled_from(["x.f", "x.a", "x.i", "x.m", "X.A", "none.here", "rule.matched", "nodot", ""])
VALUES = st.sampled_from(
    ["", "1", "5", "-7", "+5", "1.2.3", "v1", "true", "false", "a", "^a$", "(", "[[:x:]]", "9" * 30, "\ud800"]
)
EXPRESSION = st.none() | st.fixed_dictionaries(
    {"op": st.sampled_from([*OPERATORS, "Exist"])},
    optional={"value": st.lists(VALUES, max_size=3), "type": st.sampled_from(["", "version", "string"])},
)
TERM = st.fixed_dictionaries(
    {"feature": SETS},
    optional={"matchExpressions": st.dictionaries(NAMES, EXPRESSION, max_size=3), "matchName": EXPRESSION},
)
RULE = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "vars": st.dictionaries(NAMES, VALUES, max_size=2),
        "varsTemplate": st.sampled_from(["a=1", "{{range .x.a}}{{.Name}}=1\n{{end}}", "{{.y}}", "{{upper .}}", "x"]),
        "matchFeatures": st.lists(TERM, max_size=3),
        "matchAny": st.lists(st.fixed_dictionaries({"matchFeatures": st.lists(TERM, max_size=2)}), max_size=2),
    },
)
SPEC = st.fixed_dictionaries(
    {"compatibilities": st.lists(
        st.fixed_dictionaries(
            {"rules": st.lists(RULE, max_size=3)}, optional={"tag": NAMES, "weight": st.integers(-3, 3)}
        ),
        max_size=3,
    )}
)  # fmt: skip
ATTRIBUTES = st.none() | st.dictionaries(NAMES, VALUES, max_size=4)
FEATURES = st.fixed_dictionaries(
    {},
    optional={
        "flags": st.dictionaries(SETS, st.fixed_dictionaries(
            {"elements": st.none() | st.dictionaries(NAMES, st.just({}), max_size=4)}), max_size=3),
        "attributes": st.dictionaries(SETS, st.fixed_dictionaries({"elements": ATTRIBUTES}), max_size=4),
        "instances": st.dictionaries(SETS, st.fixed_dictionaries(
            {"elements": st.lists(st.fixed_dictionaries({"attributes": ATTRIBUTES}), max_size=3)}), max_size=3),
    },
)  # fmt: skip


def outcome(spec: object, features: object, tags: tuple[str, ...] = ()) -> object:
    """Everything that can be seen of a check; the errors are ours, or the test fails."""
    try:
        report = hpccompat.check_node(
            hpccompat.load_spec(json.dumps(spec, ensure_ascii=False)), hpccompat.load_features(features), tags
        )
    except (DocumentError, EvaluationError) as error:
        return type(error)
    return report.compatible, report.weight, report.matched_vars, report.to_nfd()


def shuffled(value: object, chance: random.Random) -> object:
    """The same, with the keys of every mapping in another order."""
    if isinstance(value, Mapping):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(each, chance) for each in value] if isinstance(value, list) else value


@settings(max_examples=300, deadline=None)
@given(SPEC, FEATURES, st.randoms(use_true_random=False))
def test_only_our_errors_and_no_order_of_keys(spec: object, features: object, chance: random.Random) -> None:
    first = outcome(spec, features)
    assert outcome(shuffled(spec, chance), shuffled(features, chance)) == first


@settings(deadline=None)
@given(SPEC, FEATURES, st.sampled_from(["a", "b", ""]))
def test_a_node_is_compatible_if_any_set_of_the_tag_is(
    spec: dict[str, list[dict[str, object]]], features: object, tag: str
) -> None:
    found = outcome(spec, features, (tag,))
    if isinstance(found, tuple):
        sets = [each for each in spec["compatibilities"] if each.get("tag", "") == tag]
        status = found[3]
        assert len(status) == len(sets)
        matched = [all(rule["isMatch"] for rule in each["rules"] or []) for each in status]
        assert found[0] == (any(matched) if sets else None)
        weights = [each.get("weight", 0) for each, matches in zip(sets, matched, strict=True) if matches]
        assert found[1] == (max(weights) if weights else None)  # type: ignore[type-var]


@settings(max_examples=200, deadline=None)
@given(SPEC)
def test_a_spec_in_its_one_text_is_the_same_spec(spec: object) -> None:
    try:
        loaded = hpccompat.load_spec(json.dumps(spec))
    except DocumentError:
        return
    assert hpccompat.load_spec(dump_spec(loaded)) == loaded
    assert load_requirement(requirement(loaded, ("b", "a", "b")).dump().encode(), requirement(loaded, ("a", "b")).id)
