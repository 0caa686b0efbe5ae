"""Which labels stand where, and what Slurm is told for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.nodes.hostlist import expand
from hpccompat.slurm.labelling import (
    Labelling,
    NodeFeatures,
    PendingJob,
    choose,
    exact,
    hostlists,
    in_use,
    label_nodes,
    to_release,
)
from hpccompat.slurm.labels import label_of
from hpccompat.slurm.pending import parse_pending


def id_of(beginning: str, rest: str = "0") -> str:
    return beginning.ljust(10, "0") + rest * 54


A, B, C = id_of("a"), id_of("b"), id_of("c")
NODES = ["n1", "n2", "n3", "gpu7", "login"]


def applied(nodes: dict[str, NodeFeatures], labelling: Labelling) -> dict[str, NodeFeatures]:
    """What Slurm makes of the updates."""
    after = dict(nodes)
    for update in labelling.updates:
        program, verb, hostlist, available, active = update.command()
        assert (program, verb) == ("scontrol", "update")
        for node in expand(hostlist.removeprefix("nodename=")):
            has, on = (tuple(filter(None, text.partition("=")[2].split(","))) for text in (available, active))
            assert set(on) <= set(has), "Slurm refuses active features that are not available"
            after[node] = NodeFeatures(has, on)
    return after


features = st.lists(st.sampled_from(["base", "avx2", "ib", label_of(A), label_of(B), "hc_other"]), unique=True)


@st.composite
def clusters(draw: st.DrawFn) -> dict[str, NodeFeatures]:
    found = {}
    for node in NODES:
        has = draw(features)
        found[node] = NodeFeatures(tuple(has), tuple(each for each in has if draw(st.booleans())))
    return found


wishes = st.dictionaries(st.sampled_from([A, B, C]), st.frozensets(st.sampled_from([*NODES, "gone"])))


@given(clusters(), wishes, st.frozensets(st.sampled_from([label_of(A), label_of(B)])))
def test_after_the_updates_nodes_have_their_own_and_the_wanted(
    nodes: dict[str, NodeFeatures], satisfied: dict[str, frozenset[str]], known: frozenset[str]
) -> None:
    labelling = label_nodes(nodes, satisfied, known, {}, limit=12)
    after = applied(nodes, labelling)
    for node, has in after.items():
        ours = {label for label, those in labelling.wanted.items() if node in those}
        before = nodes[node]
        for names, had in ((has.available, before.available), (has.active, before.active)):
            own = [each for each in had if each not in labelling.known]
            assert [each for each in names if each not in labelling.known] == own, "the site's own, in their order"
            assert sorted(each for each in names if each in labelling.known) == sorted(ours)
    assert exact(labelling.wanted, after) == {label for label, those in labelling.wanted.items() if those}
    again = label_nodes(after, satisfied, labelling.known, labelling.labels)
    assert again.updates == ()
    assert again.steady == {label for label, those in labelling.wanted.items() if those}
    foreign = {
        id
        for id in satisfied
        if label_of(id) not in known and any(label_of(id) in each.available for each in nodes.values())
    }
    assert labelling.refused.keys() == foreign


def test_nodes_that_are_alike_get_one_command() -> None:
    nodes = {f"n{number}": NodeFeatures(("base",), ("base",)) for number in range(1, 9)}
    labelling = label_nodes(nodes, {A: [f"n{number}" for number in range(1, 5)], B: ["n4"]}, (), {})
    assert sorted(each.command()[2:] for each in labelling.updates) == [
        (
            "nodename=n4",
            f"availablefeatures=base,{label_of(A)},{label_of(B)}",
            f"activefeatures=base,{label_of(A)},{label_of(B)}",
        ),
        ("nodename=n[1-3]", f"availablefeatures=base,{label_of(A)}", f"activefeatures=base,{label_of(A)}"),
    ]


def test_a_node_without_any_other_feature_gets_empty_lists() -> None:
    labelling = label_nodes({"n1": NodeFeatures((label_of(A),), (label_of(A),))}, {}, {label_of(A)}, {label_of(A): A})
    (update,) = labelling.updates
    assert update.command()[3:] == ("availablefeatures=", "activefeatures=")


@pytest.mark.parametrize("published", [{}, {label_of(A): A}, {label_of(A): id_of("a", "f")}])
def test_of_two_requirements_with_one_label_the_published_one_has_it(published: dict[str, str]) -> None:
    other = id_of("a", "f")
    labelling = label_nodes({"n1": NodeFeatures()}, {A: ["n1"], other: ["n1"]}, (), published)
    first = published.get(label_of(A), A)
    assert labelling.labels == {label_of(A): first}
    assert list(labelling.refused) == [other if first == A else A]


def test_a_feature_of_the_sites_own_is_no_label() -> None:
    nodes = {"n1": NodeFeatures(("x", label_of(A)), ("x",)), "n2": NodeFeatures()}
    labelling = label_nodes(nodes, {A: ["n1", "n2"]}, (), {})
    assert "not from us" in labelling.refused[A]
    assert (labelling.updates, labelling.labels) == ((), {})


def test_long_hostlists_are_split() -> None:
    names = [f"n{number}" for number in range(1, 20000, 2)]
    found = hostlists(names, 1000)
    assert all(len(each) <= 1000 for each in found)
    assert sorted(name for each in found for name in expand(each)) == sorted(names)


@pytest.mark.parametrize(
    ("pending", "fixed", "recent", "most", "chosen"),
    [
        ([], 0, [A, B, C], 2, (A, B)),
        ([C], 0, [A, B, C], 2, (C, A)),
        ([C, B], 1, [A], 2, (C, B)),
        ([C, B, A], 0, [], 1, (C, B, A)),
        ([], 2, [A], 2, ()),
        ([A], 0, [A, B], 2, (A, B)),
        ([], 0, [A], 0, ()),
    ],
)
def test_the_least_recently_used_give_way(
    pending: list[str], fixed: int, recent: list[str], most: int, chosen: tuple[str, ...]
) -> None:
    assert choose(pending, fixed, recent, most) == chosen


def job(reason: str, constraint: str, comment: str, prefer: str = "(null)") -> PendingJob:
    (found,) = parse_pending("".join(f"{each}@1@" for each in ("7", reason, constraint, prefer, comment)), "@1@")
    return found


TOKEN = f"hpccompat={A}"


@pytest.mark.parametrize(
    ("found", "released"),
    [
        (job("BadConstraints", f"x&{label_of(A)}", f"mine {TOKEN}"), True),
        (job("BadConstraints", "x", TOKEN, label_of(A)), True),
        (job("BadConstraints", f"({label_of(A)}|{label_of(B)})", f"hpccompat={A},{B}"), False),
        (job("BadConstraints", f"{label_of(A)}&{label_of(C)}", TOKEN), False),
        (job("BadConstraints", label_of(A), "no token"), False),
        (job("BadConstraints", label_of(A), f"hpccompat={id_of('a', 'f')}"), False),
        (job("BadConstraints", "x", TOKEN), False),
        (job("JobHeldAdmin", label_of(A), TOKEN), False),
        (job("Priority", label_of(A), TOKEN), False),
    ],
)
def test_only_jobs_that_were_held_for_our_labels_are_released(found: PendingJob, released: bool) -> None:
    assert to_release([found], {label_of(A): A}) == (("7",) if released else ())


def test_labels_of_pending_jobs_are_in_use_if_their_comment_says_so() -> None:
    jobs = [
        job("Resources", f"a&{label_of(A)}*2", TOKEN),
        job("Resources", label_of(B), TOKEN),
        job("Resources", "a", f"hpccompat={C}"),
    ]
    assert in_use(jobs) == (A,)


def test_a_comment_forges_no_job() -> None:
    comment = f"x\n8@0@BadConstraints@0@{label_of(A)}@0@@0@{TOKEN}"
    text = "".join(f"{each}@1@" for each in ("7", "Priority", "x", "(null)", comment)) + "\n"
    assert [each.id for each in parse_pending(text, "@1@")] == ["7"]
    assert parse_pending("", "@1@") == ()
