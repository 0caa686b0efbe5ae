"""Which labels stand on which nodes, and what has to be told Slurm for that (pure).

A node's features are the site's own, which stay as they are, and ours: labels that this publisher has put there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hpccompat.nodes.hostlist import fold, natural
from hpccompat.slurm.labels import LABEL, label_of

# One argument of a command may have 128 KiB (MAX_ARG_STRLEN of Linux).
ARGUMENT_LIMIT = 100 * 1024


@dataclass(frozen=True)
class PendingJob:
    """`id`: of an array, that of all its pending tasks together. `labels`: the features of constraint and preference
    that look like ours. `ids`: the requirements that the comment names."""

    id: str
    reason: str
    labels: frozenset[str]
    ids: tuple[str, ...]

    def ours(self) -> Mapping[str, str]:
        """Label -> requirement, of the labels that the comment vouches for."""
        return {label_of(each): each for each in self.ids if label_of(each) in self.labels}


@dataclass(frozen=True)
class NodeFeatures:
    """The Slurm features of one node: those that it could have, and those that it has now."""

    available: tuple[str, ...] = ()
    active: tuple[str, ...] = ()


@dataclass(frozen=True)
class Update:
    """Nodes that get the same features."""

    nodes: str
    features: NodeFeatures

    def command(self) -> tuple[str, ...]:
        """Both lists in one: Slurm refuses active features that are not available at every moment."""
        lists = (
            f"availablefeatures={','.join(self.features.available)}",
            f"activefeatures={','.join(self.features.active)}",
        )
        return ("scontrol", "update", f"nodename={self.nodes}", *lists)


@dataclass(frozen=True)
class Labelling:
    """`labels`: label -> requirement, as they shall be. `wanted`: label -> its nodes. `refused`: requirement -> why it
    has no label. `known`: the features that are ours once `updates` are made; some may be gone by then. `steady`: the
    labels that stand as they shall already."""

    labels: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    updates: tuple[Update, ...] = ()
    steady: frozenset[str] = frozenset()


def label_nodes(
    nodes: Mapping[str, NodeFeatures],
    satisfied: Mapping[str, Collection[str]],
    known: Collection[str],
    published: Mapping[str, str],
    limit: int = ARGUMENT_LIMIT,
) -> Labelling:
    """`nodes`: those that can be labelled. `satisfied`: requirement -> its nodes, the most important first. `known`:
    labels that were ever put there and not taken away. `published`: label -> requirement, as of the last time."""
    foreign = {
        name for each in nodes.values() for name in each.available if LABEL.fullmatch(name) and name not in known
    }
    labels: dict[str, str] = {}
    refused: dict[str, str] = {}
    for id in sorted(satisfied, key=lambda each: published.get(label_of(each)) != each):
        label = label_of(id)
        if label in foreign:
            refused[id] = f"nodes have the feature {label}, and not from us (if it is: --adopt)"
        elif label in labels:
            refused[id] = f"its label {label} is that of requirement {labels[label]}, too"
        else:
            labels[label] = id
    wanted = {label: frozenset(satisfied[id]) & nodes.keys() for label, id in labels.items()}
    ours = frozenset(known) | labels.keys()
    of_node: dict[str, list[str]] = {}
    for label in sorted(wanted):
        for node in wanted[label]:
            of_node.setdefault(node, []).append(label)
    groups: dict[NodeFeatures, list[str]] = {}
    for node, has in nodes.items():
        shall = _relabelled(has, of_node.get(node, []), ours)
        if shall is not None:
            groups.setdefault(shall, []).append(node)
    updates = tuple(
        Update(hostlist, features) for features, names in groups.items() for hostlist in hostlists(names, limit)
    )
    return Labelling(labels, wanted, refused, ours, updates, exact(wanted, nodes))


def _relabelled(has: NodeFeatures, labels: Sequence[str], ours: Collection[str]) -> NodeFeatures | None:
    """The node's features with these labels of ours; None where they are as they shall be. The site's keep their
    order, and stay active or not."""
    wanted = set(labels)
    if all({each for each in names if each in ours} == wanted for names in (has.available, has.active)):
        return None
    available, active = (
        (*(each for each in names if each not in ours), *labels) for names in (has.available, has.active)
    )
    return NodeFeatures(available, active)


def exact(wanted: Mapping[str, frozenset[str]], nodes: Mapping[str, NodeFeatures]) -> frozenset[str]:
    """The labels that stand on exactly the nodes that they shall stand on; one that shall stand on none never does."""
    carried: dict[str, set[str]] = {label: set() for label in wanted}
    active: dict[str, set[str]] = {label: set() for label in wanted}
    for node, features in nodes.items():
        for names, of in ((features.available, carried), (features.active, active)):
            for name in names:
                if name in of:
                    of[name].add(node)
    return frozenset(label for label, those in wanted.items() if those and carried[label] == active[label] == those)


def hostlists(names: Iterable[str], limit: int = ARGUMENT_LIMIT) -> tuple[str, ...]:
    """The names as hostlists of at most `limit` bytes, one name at least."""
    ordered = sorted(names, key=natural)
    text = fold(ordered)
    if len(text) <= limit or len(ordered) < 2:
        return (text,) if text else ()
    middle = len(ordered) // 2
    return (*hostlists(ordered[:middle], limit), *hostlists(ordered[middle:], limit))


def in_use(pending: Iterable[PendingJob]) -> tuple[str, ...]:
    """The requirements whose labels pending jobs name."""
    return tuple(dict.fromkeys(id for job in pending for id in job.ours().values()))


def choose(pending: Sequence[str], fixed: int, recent: Iterable[str], most: int) -> tuple[str, ...]:
    """The requirements to publish beside `fixed` others: those that pending jobs name, whatever their number, then the
    most recently used up to `most` in all."""
    chosen = dict.fromkeys(pending)
    for id in recent:
        if len(chosen) + fixed >= most:
            break
        chosen.setdefault(id)
    return tuple(chosen)


def to_release(pending: Iterable[PendingJob], labels: Mapping[str, str]) -> tuple[str, ...]:
    """The jobs that Slurm holds because a feature was missing, and that name no label of ours but published ones."""
    return tuple(
        job.id
        for job in pending
        if job.reason == "BadConstraints"
        and job.labels
        and job.labels == job.ours().keys()
        and all(labels.get(label) == id for label, id in job.ours().items())
    )
