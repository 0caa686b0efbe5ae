"""The publisher: keeps labels as Slurm features on the nodes that satisfy the requirements in use.

Slurm forgets what was set by `scontrol update` at every restart and `reconfigure` of its controller, and so each run
looks at what there is and sets what is missing. It may be killed at any point: what it is about to put on nodes it has
written down as its own before.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hpccompat.errors import SlurmError, StoreError
from hpccompat.nodes import generation
from hpccompat.nodes.index import FILE as INDEX
from hpccompat.nodes.index import markers
from hpccompat.nodes.store import Store
from hpccompat.slurm.command import PATIENCE, ask
from hpccompat.slurm.evaluate import Answer, Limits, Task, evaluate
from hpccompat.slurm.inventory import Inventory
from hpccompat.slurm.inventory_cache import FILE as INVENTORY
from hpccompat.slurm.inventory_cache import ask_by, dump_inventory, load_inventory
from hpccompat.slurm.labelling import (
    Labelling,
    NodeFeatures,
    PendingJob,
    Update,
    choose,
    exact,
    in_use,
    label_nodes,
    to_release,
)
from hpccompat.slurm.labels import FRESH, LABEL
from hpccompat.slurm.memory import FILE, Memory, recall
from hpccompat.slurm.pending import read_pending
from hpccompat.slurm.spool import Spool

# Seconds that another publisher is waited for.
_TURN = 5.0
# Seconds in which a requirement that hung, or a job that was released, is not tried again.
_AGAIN = 600.0
_SOON = 60.0
_RELEASE_AGAIN = 300.0
# Of the spool: seconds that an unused file is kept, and files of one user.
_UNUSED = 14 * 86400.0
_PER_USER = 200


@dataclass
class Verdicts:
    """Of earlier runs of this process, as long as all nodes are in the index, and it is the same one."""

    index: object = None
    answers: dict[str, Answer] = field(default_factory=dict)

    def of(self, tasks: Sequence[Task], publisher: Publisher) -> list[Answer]:
        """Raises StoreError."""
        index = _whole_index(publisher.store.path)
        if index is None or index != self.index:
            self.index = index
            self.answers.clear()
        wanted = [each for each in tasks if each.name not in self.answers]
        found = evaluate(wanted, publisher.store, publisher.spool, publisher.limits)
        fresh = {task.name: answer for task, answer in zip(wanted, found, strict=True)}
        answers = [fresh.get(each.name) or self.answers[each.name] for each in tasks]
        # What a requirement asks for never changes; the file of a spec may.
        self.answers = {
            each.id: answer for each, answer in zip(tasks, answers, strict=True) if each.id and not answer.error
        }
        return answers


def _whole_index(store: Path) -> object:
    """What tells one index from another; None where it does not say all, and records are read, too."""
    if markers(store):
        return None
    try:
        found = os.stat(store / INDEX)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


@dataclass(frozen=True)
class Publisher:
    """`most`: the setting `labels`. `fixed`: files of specs that are always published. `owner`: the user who writes
    the store. `inventory`: who tells which nodes there are. `adopt`: features that look like ours are ours."""

    store: Store
    spool: Spool
    most: int = 32
    fixed: tuple[str, ...] = ()
    owner: int = 0
    inventory: str = "scontrol"
    limits: Limits = field(default_factory=Limits)
    adopt: bool = False
    verdicts: Verdicts = field(default_factory=Verdicts)


@dataclass(frozen=True)
class Prepared:
    """All that a run would do. `remarks`: what an admin should know."""

    inventory: Inventory
    memory: Memory
    labelling: Labelling
    pending: tuple[PendingJob, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    bad: Mapping[str, float] = field(default_factory=dict)
    used: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """`labels`: what is published now. `updates`: what Slurm was told, `released`: the jobs that go on."""

    labels: Mapping[str, str]
    updates: tuple[Update, ...] = ()
    released: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    expired: int = 0
    remarks: tuple[str, ...] = ()


def publish(publisher: Publisher) -> Done:
    """One run. Raises SlurmError, StoreError; what was published before then stays, and its heartbeat ends."""
    store = publisher.store.path
    with _alone(publisher):
        prepared = prepare(publisher)
        memory, labelling = prepared.memory, prepared.labelling
        now = time.time()
        if labelling.updates or labelling.known - memory.known:
            # Before Slurm hears of them: the labels are ours, and readers use those only that stand through all of it.
            standing = {
                label: id
                for label, id in memory.labels.items()
                if label in labelling.steady and labelling.labels.get(label) == id
            }
            # The time as well stays what it was: a publisher that dies from here on is not alive.
            _write(publisher, FILE, replace(memory, labels=standing, known=memory.known | labelling.known).dump())
        errors = _tell(labelling.updates)
        inventory, there = prepared.inventory, labelling.steady
        if labelling.updates:
            inventory, _ = ask_by(publisher.inventory)
            there = exact(labelling.wanted, features_of(inventory))
        nodes = features_of(inventory)
        labels = {label: id for label, id in labelling.labels.items() if label in there}
        failed = dict(prepared.failed)
        failed.update(
            {id: "no node satisfies it" for label, id in labelling.labels.items() if not labelling.wanted[label]}
        )
        for label, id in labelling.labels.items():
            if labelling.wanted[label] and label not in there:
                failed[id] = "its label is not on all its nodes yet"
        jobs = [
            job
            for job in to_release(prepared.pending, labels)
            if not 0 <= now - memory.released.get(job, 0) < _RELEASE_AGAIN
        ]
        now = time.time()
        known = labelling.known
        if inventory.nodes == nodes.keys():  # nodes that are not shown may carry any
            known &= {*labels, *(name for each in nodes.values() for name in (*each.available, *each.active))}
        released = {job: at for job, at in memory.released.items() if 0 <= now - at < _RELEASE_AGAIN}
        after = Memory(now, labels, known, prepared.bad, failed, released | dict.fromkeys(jobs, now))
        changed = labels != memory.labels or _differs(store, inventory)
        _write(publisher, INVENTORY, dump_inventory(inventory, now))
        _write(publisher, FILE, after.dump())
        if changed:
            with _as_owner(publisher), _saying(store / "generation"):
                generation.renew(store)
        errors += _release(jobs)
        with _as_owner(publisher):
            expired = publisher.spool.expire(prepared.used, now - _UNUSED, _PER_USER)
    if errors:
        raise SlurmError("; ".join(dict.fromkeys(errors)))
    return Done(labels, labelling.updates, tuple(jobs), failed, expired, prepared.remarks)


def prepare(publisher: Publisher) -> Prepared:
    """Looks at Slurm, the spool and the store, and changes nothing. Raises SlurmError, StoreError."""
    memory = recall(publisher.store.path)
    inventory, remark = ask_by(publisher.inventory)
    remarks = [remark] if remark else []
    nodes = features_of(inventory)
    known = memory.known
    if publisher.adopt:
        known |= {name for each in nodes.values() for name in each.available if LABEL.fullmatch(name)}
    if hidden := inventory.nodes - nodes.keys():
        remarks.append(f"{len(hidden)} nodes are not shown by scontrol (powered down?), and get no labels while so")
    if inventory.changeable:
        remarks.append("NodeFeaturesPlugins is set, which gives constraints another meaning: no labels")
        # A plugin keeps active what was, whatever it is told, until the controller is restarted: not our business.
        nodes = {
            node: replace(each, active=tuple(name for name in each.active if name in each.available))
            for node, each in nodes.items()
        }
        return Prepared(inventory, memory, label_nodes(nodes, {}, known, {}), remarks=tuple(remarks))
    now = time.time()
    pending = read_pending()
    entries = publisher.spool.names()
    files: dict[str, list[int]] = {}
    for position, entry in enumerate(entries):
        files.setdefault(entry.id, []).append(position)
    waiting = in_use(pending)
    bad = {id: until for id, until in memory.bad.items() if now < until <= now + _AGAIN}
    chosen = choose(waiting, len(publisher.fixed), (id for id in files if id not in bad), publisher.most)
    published = set(memory.labels.values())
    # Those that stand already come first: a new one that takes all the time costs them nothing.
    ids = sorted((id for id in chosen if id not in bad), key=lambda id: (id not in published, id not in waiting))
    tasks = [Task(spec=each) for each in publisher.fixed]
    tasks += [Task(id, tuple(entries[at] for at in files.get(id, ()))) for id in ids]
    answers = publisher.verdicts.of(tasks, publisher)
    satisfied, failed = _judged(tasks, answers, memory, nodes)
    failed.update(
        {id: "evaluating it went wrong before; it is tried again within an hour" for id in chosen if id in bad}
    )
    bad.update({each.id: now + _AGAIN for each in answers if each.bad and each.id})
    labelling = label_nodes(nodes, satisfied, known, memory.labels)
    used = frozenset((*chosen, *satisfied))
    return Prepared(inventory, memory, labelling, pending, {**failed, **labelling.refused}, bad, used, tuple(remarks))


def _judged(
    tasks: Sequence[Task], answers: Sequence[Answer], memory: Memory, nodes: Mapping[str, NodeFeatures]
) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
    """Requirement -> its nodes; requirement, or file of a spec -> why there is no answer. What can't be known now, and
    stands, stays as it is."""
    satisfied: dict[str, frozenset[str]] = {}
    failed: dict[str, str] = {}
    label_of_id = {id: label for label, id in memory.labels.items()}
    for task, answer in zip(tasks, answers, strict=True):
        if not answer.error:
            satisfied.setdefault(answer.id, answer.nodes)
            continue
        failed[task.name] = answer.error
        if answer.unclear and answer.id in label_of_id:
            label = label_of_id[answer.id]
            satisfied[answer.id] = frozenset(node for node, each in nodes.items() if label in each.available)
    return satisfied, failed


def drift(prepared: Prepared, now: float) -> tuple[str, ...]:
    """What is not as a run would leave it."""
    said = []
    age = now - prepared.memory.at
    if not prepared.memory.at:
        said.append("nothing was ever published")
    elif not -FRESH < age < FRESH:
        said.append(f"the last run was {age:.0f} s ago; labels are used for {FRESH:.0f} s (does its timer run?)")
    said += [
        f"{each.nodes} shall have the features {','.join(each.features.available) or '(none)'}"
        for each in prepared.labelling.updates
    ]
    shall = {label: id for label, id in prepared.labelling.labels.items() if prepared.labelling.wanted[label]}
    said += [f"{label} is not published" for label in sorted(shall.keys() - prepared.memory.labels.keys())]
    said += [
        f"{label} is published, and nobody needs it" for label in sorted(prepared.memory.labels.keys() - shall.keys())
    ]
    said += [f"job {job} is held for want of a label" for job in to_release(prepared.pending, shall)]
    return tuple(said)


def features_of(inventory: Inventory) -> dict[str, NodeFeatures]:
    """Of the nodes that Slurm shows."""
    return {node: NodeFeatures(each, inventory.active[node]) for node, each in inventory.available.items()}


def _tell(updates: Sequence[Update]) -> list[str]:
    """What Slurm did not take; the other updates are made all the same."""
    errors = []
    for each in updates:
        answer = ask(each.command(), PATIENCE)
        if answer.status != 0:
            text = (answer.stderr or answer.stdout).strip()
            if "Invalid user id" in text:
                raise SlurmError(f"only root, SlurmUser and operators may change nodes' features ({text})")
            errors.append(f"scontrol update nodename={each.nodes[:200]}: {text}")
    return errors


def _release(jobs: Sequence[str]) -> list[str]:
    errors = []
    for job in jobs:
        answer = ask(("scontrol", "release", job), PATIENCE)
        text = (answer.stderr or answer.stdout).strip()
        # It may have been cancelled in the meantime.
        if answer.status != 0 and "Invalid job id" not in text and "already" not in text:
            errors.append(f"scontrol release {job}: {text}")
    return errors


def _differs(store: Path, inventory: Inventory) -> bool:
    """Whether the last snapshot was another one; states change all the time, and don't count."""
    try:
        last = load_inventory((store / INVENTORY).read_bytes())
    except OSError:
        return True
    if last is None:
        return True
    before, after = (replace(each, states=dict.fromkeys(each.states, "")) for each in (last[0], inventory))
    return before != after


def _write(publisher: Publisher, name: str, text: str) -> None:
    path = publisher.store.path / name
    with _as_owner(publisher), _saying(path):
        generation.replace_text(path, text)


@contextlib.contextmanager
def _as_owner(publisher: Publisher) -> Iterator[None]:
    """Root writes the store as its owner; to Slurm it stays root."""
    if os.geteuid() != 0 or not publisher.owner:
        yield
        return
    os.seteuid(publisher.owner)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def _alone(publisher: Publisher) -> Iterator[None]:
    path = publisher.store.path / ".publish.lock"
    with _as_owner(publisher):
        publisher.store.check()
        with _saying(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        end = time.monotonic() + _TURN
        while True:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > end:
                    raise StoreError(f"another hpccompat publish is at work on {publisher.store.path}") from error
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _saying(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror}") from error
