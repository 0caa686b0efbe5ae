"""From a submission to its plan: the one way that every door takes, and the only place for policy.

job request ─────────────────────────────────────────┐
image ─ artifact ─ spec ─┐                            ├─ plan
records ─────────────────┴─ selection ─ eligibility ──┘
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hpccompat.demand import Demand, find_demands, guess_demands
from hpccompat.errors import (
    DocumentError,
    ImageUnknown,
    InvalidReference,
    SlurmError,
    StoreError,
    Unavailable,
    UsageError,
)
from hpccompat.guess import Looked, conflict, distinct, look_up
from hpccompat.job_plan import Component, Message, Plan, Submission
from hpccompat.judging import read_published, recorded_nodes, search_of
from hpccompat.nodes.hostlist import fold
from hpccompat.nodes.table import NodeTable
from hpccompat.plan.eligible import Eligibility, eligibility
from hpccompat.plan.requirement import Requirement, requirement
from hpccompat.plan.selection import Reason, Selection, Verdict, select, together
from hpccompat.plan_cache import LIFE
from hpccompat.reference import ImageReference, parse_reference
from hpccompat.resolution import Resolved, resolve
from hpccompat.settings import ACTIONS, Settings
from hpccompat.slurm.constraint import may_use
from hpccompat.slurm.constraint import parse as parse_constraint
from hpccompat.slurm.hostfile import named_hosts, read_hosts
from hpccompat.slurm.inventory import Inventory
from hpccompat.slurm.inventory_cache import FRESH as INVENTORY_FRESH
from hpccompat.slurm.inventory_cache import current_inventory
from hpccompat.slurm.labels import FRESH as LABELS_FRESH
from hpccompat.slurm.labels import Published
from hpccompat.slurm.plan import Restriction, Rewrite, restrict, without_preference
from hpccompat.slurm.spool import Spool
from hpccompat.spec.lint import lint
from hpccompat.spec.model import CompatibilitySpec

# What may be over in a moment: a plan with such a message is made anew the next time.
_PASSING = {"unavailable", "no_records", "broken", "inventory"}
COMPAT_LEVELS = ("off", "warn", "require")
_NO_IMAGE = "the job names no image (--compat-image, a #COMPAT line, HPCCOMPAT_IMAGE, a container plugin's option)"


class _Unclear(Exception):
    """A state of the policy was met; the text says what was found."""

    def __init__(self, state: str, text: str, component: Component | None = None) -> None:
        super().__init__(text)
        self.state, self.text, self.component = state, text, component


def plan_submission(
    submission: Submission,
    settings: Settings,
    environment: Mapping[str, str],
    cache: Path | None = None,
    again: str = "",
) -> Plan:
    """Plans one submission. `cache`: the user's own file for the inventory. `again`: Slurm rejected the first plan, for
    a `label` that is gone or for a `node` that is. Raises UsageError for our own options."""
    compat, notes = _compat_level(submission, settings)
    untouched = Plan("off", tuple(Component(each) for each in submission.components))
    if settings.disabled or compat == "off":
        return untouched
    messages = [Message("warning", "settings", text) for text in (*settings.notes, *notes)]
    messages += [Message("warning", "misplaced", text) for text in submission.misplaced]
    messages += [Message("warning", "doubt", text) for text in submission.doubts]
    now = time.time()
    cluster = _Cluster(settings, cache, again)
    components = []
    for number, request in enumerate(submission.components):
        ours = submission.ours[number] if number < len(submission.ours) else {}
        demands = find_demands(ours, request, environment)
        component = Component(request, demands)
        try:
            if submission.unreadable:
                raise _Unclear("unavailable", submission.unreadable)
            guesses = () if demands else _guesses(submission, number)
            if guesses:
                component, found = _plan_guessed(component, guesses, cluster, settings, compat, submission.command)
            else:
                component, found = _plan(component, cluster, settings, compat, submission.command)
        except _Unclear as unclear:
            found, denied = _settle(unclear, settings, compat, demands, submission.command)
            component = replace(unclear.component or component, rewrite=Rewrite(), refused=denied)
        components.append(component)
        prefix = f"component {number}: " if len(submission.components) > 1 else ""
        messages += [replace(each, text=prefix + each.text) for each in found]
    if compat == "require" and submission.doubts and any(each.demands for each in components):
        messages.append(Message("error", "doubt", "--compat=require asks to refuse the job then"))
        components = [replace(each, refused=True) for each in components]
    if any(each.refused for each in components):
        outcome = "refused"
    else:
        outcome = "rewritten" if any(each.rewrite.changes for each in components) else "unchanged"
    plan = Plan(outcome, tuple(components), (*messages, *cluster.notes))
    if outcome != "refused" and not _PASSING & {each.code for each in plan.messages}:
        plan = replace(plan, until=cluster.until(now, plan))
    return _observed(plan) if settings.mode == "observe" else plan


def announce(plan: Plan, settings: Settings) -> tuple[Message, ...]:
    """Leaves the requirements of a job that is submitted in the spool, for the publisher and the nodes."""
    if plan.outcome not in ("rewritten", "unchanged"):
        return ()
    spool = Spool(settings.spool)
    if not spool.folder.is_dir():  # made by sites that publish labels
        return ()
    try:
        for each in {each.id: each for component in plan.components for each in component.requirements}.values():
            spool.put(each)
    except StoreError as error:
        return (Message("warning", "spool", str(error)),)
    return ()


class _Cluster:
    """What is asked at most once for a job, and only if one of its components needs it."""

    def __init__(self, settings: Settings, cache: Path | None, again: str) -> None:
        self.settings, self.cache, self.again = settings, cache, again
        self.notes: list[Message] = []

    @functools.cached_property
    def inventory(self) -> Inventory:
        found, note = current_inventory(
            self.settings.store, self.cache, time.time(), self.settings.inventory, self.again == "node"
        )
        if note:
            self.notes.append(Message("warning", "inventory", note))
        return found

    def until(self, now: float, plan: Plan) -> float:
        """How long a plan that was made at `now` holds: no longer than what it was made of."""
        ends = [now + LIFE]
        if "inventory" in self.__dict__:
            ends.append(self.inventory.at + INVENTORY_FRESH)
        if any(each.rewrite.carrier == "label" for each in plan.components):
            ends.append(self.published.at + LABELS_FRESH)
        return min(ends)

    @functools.cached_property
    def table(self) -> NodeTable:
        return recorded_nodes(self.settings, self.inventory.nodes)

    @functools.cached_property
    def published(self) -> Published:
        return read_published(self.settings)


def _guesses(submission: Submission, number: int) -> tuple[Demand, ...]:
    """Which component of several a command of the script belongs to is not known: then there is none."""
    script = submission.script if len(submission.components) == 1 else ""
    words = submission.command_words[number] if number < len(submission.command_words) else ()
    ours = submission.ours[number] if number < len(submission.ours) else {}
    name = submission.script_name or "the script"
    return guess_demands(submission.components[number], script, words, name, ours)


def _plan_guessed(
    component: Component, guesses: Sequence[Demand], cluster: _Cluster, settings: Settings, compat: str, command: str
) -> tuple[Component, list[Message]]:
    """A guess can only help: it never refuses a job, and where it leads nowhere the job is one that names no image.
    Whoever asks for --compat=require has to declare it."""
    if compat == "require":
        undeclared = tuple(
            replace(each, why="a guess does not count for --compat=require") for each in distinct(guesses)
        )
        raise _Unclear(
            "no_image", f"{_NO_IMAGE}; it seems to use {undeclared[0]}", replace(component, guesses=undeclared)
        )

    def look(demand: Demand, deadline: float) -> Looked:
        try:
            return Looked(demand, _resolve_for_job(demand, replace(settings, deadline=deadline)))
        except _Unclear as unclear:
            return Looked(demand, None, unclear.state, unclear.text)

    looked, counts = look_up(guesses, look, settings.deadline)
    component = replace(component, guesses=looked)
    messages = []
    for each in looked:
        if each.state == "invalid":
            messages += _settle(_Unclear("invalid", f"{each}: {each.why}"), settings, "warn", (), command)[0]
    if counts is None or counts.resolved is None:
        if text := conflict(looked):
            return component, [*messages, Message("warning", "guess", text)]
        if messages:
            return component, messages
        raise _Unclear("no_image", f"{_NO_IMAGE}, and what it seems to use leads to no spec", component)
    component = replace(component, demands=(counts.demand,))
    try:
        component, found = _plan(component, cluster, settings, "warn", command, [counts.resolved])
    except _Unclear as unclear:
        component = unclear.component or component
        if unclear.state == "unavailable":
            why = tuple(replace(each, why=unclear.text) if each is counts else each for each in looked)
            return replace(component, guesses=why), messages
        found = _settle(unclear, settings, "warn", component.demands, command)[0]
    return component, [*messages, *found]


def _plan(
    component: Component,
    cluster: _Cluster,
    settings: Settings,
    compat: str,
    command: str,
    resolved: Sequence[Resolved] = (),
) -> tuple[Component, list[Message]]:
    """`resolved`: what the component's demands lead to, where that is known already."""
    request = component.request
    if not component.demands:
        raise _Unclear("no_image", _NO_IMAGE)
    resolved = resolved or [_resolve_for_job(each, settings) for each in component.demands]
    component = replace(component, digests=tuple(each.image for each in resolved))
    if request.clusters:
        raise _Unclear("unavailable", "jobs for other clusters (-M) are not planned", component)
    try:
        inventory = cluster.inventory
        own, required = named_hosts(request.exclude), named_hosts(request.nodelist)
        if request.nodefile:
            required = read_hosts(request.nodefile, os.getcwd())
        selection = together(
            [
                select(each.spec, cluster.table, demand.tags)
                for each, demand in zip(resolved, component.demands, strict=True)
            ]
        )
    except (SlurmError, StoreError, UsageError) as error:
        raise _Unclear("unavailable", str(error), component) from error
    if not set(required) <= inventory.nodes:
        text = f"scontrol shows no node {fold(set(required) - inventory.nodes)} (--nodelist)"
        raise _Unclear("unavailable", text, component)
    partition = inventory.of_partitions(request.partitions)
    if not partition:
        named = ",".join(request.partitions) or "(the default)"
        raise _Unclear("unavailable", f"scontrol shows no nodes of partition {named}", component)
    messages = []
    usable = _as_constrained(request.constraint, partition, inventory)
    if not usable:
        # Slurm says what it makes of that; it may know a feature tomorrow that it does not know now.
        usable = partition
        text = f"no node of the job's partitions has what --constraint={request.constraint} asks for"
        messages.append(Message("warning", "constraint", text))
    chosen = eligibility(
        selection,
        usable,
        own,
        required,
        [node for node in partition if inventory.expected_to_report(node)],
        settings.min_coverage,
        compat == "require",
        [[each.weight for each in one.spec.compatibilities] for one in resolved],
        None if request.one_node else request.min_nodes,
    )
    component = replace(
        component,
        requirements=tuple(
            _requirement(one.spec, demand.tags, chosen.chosen[number] if chosen.chosen else None)
            for number, (one, demand) in enumerate(zip(resolved, component.demands, strict=True))
        ),
        verdicts={verdict: selection.nodes(verdict) for verdict in Verdict},
        eligible=chosen.eligible,
        reasons=_reasons_among(selection.reasons, chosen.candidates),
    )
    component, more = _rewritten(component, resolved, chosen, selection, own, cluster, compat, command)
    return component, [*messages, *more]


def _requirement(spec: CompatibilitySpec, tags: tuple[str, ...], chosen: int | None) -> Requirement:
    """Of a spec with a single set any set is that one: jobs of one node and of several share its label."""
    return requirement(spec, tags, chosen if len(spec.compatibilities) > 1 else None)


def _as_constrained(constraint: str, nodes: frozenset[str], inventory: Inventory) -> frozenset[str]:
    """The nodes that the user's own constraint, or preference, could give to the job; all where that can't be told."""
    try:
        parsed = parse_constraint(constraint)
    except UsageError:
        return nodes
    features = inventory.available if inventory.changeable else inventory.active
    return frozenset(node for node in nodes if node not in features or may_use(parsed, features[node]))


def _rewritten(
    component: Component,
    resolved: Sequence[Resolved],
    chosen: Eligibility,
    selection: Selection,
    own: Sequence[str],
    cluster: _Cluster,
    compat: str,
    command: str,
) -> tuple[Component, list[Message]]:
    request, inventory, settings = component.request, cluster.inventory, cluster.settings
    guessed = "".join(f" (guessed from {each.origin})" for each in component.demands if each.guessed)
    name = " and ".join(each.name for each in component.demands) + guessed
    messages = []
    if chosen.state == "no_node":
        raise _Unclear("no_node", _no_node_text(component, chosen, own, name), component)
    if chosen.state == "no_records":
        text = (
            f"no node is known to be compatible with {name}, and of some nothing is known: {len(selection.recorded)} "
            f"of {len(inventory.nodes)} nodes have reported"
        )
        found, denied = _settle(_Unclear("no_records", text), settings, compat, component.demands, command)
        messages += found
        if denied:
            return replace(component, refused=True), messages
    labels, no_labels = _labels(component, chosen, selection, cluster)
    rewrite = restrict(
        request,
        Restriction(
            tuple(dict.fromkeys(each.id for each in component.requirements)),
            inventory.nodes,
            chosen.eligible,
            own,
            labels,
            no_labels,
            inventory.changeable,
            Spool(settings.spool).folder.is_dir(),
        ),
    )
    usable = chosen.eligible & chosen.candidates
    few = not request.nodelist and 0 < len(usable) < request.min_nodes
    if few:
        text = f"the job asks for {request.min_nodes} nodes, and only {len(usable)} are eligible"
        messages.append(Message("warning", "few_nodes", text))
    if chosen.mixed:
        text = f"no set of the spec alone has {request.min_nodes} nodes: the job may get nodes of several sets"
        messages.append(Message("warning", "mixed_sets", text))
    if request.prefer and rewrite.changes and not few:
        preferred = len(_as_constrained(request.prefer, usable, inventory))
        if preferred < request.min_nodes:
            rewrite = without_preference(rewrite, request)
            text = f"--prefer={request.prefer} is left out: {preferred} of the {len(usable)} eligible nodes have it"
            messages.append(Message("warning", "prefer", text))
    messages += lesser_sets(resolved, selection, usable, chosen.chosen)
    if rewrite.token_left_out:
        text = "the comment leaves no room for our token; a job that is held for want of its label is not released"
        messages.append(Message("warning", "token", text))
    of_set = "" if chosen.chosen is None or len(selection.sets) < 2 else f" (by set {_set_name(component, chosen)})"
    text = f"{name}: {len(usable)} of {len(chosen.candidates)} nodes are eligible{of_set}: {fold(usable)}"
    if guessed:
        off = "" if settings.mode == "enforce" else ", or --compat=off"
        text += f"; if the guess is wrong: hpccompat {command} --compat-image=REF …{off}"
    messages.append(Message("info", "eligible", text))
    return replace(component, rewrite=rewrite), messages


def lesser_sets(
    resolved: Sequence[Resolved], selection: Selection, nodes: Collection[str], chosen: tuple[int, ...] | None = None
) -> list[Message]:
    """What has to be said of nodes that satisfy only sets that Spack binaries only probably run with. `chosen`: the set
    of each spec that the job gets."""
    messages = []
    for number, each in enumerate(resolved):
        if each.facts is None:
            continue
        left = set(nodes) & selection.nodes(Verdict.COMPATIBLE)
        for index, one in enumerate(each.spec.compatibilities):  # the heaviest first
            if chosen is not None and chosen[number] != index:
                continue
            of_set = {node for numbers, of in selection.sets.items() if numbers[number] == index for node in of} & left
            _, _, doubt = one.description.partition("warning: ")
            if doubt and of_set:
                messages.append(Message("warning", "lesser_set", f"{fold(of_set)}: {each.facts.name} {doubt}"))
            left -= of_set
    return messages


def _labels(
    component: Component, chosen: Eligibility, selection: Selection, cluster: _Cluster
) -> tuple[tuple[str, ...] | None, str]:
    """The labels that can stand for the eligible nodes; or None and why not."""
    if cluster.again == "label":
        return None, "Slurm does not know the label any more"
    if cluster.inventory.changeable:
        return None, "the site has changeable Slurm features (NodeFeaturesPlugins), where labels are not used"
    if chosen.eligible & chosen.candidates - selection.nodes(Verdict.COMPATIBLE):
        return None, "nodes without a record are eligible, too, and carry no label"
    labels = cluster.published.labels_for([each.id for each in component.requirements], time.time())
    return labels, "" if labels else "no label is published for it"


def _set_name(component: Component, chosen: Eligibility) -> str:
    """The chosen sets' numbers, tags or descriptions."""
    names = []
    for each, number in zip(component.requirements, chosen.chosen or (), strict=True):
        one = each.spec.compatibilities[number]
        names.append(" ".join(filter(None, (str(number), one.tag or one.description))))
    return ", ".join(names)


def _no_node_text(component: Component, chosen: Eligibility, own: Sequence[str], name: str) -> str:
    request = component.request
    if not chosen.candidates:
        return (
            f"no node is left for the job: partition {','.join(request.partitions) or '(default)'} "
            f"without {fold(own) or 'exclusions'} is empty"
        )
    if request.nodelist:
        return f"--nodelist names {fold(chosen.candidates - chosen.eligible)}, and {name} can't run there"
    constrained = f" (--constraint={request.constraint})" if request.constraint else ""
    return f"none of the {len(chosen.candidates)} nodes that the job could use{constrained} can run {name}"


def _resolve_for_job(demand: Demand, settings: Settings) -> Resolved:
    try:
        resolved = resolve(demand, search_of(settings))
    except (InvalidReference, DocumentError) as error:
        raise _Unclear("invalid", f"{demand.origin} {demand.name}: {error}") from error
    except ImageUnknown as error:
        raise _Unclear("image_unknown", str(error)) from error
    except Unavailable as error:
        raise _Unclear("unavailable", str(error)) from error
    if resolved is None:
        where = " in its registry" if isinstance(parse_reference(demand.name), ImageReference) else ""
        raise _Unclear("no_spec", f"image {demand.name} has no compatibility spec{where}")
    wrong = [str(each) for each in lint(resolved.spec) if each.level == "error"]
    if wrong:
        raise _Unclear("invalid", f"the spec of {demand.name} ({resolved.found_at}) can't be meant: {'; '.join(wrong)}")
    return resolved


def _compat_level(submission: Submission, settings: Settings) -> tuple[str, list[str]]:
    """--compat of this job, as far as the mode lets it count; "" without."""
    level = submission.level()
    if level and level not in COMPAT_LEVELS:
        raise UsageError(f"--compat takes one of {', '.join(COMPAT_LEVELS)}, not {level!r}")
    if settings.mode == "enforce" and level in ("off", "warn"):
        return "", [f"--compat={level} has no effect: the site's mode is enforce"]
    return level, []


def _settle(
    unclear: _Unclear, settings: Settings, compat: str, demands: Sequence[Demand], command: str
) -> tuple[list[Message], bool]:
    """What the policy says of a state: the message, if any, and whether the job is refused."""
    action = getattr(settings.policy, unclear.state)
    if unclear.state in ("no_spec", "image_unknown") and any(each.named_to_us for each in demands):
        # The user has named the image to us, and will want to know.
        action = max(action, "warn", key=ACTIONS.index)
    if compat == "require":
        action = "deny"
    elif compat == "warn" and action == "deny":
        action = "warn"
    if action == "allow":
        return [], False
    if action == "warn":
        return [Message("warning", unclear.state, unclear.text)], False
    hint = ""
    if compat == "require":
        hint = " (--compat=require asks to refuse it then)"
    elif settings.mode != "enforce":
        hint = f" (to submit this one job all the same: hpccompat {command} --compat=warn …)"
    return [Message("error", unclear.state, unclear.text + hint)], True


def _observed(planned: Plan) -> Plan:
    """The mode `observe`: nothing is changed, and what would have been is said."""
    messages = tuple(replace(each, level="info") for each in planned.messages)
    would = Message("info", "observed", f"observing only; the job would have been {planned.outcome}")
    return replace(planned, outcome="observed", messages=(*messages, would))


def _reasons_among(reasons: Sequence[Reason], nodes: Collection[str]) -> tuple[Reason, ...]:
    """The reasons, for these nodes alone, most nodes first."""
    kept = [replace(each, nodes=tuple(node for node in each.nodes if node in nodes)) for each in reasons]
    return tuple(sorted((each for each in kept if each.nodes), key=lambda each: -len(each.nodes)))
