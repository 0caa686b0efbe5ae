"""Verdicts over nodes, and which nodes a job may use."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pytest

from hpccompat.features.model import Features
from hpccompat.nodes.table import Group
from hpccompat.plan.eligible import eligibility
from hpccompat.plan.selection import Reason, Selection, Verdict, select, together
from hpccompat.spec.decode import load_spec

SPEC = """
compatibilities:
- tag: fast
  weight: 5
  rules:
  - name: cpu
    vars: {level: "3"}
    matchFeatures:
    - {feature: cpu.cpuid, matchExpressions: {AVX2: {op: Exists}}}
  - name: kernel
    matchFeatures:
    - {feature: kernel.version, matchExpressions: {major: {op: Gt, value: ["4"]}}}
- tag: slow
  weight: 1
  rules:
  - name: kernel only
    matchFeatures:
    - {feature: kernel.version, matchExpressions: {major: {op: Gt, value: ["4"]}}}
    - {feature: rule.matched, matchExpressions: {level: {op: DoesNotExist}}}
"""
AVX2, SSE = frozenset({"SSE", "AVX2"}), frozenset({"SSE"})


@dataclass
class Table:
    rows: Iterable[Group]

    def groups(self, feature_sets: Collection[str], identity: object = (), alike: object = None) -> Iterable[Group]:
        assert set(feature_sets) == {"cpu.cpuid", "kernel.version", "rule.matched"}
        return self.rows


def node(name: str, flags: frozenset[str] | None, major: str | None, *errors: str) -> Group:
    features = Features(
        {} if flags is None else {"cpu.cpuid": flags},
        {} if major is None else {"kernel.version": {"major": major}},
    )
    return Group((name,), features, dict.fromkeys(errors, "broken"))


@pytest.mark.parametrize(
    ("row", "tags", "verdict"),
    [
        (node("n", AVX2, "5"), (), "compatible"),
        (node("n", SSE, "5"), (), "compatible"),
        (node("n", SSE, "5"), ("fast",), "incompatible"),
        (node("n", AVX2, "5"), ("slow",), "incompatible"),
        (node("n", AVX2, "3"), (), "incompatible"),
        (node("n", SSE, "five"), (), "error"),
        (Group(("n",), None, reason="no record"), (), "unknown"),
        # A failed source: unknown only where its rules, or what rests on their variables, could decide.
        (node("n", None, "5", "cpu"), ("fast",), "unknown"),
        (node("n", None, "3", "cpu"), ("fast",), "incompatible"),
        (node("n", None, "5", "cpu"), ("slow",), "incompatible"),
        (node("n", None, "5", "pci"), ("fast",), "incompatible"),
        (node("n", AVX2, None, "kernel"), (), "unknown"),
        (node("n", None, "5", "cpu"), (), "compatible"),
        (node("n", None, "5", "cpuset"), ("fast",), "incompatible"),
    ],
)
def test_verdicts(row: Group, tags: tuple[str, ...], verdict: str) -> None:
    selection = select(load_spec(SPEC), Table([row]), tags)
    assert selection.verdicts["n"].value == verdict
    assert selection.recorded == ({"n"} if row.features else set())
    assert bool(selection.reasons) == (verdict != "compatible")


def test_equal_reasons_are_one_and_the_largest_comes_first() -> None:
    rows = [node("a", AVX2, "3"), node("c", SSE, "x"), node("b", AVX2, "3"), Group(("d", "e", "f"), None, reason="no")]
    reasons = select(load_spec(SPEC), Table(rows), ("fast",)).reasons
    assert [(each.nodes, each.verdict.value) for each in reasons] == [
        (("d", "e", "f"), "unknown"),
        (("a", "b"), "incompatible"),
        (("c",), "error"),
    ]
    assert "major is '3' (wanted Gt [4])" in reasons[1].text
    assert "'x' is not a whole number" in reasons[2].text


def selection(**verdicts: str) -> Selection:
    """Of nodes by the letters of their names: c(ompatible) i(ncompatible) e(rror), u(nknown), r: unknown,
    though recorded."""
    named = {"c": Verdict.COMPATIBLE, "i": Verdict.INCOMPATIBLE, "e": Verdict.ERROR}
    found = {name: named.get(letter, Verdict.UNKNOWN) for name, letter in verdicts.items()}
    recorded = frozenset(name for name, letter in verdicts.items() if letter != "u")
    return Selection(found, recorded, (Reason(tuple(found), Verdict.ERROR, ""),))


@pytest.mark.parametrize(
    ("verdicts", "options", "eligible", "state"),
    [
        ({"a": "c", "b": "i"}, {}, "a", ""),
        ({"a": "i", "b": "e"}, {}, "", "no_node"),
        # Below the coverage, nodes without a record may be used, those whose source failed may not.
        ({"a": "c", "b": "u", "d": "i"}, {}, "ab", ""),
        ({"a": "c", "b": "u", "d": "r"}, {}, "ab", ""),
        ({"a": "c", "b": "u", "d": "i"}, {"min_coverage": 0.6}, "a", ""),
        ({"a": "c", "b": "u"}, {"strict": True}, "a", ""),
        # Nodes that can't report don't count.
        ({"a": "c", "b": "u", "d": "i"}, {"reporting": "ad"}, "a", ""),
        ({"a": "i", "b": "u"}, {}, "b", "no_records"),
        ({"a": "i", "b": "r"}, {}, "b", "no_records"),
        ({"a": "i", "b": "u"}, {"min_coverage": 0.1}, "b", "no_records"),
        ({"a": "i", "b": "u"}, {"strict": True}, "", "no_records"),
        ({"a": "u", "b": "u"}, {}, "ab", "no_records"),
        ({"a": "c", "b": "i"}, {"excluded": "a"}, "a", "no_node"),
        ({"a": "c", "b": "i"}, {"partition": "b"}, "a", "no_node"),
        ({"a": "c", "b": "i"}, {"partition": ""}, "a", "no_node"),
        # All nodes of --nodelist are the job's.
        ({"a": "c", "b": "i"}, {"required": "ab"}, "a", "no_node"),
        ({"a": "c", "b": "i", "d": "c"}, {"required": "ad"}, "ad", ""),
        ({"a": "c", "b": "u", "d": "c"}, {"required": "ab", "min_coverage": 0.5}, "abd", "no_records"),
        ({"a": "c", "b": "u", "d": "c"}, {"required": "ab"}, "abd", ""),
    ],
)
def test_eligibility(verdicts: dict[str, str], options: dict[str, object], eligible: str, state: str) -> None:
    partition = options.get("partition", verdicts)
    arguments: dict[str, object] = {"excluded": "", "required": "", "min_coverage": 0.9, "strict": False}
    arguments |= {"partition": partition, "reporting": partition, **options}
    found = eligibility(selection(**verdicts), **arguments)  # type: ignore[arg-type]
    assert (set(found.eligible), found.state) == (set(eligible), state)


def several(**verdicts: tuple[str, ...]) -> list[Selection]:
    """Node -> its verdict on each spec, by letters; each spec has two sets, and c1 satisfies the second one only."""
    named = {"c": Verdict.COMPATIBLE, "i": Verdict.INCOMPATIBLE, "e": Verdict.ERROR, "u": Verdict.UNKNOWN}
    found = []
    for number in range(len(next(iter(verdicts.values())))):
        of = {node: each[number] for node, each in verdicts.items()}
        reasons = tuple(
            Reason((node,), named[letter[0]], f"{node} on {number}") for node, letter in of.items() if letter[0] != "c"
        )
        sets = {
            (0,): frozenset(node for node, letter in of.items() if letter == "c"),
            (1,): frozenset(node for node, letter in of.items() if letter in ("c", "c1")),
        }
        verdict = {node: named[letter[0]] for node, letter in of.items()}
        found.append(Selection(verdict, frozenset(of) - {"never"}, reasons, sets))
    return found


def test_a_node_must_satisfy_each_of_several_specs() -> None:
    found = together(
        several(a=("c", "c"), b=("c", "i"), d=("e", "i"), f=("u", "e"), g=("c", "u"), h=("c1", "c"), i=("i", "i"))
    )
    assert {node: each.value[0] for node, each in found.verdicts.items()} == {
        "a": "c", "b": "i", "d": "i", "f": "e", "g": "u", "h": "c", "i": "i",
    }  # fmt: skip
    assert {(each.nodes, each.text) for each in found.reasons} == {
        (("b",), "b on 1"), (("d",), "d on 1"), (("f",), "f on 1"), (("g",), "g on 1"), (("i",), "i on 0; i on 1"),
    }  # fmt: skip
    assert found.sets[0, 0] == {"a", "b", "g"} & found.sets[0, 0]
    assert found.sets[0, 0] == {"a"}
    assert found.sets[1, 0] == {"a", "h"}
    (one,) = several(a=("c",))
    assert together([one]) is one


def test_the_sets_of_several_specs_are_chosen_together() -> None:
    found = together(several(a=("c", "c"), b=("c1", "c"), d=("c1", "c1")))
    weights = [[5, 1], [3, 3]]

    def choose(count: int) -> tuple[object, set[str]]:
        chosen = eligibility(found, "abd", (), (), "abd", 0.9, False, weights, count)
        return chosen.chosen, set(chosen.eligible)

    assert choose(1) == ((0, 0), {"a"})
    assert choose(2) == ((1, 0), {"a", "b"})
    assert choose(3) == ((1, 1), {"a", "b", "d"})
    assert choose(4) == (None, {"a", "b", "d"})
