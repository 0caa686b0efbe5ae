"""Two specs as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import SpecError
from hpccompat.features.model import Features
from hpccompat.rules.model import MatchExpression, Rule, Term
from hpccompat.spec.check import check_node
from hpccompat.spec.conjoin import conjoined
from hpccompat.spec.model import CompatibilitySet, CompatibilitySpec


def needing(*flags: str, weight: int = 0, tag: str = "") -> CompatibilitySet:
    terms = tuple(Term("a.b", {flag: MatchExpression("Exists", (), "")}, None) for flag in flags)
    return CompatibilitySet((Rule("r", terms),), weight, tag, "+".join(flags))


SPEC = st.lists(st.lists(st.sampled_from("abcd"), max_size=2), min_size=1, max_size=3).map(
    lambda sets: CompatibilitySpec(tuple(needing(*each, weight=number) for number, each in enumerate(sets)))
)


@given(SPEC, SPEC, st.sets(st.sampled_from("abcd")))
def test_a_node_satisfies_both_or_not(first: CompatibilitySpec, second: CompatibilitySpec, flags: set[str]) -> None:
    node = Features(flags={"a.b": frozenset(flags)})
    both = [check_node(each, node) for each in (first, second)]
    report = check_node(conjoined(first, second), node)
    assert report.compatible == all(each.compatible for each in both)
    if report.compatible:
        assert report.weight == sum(each.weight or 0 for each in both)


def test_what_people_read() -> None:
    one = CompatibilitySpec((needing("a", weight=1, tag="exact"), needing("b", weight=5)))
    other = CompatibilitySpec((needing("c", tag="ib"), needing("d", weight=2)))
    found = [(each.weight, each.tag, each.description) for each in conjoined(one, other).compatibilities]
    assert found == [(7, "", "d, b"), (5, "ib", "c, b"), (3, "exact", "d, a"), (1, "ib", "c, a")]
    many = CompatibilitySpec(tuple(needing("a") for _ in range(17)))
    with pytest.raises(SpecError, match="289 sets together"):
        conjoined(many, many)
