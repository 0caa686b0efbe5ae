"""What re-implementations of NFD's engine get wrong, each as a property: passing the recorded cases one by one would
not do. The numbers are those of the list that came with the recorded cases."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hpccompat.errors import EvaluationError, SpecError
from hpccompat.features.model import Features
from hpccompat.rules.model import MatchExpression, Rule, Term
from hpccompat.rules.operators import OPERATORS
from hpccompat.rules.vars_template import VarsTemplate
from hpccompat.rules.version import parse_version
from hpccompat.spec.check import NodeReport, check_node
from hpccompat.spec.decode import load_spec
from hpccompat.spec.model import CompatibilitySet, CompatibilitySpec

NAME = st.text("abcXYZ.-_ ", min_size=1, max_size=6)
VALUE = st.text("ab01.-tru", max_size=4)
ATTRIBUTES = st.dictionaries(NAME, VALUE, max_size=4)
FLAGS = st.frozensets(NAME, max_size=4)
VALUED_OPS = st.sampled_from([each for each in OPERATORS if each not in ("", "Exists", "DoesNotExist")])
BAD = MatchExpression("NoSuchOperator")
EXISTS, ABSENT, ANY = MatchExpression("Exists"), MatchExpression("DoesNotExist"), MatchExpression("")


def term(feature: str = "a.b", name: MatchExpression | None = None, **expressions: MatchExpression | None) -> Term:
    return Term(feature, expressions or None, name)


def on(element: str, expression: MatchExpression | None) -> Term:
    return Term("a.b", {element: expression})


def rule(*terms: Term, **more: object) -> Rule:
    return Rule("r", terms, **more)  # type: ignore[arg-type]


def check(*rules: Rule, features: Features, tags: tuple[str, ...] = ()) -> NodeReport:
    return check_node(CompatibilitySpec((CompatibilitySet(rules),)), features, tags)


def matches(*rules: Rule, features: Features) -> list[bool]:
    return [each.matched for each in check(*rules, features=features).sets[0].rules]


def attributes(elements: dict[str, str] | None) -> Features:
    return Features(attributes={"a.b": elements})


def flags(elements: frozenset[str] | None) -> Features:
    return Features(flags={"a.b": elements})


def instances(*elements: dict[str, str]) -> Features:
    return Features(instances={"a.b": elements})


def reported(report: NodeReport) -> list[bool]:
    (status,) = report.to_nfd()
    return [each["isMatch"] for each in status["rules"][0]["matchedExpressions"]]  # type: ignore[index]


@given(st.integers(0, 3), st.integers(1, 3))
def test_1_an_error_ends_everything_but_in_sets_that_are_not_selected(before: int, after: int) -> None:
    good = CompatibilitySet((rule(term(x=EXISTS)),), tag="good")
    bad = CompatibilitySet((rule(term(x=BAD)),), tag="bad")
    spec = CompatibilitySpec((good,) * before + (bad,) + (good,) * after)
    with pytest.raises(EvaluationError):
        check_node(spec, attributes({"x": "1"}))
    assert len(check_node(spec, attributes({"x": "1"}), ("good",)).sets) == before + after


@given(st.sampled_from([EXISTS, ABSENT, ANY, BAD, None, MatchExpression("InRegexp", ("(",))]))
def test_2_a_missing_feature_set_never_matches_and_checks_nothing(expression: MatchExpression | None) -> None:
    assert matches(rule(on("x", expression)), features=Features()) == [False]
    assert matches(rule(Term("a.b", None, expression)), features=Features()) == [False]


@given(st.sampled_from(["a.B", "A.b", "A.B"]))
def test_3_the_terms_name_is_lowered_the_nodes_is_not(name: str) -> None:
    written = rule(Term(name, {"x": EXISTS}))
    report = check(written, features=attributes({"x": "1"}))
    assert report.compatible
    assert reported(report) == [False]
    assert matches(written, features=Features(attributes={name: {"x": "1"}})) == [False]


@given(st.booleans())
def test_4_a_failed_term_hides_a_later_one_without_expressions(by_name: bool) -> None:
    failing = term(name=MatchExpression("In", ("nothing",))) if by_name else term(y=EXISTS)
    features = attributes({"x": "1"})
    assert matches(rule(failing, term(name=BAD)), features=features) == [False]
    assert matches(rule(Term("none.there", {"x": EXISTS}), term(name=ANY)), features=features) == [False]
    for terms in ((term(name=BAD), failing), (failing, term(x=BAD)), (Term("none.there"), term(name=BAD))):
        with pytest.raises(EvaluationError):
            matches(rule(*terms), features=features)
    assert matches(rule(term(x=EXISTS), Term("a.b")), features=features) == [True]


@given(ATTRIBUTES)
def test_5_names_are_looked_at_only_if_the_expressions_match(elements: dict[str, str]) -> None:
    assume("x" not in elements)
    features = attributes(elements)
    assert matches(rule(term(x=EXISTS, name=BAD)), features=features) == [False]
    if elements:
        with pytest.raises(EvaluationError):
            matches(rule(term(x=ABSENT, name=BAD)), features=features)


@given(VALUE, VALUE)
def test_6_equal_expressions_of_several_terms_report_each_other(value: str, other: str) -> None:
    assume(value != other)
    equal = MatchExpression("In", (value,))
    typed = MatchExpression("In", (value,), "version")
    features = attributes({"x": value, "y": other})
    report = check(rule(term(x=equal, y=equal), term(x=typed)), features=features)
    assert not report.compatible
    assert reported(report) == [True, True, False]


@given(st.lists(st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=2), max_size=4))
def test_7_one_instance_satisfies_all_and_is_reported_singly(found: list[dict[str, str]]) -> None:
    one = MatchExpression("In", ("1",))
    report = check(rule(term(x=one, y=one)), features=instances(*found))
    assert report.compatible == any(each == {"x": "1", "y": "1"} for each in found)
    assert reported(report) == [any(each.get(name) == "1" for each in found) for name in "xy"]
    assert matches(rule(Term("a.b", {})), features=instances(*found)) == [bool(found)]


@given(st.booleans(), st.booleans(), st.booleans())
def test_8_what_fails_decides_whether_variables_are_stored(has_all: bool, all_of: bool, any_of: bool) -> None:
    def wants(met: bool) -> Term:
        return term(x=EXISTS if met else ABSENT)

    storing = Rule("r", (wants(all_of),) if has_all else (), ((wants(any_of),),), {"v": "1"})
    report = check(storing, features=attributes({"x": "1"}))
    assert report.compatible == (any_of and (all_of or not has_all))
    assert report.matched_vars == [{"v": "1"} if all_of or not has_all else {}]


@given(st.lists(st.sampled_from("xyz"), min_size=1, max_size=3), st.sampled_from(["", "x", "y"]), st.booleans())
def test_9_later_sources_of_variables_override_earlier_ones(any_of: list[str], all_of: str, static: bool) -> None:
    features = attributes({"x": "1", "y": "2"})
    template = VarsTemplate("{{range .a.b}}v={{.Value}}\n{{end}}")
    terms = (on(all_of, EXISTS),) if all_of else ()
    alternatives = tuple((on(element, EXISTS),) for element in any_of)
    report = check(Rule("r", terms, alternatives, {"v": "static"} if static else {}, template), features=features)
    order = [{"x": "1", "y": "2"}[element] for element in [*any_of, all_of] if element in ("x", "y")]
    expected = [*order, *(["static"] if static else [])]
    assert report.matched_vars == [{"v": expected[-1]} if expected else {}]


@given(ATTRIBUTES)
def test_10_a_rule_without_terms_matches_and_stores(variables: dict[str, str]) -> None:
    report = check(Rule("r", vars=variables), features=Features())
    assert (report.compatible, report.matched_vars) == (True, [variables])


@given(st.booleans(), st.integers(1, 3))
def test_11_back_references_exist_from_the_second_rule_on(first_matches: bool, sets: int) -> None:
    back = rule(Term("rule.matched", {"v": ABSENT}))
    assert matches(back, features=Features()) == [False]
    before = rule(term(x=EXISTS if first_matches else ABSENT))
    alone = tuple(CompatibilitySet((each,)) for each in (before, *[back] * sets))
    report = check_node(CompatibilitySpec(alone), attributes({"x": "1"}))
    assert [each.matched for each in report.sets] == [first_matches, *[True] * sets]
    own = Features(attributes={"rule.matched": {"own": "1"}})
    later = rule(Term("rule.matched", {"own": EXISTS, "v": EXISTS}))
    assert matches(Rule("r", vars={"v": "1"}), later, features=own) == [True, True]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyü"), st.lists(VALUE, max_size=2)), max_size=6))
def test_12_the_report_is_sorted(terms: list[tuple[str, str, list[str]]]) -> None:
    made = [Term(f"{each}.f", {element: MatchExpression("In", tuple(values))}) for each, element, values in terms]
    (status,) = check(rule(*made), features=Features()).to_nfd()
    rows = status["rules"][0].get("matchedExpressions", [])  # type: ignore[index]
    keys = [(row["feature"], row["name"]) for row in rows]
    assert keys == sorted(keys)
    assert len(rows) == len(terms)


@given(st.integers(-2, 2), st.sampled_from(["", "t"]), st.booleans())
def test_13_empty_fields_are_left_out_of_the_list(weight: int, tag: str, ruled: bool) -> None:
    rules = (Rule("r", (), ((Term("a.b"),),)),) if ruled else ()
    (status,) = check_node(CompatibilitySpec((CompatibilitySet(rules, weight, tag),)), Features()).to_nfd()
    expected: dict[str, object] = {"rules": None}
    if ruled:
        expected["rules"] = [{"name": "r", "isMatch": False, "matchedAny": [{"matchedExpressions": None}]}]
    assert status == expected | ({"weight": weight} if weight else {}) | ({"tag": tag} if tag else {})
    assert check_node(CompatibilitySpec(()), Features()).to_nfd() == []


@given(FLAGS, ATTRIBUTES, NAME)
def test_14_flags_and_attributes_are_one_set_of_names(names: frozenset[str], values: dict[str, str], name: str) -> None:
    features = Features({"a.b": names}, {"a.b": values})
    there = name in names or name in values
    assert matches(rule(on(name, EXISTS)), features=features) == [there]
    report = check(rule(on(name, ABSENT)), features=features)
    assert report.compatible == (not there)
    assert reported(report) == [name not in names]


@given(st.sampled_from(["flags", "attributes"]))
def test_15_empty_and_null_differ(kind: str) -> None:
    empty, null = (
        (flags(frozenset()), flags(None)) if kind == "flags" else (attributes({}), attributes(None))
    )  # fmt: skip
    assert matches(rule(Term("a.b", {})), features=empty) == [True]
    assert matches(rule(Term("a.b", {})), features=null) == [False]
    assert matches(rule(Term("a.b")), features=null) == [True], "no matcher at all"
    assert matches(rule(on("x", BAD)), features=null) == [False], "nothing is evaluated"


@given(VALUED_OPS, st.lists(VALUE, max_size=3), st.booleans())
def test_16_without_a_value_only_presence_is_checked(operator: str, values: list[str], flag: bool) -> None:
    features = flags(frozenset({"x"})) if flag else attributes({"other": "1"})
    assert matches(rule(on("x", MatchExpression(operator, tuple(values)))), features=features) == [False]
    for wrong in (BAD, *(MatchExpression(each, ("v",)) for each in ("", "Exists", "DoesNotExist"))):
        with pytest.raises(EvaluationError):
            matches(rule(on("x", wrong)), features=features)


@given(VALUE, st.lists(VALUE, min_size=1, max_size=3))
def test_17_values_are_compared_as_they_are(value: str, values: list[str]) -> None:
    features = attributes({"x": value})
    for operator, expected in {
        "In": value in values, "NotIn": value not in values, "IsTrue": value == "true", "IsFalse": value == "false",
    }.items():  # fmt: skip
        given_values = tuple(values) if operator.endswith("In") else ()
        assert matches(rule(on("x", MatchExpression(operator, given_values))), features=features) == [expected]
    assert matches(rule(on("not there", ANY)), features=features) == [True]


@given(st.lists(ATTRIBUTES, max_size=3), NAME)
def test_18_names_of_instances_are_those_of_their_attributes(found: list[dict[str, str]], name: str) -> None:
    features = instances(*found)
    assert matches(rule(term(name=MatchExpression("In", (name,)))), features=features) == [
        any(name in each for each in found)
    ]
    assert matches(rule(term(name=ABSENT)), features=features) == [False]
    assert matches(rule(term(name=ANY)), features=features) == [any(found)]


@given(ATTRIBUTES)
def test_19_a_null_expression_is_an_error_once_it_is_evaluated(elements: dict[str, str]) -> None:
    with pytest.raises(EvaluationError) as error:
        matches(rule(on("x", None)), features=attributes(elements))
    assert error.value.kind == "panic"
    assert matches(rule(on("x", None)), features=instances()) == [False]


NUMBERS = st.integers(-(2**70), 2**70).map(str) | st.text("0123456789+-_ .eٱ٣", max_size=6)


@given(NUMBERS, NUMBERS, st.sampled_from(["Gt", "Ge", "Lt", "Le"]))
def test_22_numbers_are_go_s_atoi(found: str, limit: str, operator: str) -> None:
    def atoi(text: str) -> int | None:
        number = int(text) if re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII) else None
        return number if number is not None and -(2**63) <= number < 2**63 else None

    left, right = atoi(found), atoi(limit)
    wanted = rule(on("x", MatchExpression(operator, (limit,))))
    if left is None or right is None:
        with pytest.raises(EvaluationError) as error:
            matches(wanted, features=attributes({"x": found}))
        assert error.value.kind == ("not-a-number-input" if left is None else "not-a-number-expr")
        return
    expected = {"Gt": left > right, "Ge": left >= right, "Lt": left < right, "Le": left <= right}[operator]
    assert matches(wanted, features=attributes({"x": found})) == [expected]


@given(st.integers(-5, 5), st.integers(-5, 5), st.integers(-5, 5))
def test_22_ranges_need_an_order_of_numbers_not_of_versions(low: int, found: int, high: int) -> None:
    def between(operator: str, kind: str) -> list[bool]:
        texts = [str(abs(each)) if kind else str(each) for each in (low, high, found)]
        expression = MatchExpression(operator, (texts[0], texts[1]), kind)
        return matches(rule(on("x", expression)), features=attributes({"x": texts[2]}))

    if low < high:
        assert between("GtLt", "") == [low < found < high]
        assert between("GeLe", "") == [low <= found <= high]
    else:
        with pytest.raises(EvaluationError) as error:
            between("GeLe", "")
        assert error.value.kind == "range-order"
    assert between("GeLe", "version") == [abs(low) <= abs(found) <= abs(high)]


@given(st.text(min_size=1).filter(lambda text: text != "version"), st.sampled_from(["In", "NotIn", "Exists", "IsTrue"]))
def test_23_the_type_counts_for_comparisons_alone(kind: str, operator: str) -> None:
    values = ("1",) if operator.endswith("In") else ()
    plain, typed = MatchExpression(operator, values), MatchExpression(operator, values, kind)
    features = attributes({"x": "1"})
    assert matches(rule(on("x", typed)), features=features) == matches(rule(on("x", plain)), features=features)
    compare = rule(on("x", MatchExpression("Ge", ("1",), kind)))
    with pytest.raises(EvaluationError) as error:
        matches(compare, features=features)
    assert error.value.kind == "bad-type"
    assert matches(compare, features=attributes({"y": "1"})) == [False]


PARTS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3)
SUFFIX = st.sampled_from(["", "-rc1", "-427.el9", "-0a.1", "+build.5", "-1.2+x-y"])


@given(PARTS, SUFFIX, st.sampled_from(["", "v"]), st.integers(0, 3))
def test_24_versions_are_their_numbers(parts: list[int], suffix: str, prefix: str, zeros: int) -> None:
    text = prefix + ".".join("0" * zeros + str(each) for each in parts) + suffix
    assert parse_version(text) == tuple([*parts, 0, 0][:3])
    numbers = ".".join(map(str, parts))
    four = ".".join(map(str, [*parts, 1, 1, 1][:4]))
    for wrong in (f"{text}_64", f"V{text}", f" {text}", f"{text}\n", f"{numbers}-01", f"{numbers}-1..2", four):
        assert parse_version(wrong) is None, wrong
    assert parse_version(str(2**64)) is None


@given(st.text("ab+*([.^$", max_size=5), st.lists(st.text("ab", max_size=3), max_size=2))
def test_26_one_bad_pattern_spoils_the_good_ones(bad: str, good: list[str]) -> None:
    features = attributes({"x": "ab"})
    try:
        matches(rule(on("x", MatchExpression("InRegexp", (bad,)))), features=features)
    except EvaluationError:
        for patterns in ((*good, "", bad), (bad, "", *good)):
            with pytest.raises(EvaluationError) as error:
                matches(rule(on("x", MatchExpression("InRegexp", patterns))), features=features)
            assert error.value.kind == "bad-regexp"
    else:
        assert matches(rule(on("x", MatchExpression("InRegexp", (bad, "")))), features=features) == [True]


@given(st.text("ab\n", max_size=6))
def test_26_the_end_is_the_end_of_the_text(text: str) -> None:
    features = attributes({"x": text})
    assert matches(rule(on("x", MatchExpression("InRegexp", ("a$",)))), features=features) == [text.endswith("a")]
    assert matches(rule(on("x", MatchExpression("InRegexp", ("^b",)))), features=features) == [text.startswith("b")]


def spec_with_value(text: str) -> CompatibilitySpec:
    return load_spec(
        "compatibilities: [{rules: [{matchFeatures: [{feature: a.b, matchExpressions: "
        f"{{x: {{op: In, value: [{text}]}}}}}}]}}]}}]"
    )


@given(st.integers(-(2**63), 2**64 - 1), st.sampled_from(["d", "#x", "#o", "#b", "_"]))
def test_31_whole_numbers_keep_their_digits(number: int, form: str) -> None:
    assume(number >= 0 or form in "d_")
    spec = spec_with_value(format(number, form))
    ((found,),) = [each.rules for each in spec.compatibilities]
    expression = (found.match_features[0].expressions or {})["x"]
    assert expression is not None
    assert expression.value == (str(number),)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8))
def test_31_quoted_text_is_left_alone(text: str) -> None:
    assume(text.isprintable())
    quoted = text.replace("'", "''")
    spec = spec_with_value(f"'{quoted}'")
    expression = (spec.compatibilities[0].rules[0].match_features[0].expressions or {})["x"]
    assert expression is not None
    assert expression.value == (text,)


@given(
    st.sampled_from(["compatibilities", "rules", "matchFeatures", "feature", "name", "op"]),
    st.randoms(use_true_random=False),
)
def test_33_keys_match_in_any_case_and_the_exact_one_wins(key: str, chance: object) -> None:
    document = {
        "compatibilities": [
            {
                "rules": [
                    {"name": "n", "matchFeatures": [{"feature": "a.b", "matchExpressions": {"x": {"op": "Exists"}}}]}
                ]
            }
        ]
    }
    plain = json.dumps(document)
    other = "".join(chance.choice((each.upper(), each)) for each in key)  # type: ignore[attr-defined]
    assert load_spec(plain.replace(f'"{key}"', f'"{other}"')) == load_spec(plain)
    assume(other != key)
    both = plain.replace(f'"{key}": ', f'"{other}": null, "{key}": ')
    assert load_spec(both) == load_spec(plain)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))))
def test_34_only_the_first_document_is_read(text: str) -> None:
    first = "version: v1alpha1\ncompatibilities: []\n"
    assert load_spec(f"{first}---\n{json.dumps(text)}\n...\n") == load_spec(first)
    assert load_spec("") == CompatibilitySpec(())


@given(st.sampled_from(["value: a", "value: {a: b}", "op: [x]", "type: {}"]))
def test_32_wrong_types_are_errors_of_the_spec(wrong: str) -> None:
    with pytest.raises(SpecError) as error:
        load_spec(
            "compatibilities: [{rules: [{matchFeatures: [{feature: a.b, matchExpressions: "
            f"{{x: {{{wrong}}}}}}}]}}]}}]"
        )
    assert error.value.kind == "spec-type"
