"""From a submission to its plan: the one way that every door takes, and the only place for policy.

command line ─ request ──────────────────────────────┐
image ─ artifact ─ spec ─┐                            ├─ plan
records ─────────────────┴─ selection ─ eligibility ──┘
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hpccompat.document.tree import as_data
from hpccompat.document.yaml import Limits, parse
from hpccompat.errors import (
    DocumentError,
    InvalidReference,
    RecordError,
    RegistryError,
    SlurmError,
    SpecError,
    StoreError,
    Unavailable,
    UsageError,
)
from hpccompat.features.model import Features
from hpccompat.nodes.hostlist import expand, fold
from hpccompat.nodes.index import open_index
from hpccompat.nodes.record import SIZE_LIMIT, load_record
from hpccompat.nodes.store import Store
from hpccompat.nodes.table import NodeTable
from hpccompat.plan.eligible import Eligibility, eligibility
from hpccompat.plan.requirement import Requirement, requirement
from hpccompat.plan.selection import NodeVerdict, Reason, Selection, Verdict, judge, select, together
from hpccompat.reference import ImageReference, parse_reference
from hpccompat.settings import ACTIONS, Settings
from hpccompat.slurm.command import Answer
from hpccompat.slurm.constraint import may_use
from hpccompat.slurm.constraint import parse as parse_constraint
from hpccompat.slurm.inventory import Inventory, read_inventory
from hpccompat.slurm.inventory_cache import current_inventory
from hpccompat.slurm.labels import load_published
from hpccompat.slurm.options import OURS, CommandLine
from hpccompat.slurm.plan import Rewrite, exclude, label, signed, without_preference
from hpccompat.slurm.probe import merged_request
from hpccompat.slurm.request import CompatLines, JobRequest, compat_lines
from hpccompat.slurm.script import read_script
from hpccompat.slurm.spool import Spool
from hpccompat.spec.decode import load_spec
from hpccompat.spec.lint import lint
from hpccompat.spec.model import CompatibilitySpec

COMPAT_LEVELS = ("off", "warn", "require")


@dataclass(frozen=True)
class Message:
    """`level`: info, warning or error. `code`: a state of the policy, or another word for programs."""

    level: str
    code: str
    text: str


@dataclass(frozen=True)
class Demand:
    """What the job says it needs: the name of an image, or of a spec file, and where it says so."""

    kind: str
    name: str
    origin: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resolved:
    """`image` is the digest of the image, "" for a spec from a file."""

    spec: CompatibilitySpec
    image: str
    found_at: str


@dataclass(frozen=True)
class Component:
    """How one component of the job was decided."""

    demand: Demand
    digest: str = ""
    carrier: str = "none"
    reason: str = ""
    request: JobRequest = field(default_factory=JobRequest)
    rewrite: Rewrite = field(default_factory=Rewrite)
    verdicts: Mapping[Verdict, frozenset[str]] = field(default_factory=dict)
    eligible: frozenset[str] = frozenset()
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Plan:
    """`outcome`: unchanged, rewritten, refused, off or observed. `arguments`: those to submit with.

    `requirements`: what a job that is submitted leaves in the spool. `stdin`: the job script, where it came by standard
    input. `rejection`: Slurm's answer where it did not even take the request; its message and exit status are then the
    job's.
    """

    outcome: str
    line: CommandLine
    rewrite: Rewrite = field(default_factory=Rewrite)
    components: tuple[Component, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    messages: tuple[Message, ...] = ()
    stdin: str | None = None
    rejection: Answer | None = None


class _Unclear(Exception):
    """A state of the policy was met; the text says what was found."""

    def __init__(self, state: str, text: str, component: Component | None = None) -> None:
        super().__init__(text)
        self.state, self.text, self.component = state, text, component


def plan_submission(
    line: CommandLine,
    settings: Settings,
    environment: Mapping[str, str],
    stdin: str | None,
    label_is_gone: bool = False,
) -> Plan:
    """Plans one submission by sbatch.

    `stdin`: the job script, where it comes that way. `label_is_gone`: Slurm does not know the label of the first plan.
    Raises UsageError for our own options.
    """
    compat, notes = _compat_level(line, settings)
    plan = Plan("unchanged", line, stdin=stdin)
    if settings.disabled or compat == "off" or line.information:
        return replace(plan, outcome="off")
    plan = replace(plan, messages=tuple(Message("warning", "settings", text) for text in (*settings.notes, *notes)))
    try:
        lines = compat_lines(_script(plan))
        plan = replace(plan, messages=plan.messages + tuple(_misplaced(line, lines)))
        planned = _plan(plan, lines, settings, compat, environment, label_is_gone)
    except _Unclear as unclear:
        planned = _by_policy(plan, unclear, settings, compat)
    return _observed(plan, planned) if settings.mode == "observe" else planned


def _script(plan: Plan) -> str:
    try:
        return plan.stdin if plan.stdin is not None else read_script(plan.line)
    except SlurmError as error:
        raise _Unclear("unavailable", str(error)) from error


def announce(plan: Plan, settings: Settings) -> tuple[Message, ...]:
    """Leaves the requirement of a submitted job in the spool: from there the publisher takes what it labels."""
    try:
        for each in plan.requirements:
            Spool(settings.spool).put(each)
    except StoreError as error:
        return (Message("warning", "spool", str(error)),)
    return ()


def _plan(
    plan: Plan,
    lines: CompatLines,
    settings: Settings,
    compat: str,
    environment: Mapping[str, str],
    label_is_gone: bool,
) -> Plan:
    line = plan.line
    demand = find_demand(line, lines, environment)
    if demand is None:
        raise _Unclear("no_image", "the job names no image (--compat-image, a #COMPAT line, HPCCOMPAT_IMAGE)")
    resolved = _resolve_for_job(demand, settings)
    request, answer = _request(line, plan.stdin)
    if request is None:
        _, denied = _settle(_Unclear("unavailable", ""), settings, compat)
        return replace(plan, outcome="refused" if denied else "unchanged", rejection=answer)
    if request.clusters:
        raise _Unclear("unavailable", "jobs for other clusters (-M) are not planned")
    try:
        inventory, remark = current_inventory(settings.store, None, time.time(), settings.inventory)
        own, required = expand(request.exclude), expand(request.nodelist)
        table = recorded_nodes(settings, inventory.nodes)
    except (SlurmError, StoreError, UsageError) as error:
        raise _Unclear("unavailable", str(error)) from error
    if not set(required) <= inventory.nodes:
        raise _Unclear("unavailable", f"scontrol shows no node {fold(set(required) - inventory.nodes)} (--nodelist)")
    partition = inventory.of_partitions(request.partitions)
    if not partition:
        named = ",".join(request.partitions) or "(the default)"
        raise _Unclear("unavailable", f"scontrol shows no nodes of partition {named}")
    try:
        selection = select(resolved.spec, table, demand.tags)
    except StoreError as error:
        raise _Unclear("unavailable", str(error)) from error
    usable = _as_constrained(request.constraint, partition, inventory)
    notes = [Message("warning", "inventory", remark)] if remark else []
    if not usable:
        # Slurm says what it makes of that; it may know a feature tomorrow that it does not know now.
        text = f"no node of the job's partitions has what --constraint={request.constraint} asks for"
        notes.append(Message("warning", "constraint", text))
    plan = replace(plan, messages=(*plan.messages, *notes))
    chosen = eligibility(
        selection,
        usable or partition,
        own,
        required,
        [node for node in partition if inventory.expected_to_report(node)],
        settings.min_coverage,
        compat == "require",
        [[each.weight for each in resolved.spec.compatibilities]],
        None if request.one_node else request.min_nodes,
    )
    found = _Chosen(demand, resolved, request, selection, chosen, own, label_is_gone)
    return _rewritten(plan, settings, compat, inventory, found)


def _as_constrained(constraint: str, nodes: frozenset[str], inventory: Inventory) -> frozenset[str]:
    """The nodes that the user's own constraint, or preference, could give to the job; all where that can't be told."""
    try:
        parsed = parse_constraint(constraint)
    except UsageError:
        return nodes
    features = inventory.available if inventory.changeable else inventory.active
    return frozenset(node for node in nodes if node not in features or may_use(parsed, features[node]))


@dataclass(frozen=True)
class _Chosen:
    demand: Demand
    resolved: Resolved
    request: JobRequest
    selection: Selection
    eligibility: Eligibility
    own: tuple[str, ...]
    label_is_gone: bool

    @property
    def requirement(self) -> Requirement:
        """Of a spec with a single set any set is that one: jobs of one node and of several share its label."""
        chosen, spec = self.eligibility.chosen, self.resolved.spec
        one = chosen[0] if chosen and len(spec.compatibilities) > 1 else None
        return requirement(spec, self.demand.tags, one)


def _carried(settings: Settings, inventory: Inventory, found: _Chosen) -> Rewrite:
    """By a label, where the publisher keeps one and it can stand beside the user's constraint; else by exclusions."""
    rewrite = (
        label(found.request, labels) if (labels := _labels(settings, inventory, found)) else "no label stands for it"
    )
    if isinstance(rewrite, str):
        rewrite = exclude(inventory.nodes, found.eligibility.eligible, found.own, rewrite)
    return rewrite


def _labels(settings: Settings, inventory: Inventory, found: _Chosen) -> tuple[str, ...] | None:
    chosen = found.eligibility
    without_label = (chosen.eligible & chosen.candidates) - found.selection.nodes(Verdict.COMPATIBLE)
    if found.label_is_gone or inventory.changeable or without_label:
        return None
    try:
        with open(settings.store / "published.json", "rb") as file:
            published = load_published(file.read(1024 * 1024))
    except OSError:
        return None
    return published.labels_for((found.requirement.id,), time.time())


def _rewritten(plan: Plan, settings: Settings, compat: str, inventory: Inventory, found: _Chosen) -> Plan:
    chosen, selection = found.eligibility, found.selection
    rewrite = _carried(settings, inventory, found)
    component = Component(
        found.demand,
        found.resolved.image,
        rewrite.carrier,
        rewrite.reason,
        found.request,
        rewrite,
        {verdict: selection.nodes(verdict) for verdict in Verdict},
        chosen.eligible,
        _reasons_among(selection.reasons, chosen.candidates),
    )
    name = found.demand.name
    messages = list(plan.messages)
    if chosen.state == "no_node":
        raise _Unclear("no_node", _no_node_text(found), component)
    if chosen.state == "no_records":
        text = (
            f"no node is known to be compatible with {name}, and of some nothing is known: {len(selection.recorded)} "
            f"of {len(inventory.nodes)} nodes have reported"
        )
        message, denied = _settle(_Unclear("no_records", text), settings, compat)
        messages += message
        if denied:
            return replace(plan, outcome="refused", components=(component,), messages=tuple(messages))
    usable = chosen.eligible & chosen.candidates
    if not found.request.nodelist and 0 < len(usable) < found.request.min_nodes:
        text = f"the job asks for {found.request.min_nodes} nodes, and only {len(usable)} are eligible"
        messages.append(Message("warning", "few_nodes", text))
    if chosen.mixed:
        text = f"no set of the spec alone has {found.request.min_nodes} nodes: the job may get nodes of several sets"
        messages.append(Message("warning", "mixed_sets", text))
    of_set = "" if chosen.chosen is None or len(selection.sets) < 2 else f" (by set {_set_name(found)})"
    text = f"{name}: {len(usable)} of {len(chosen.candidates)} nodes are eligible{of_set}: {fold(usable)}"
    messages.append(Message("info", "eligible", text))
    if rewrite.carrier == "exclude" and rewrite.exclude == fold(found.own):
        component = replace(component, carrier="none", rewrite=Rewrite())
        return replace(plan, components=(component,), messages=tuple(messages))
    if found.request.prefer and len(usable) >= found.request.min_nodes:
        preferred = _as_constrained(found.request.prefer, usable, inventory)
        if len(preferred) < found.request.min_nodes:
            rewrite = without_preference(rewrite, found.request)
            text = f"--prefer={found.request.prefer} is left out: {len(preferred)} of the eligible nodes have it"
            messages.append(Message("warning", "prefer", text))
    requirements: tuple[Requirement, ...] = ()
    if Spool(settings.spool).folder.is_dir():  # made by sites that publish labels
        requirements = (found.requirement,)
        with_token = signed(rewrite, found.request, (found.requirement.id,))
        if with_token is None:
            text = "the comment leaves no room for our token; a job that is held for want of its label is not released"
            messages.append(Message("warning", "token", text))
        rewrite = with_token or rewrite
    component = replace(component, rewrite=rewrite)
    return replace(
        plan,
        outcome="rewritten",
        rewrite=rewrite,
        components=(component,),
        requirements=requirements,
        messages=tuple(messages),
    )


def _set_name(found: _Chosen) -> str:
    """The chosen set's number, tag or description."""
    (number,) = found.eligibility.chosen or (0,)
    chosen = found.resolved.spec.compatibilities[number]
    return " ".join(filter(None, (str(number), chosen.tag or chosen.description)))


def _no_node_text(found: _Chosen) -> str:
    candidates = found.eligibility.candidates
    if not candidates:
        return (
            f"no node is left for the job: partition {','.join(found.request.partitions) or '(default)'} "
            f"without {fold(found.own) or 'exclusions'} is empty"
        )
    if found.request.nodelist:
        bad = candidates - found.eligibility.eligible
        return f"--nodelist names {fold(bad)}, and {found.demand.name} can't run there"
    return f"none of the {len(candidates)} nodes that the job could use can run {found.demand.name}"


def _misplaced(line: CommandLine, lines: CompatLines) -> list[Message]:
    """What a user surely meant for us, and that stands where it does not reach us."""
    texts = [
        f"the script's line {each!r} is not understood (#COMPAT image=REF, spec=FILE, tag=T)" for each in lines.unread
    ]
    texts += [
        f"{word} stands after the script's name, and goes to the script"
        for word in line.script[1:]
        if word.partition("=")[0] in OURS
    ]
    return [Message("warning", "misplaced", text) for text in texts]


def find_demand(line: CommandLine, lines: CompatLines, environment: Mapping[str, str]) -> Demand | None:
    """The job's image or spec; the first of our options, #COMPAT lines and the environment that names one."""
    tags = tuple(
        tag.strip()
        for text in line.ours.get("--compat-tag") or lines.values.get("tag", ())
        for tag in text.split(",")
        if tag.strip()
    )
    options = {name: line.ours.get(f"--compat-{name}", ()) for name in ("image", "spec")}
    variable = environment.get("HPCCOMPAT_IMAGE", "")
    places = (
        ("--compat-{}", options),
        ("#COMPAT {}=", lines.values),
        ("HPCCOMPAT_IMAGE", {"image": (variable,) if variable else ()}),
    )
    for origin, values in places:
        named = [(kind, name) for kind in ("image", "spec") for name in values.get(kind, ())]
        if len(set(named)) > 1:
            listed = ", ".join(f"{kind} {name}" for kind, name in named)
            raise _Unclear("unavailable", f"the job names more than one image or spec ({listed}); only one is planned")
        if named:
            kind, name = named[0]
            return Demand(kind, name, origin.format(kind), tags)
    return None


def resolve(demand: Demand, settings: Settings) -> Resolved | None:
    """The spec that the demand leads to; None for an image without one.

    Raises InvalidReference, RegistryError, SpecError."""
    if demand.kind == "spec":
        return Resolved(_load(_spec_file(demand.name), demand.tags), "", demand.name)
    reference = parse_reference(demand.name)
    if not isinstance(reference, ImageReference):
        raise RegistryError(f"{demand.name}: specs of images other than docker:// are not looked up by this version")
    from hpccompat.artifact.registry import Access, find_spec

    lookup = find_spec(reference, Access(settings.deadline, settings.plain_http))
    if lookup.artifact is None:
        return None
    try:
        return Resolved(_load(lookup.artifact.data, demand.tags), lookup.image, lookup.artifact.found_at)
    except SpecError as error:
        raise SpecError(
            error.kind, f"{error.text} (in {lookup.artifact.found_at})", error.path, error.line, error.column
        ) from error


def select_recorded(
    resolved: Sequence[Resolved], hostlist: str | None, tags: Collection[str], settings: Settings
) -> Selection:
    """The verdicts of recorded nodes: those of the hostlist, or all; of several specs a node must satisfy each. Raises
    StoreError, UsageError."""
    nodes = recorded_nodes(settings, None if hostlist is None else expand(hostlist))
    return together([select(each.spec, nodes, tags) for each in resolved])


@dataclass(frozen=True)
class PartitionCount:
    """Of a partition: all its nodes, those that are compatible, and how many of these are idle now."""

    name: str
    nodes: int
    eligible: int
    idle: int


def by_partition(selection: Selection) -> tuple[PartitionCount, ...]:
    """What Slurm's partitions have of the compatible nodes. Raises SlurmError."""
    inventory = read_inventory()
    compatible = selection.nodes(Verdict.COMPATIBLE)
    found = []
    for name, nodes in sorted(inventory.partitions.items()):
        eligible = nodes & compatible
        found.append(PartitionCount(name, len(nodes), len(eligible), sum(map(inventory.is_idle, eligible))))
    return tuple(found)


def recorded_nodes(settings: Settings, names: Collection[str] | None) -> NodeTable:
    """What these nodes have reported, None for all that have: by the index, or by the records where there is none.
    Raises StoreError."""
    store = Store(settings.store)
    index = open_index(store)
    if index is not None:
        return index if names is None else index.table(names)
    recorded = store.names()
    return store.table(recorded if names is None else sorted(names))


def judge_file(resolved: Resolved, file: Path, tags: Collection[str]) -> NodeVerdict:
    """The verdict on a node record, or NFD features, in a file of JSON or YAML. Raises RecordError."""
    try:
        text = file.read_bytes()
        record = load_record(text if text.lstrip().startswith(b"{") else _as_json(text))
    except DocumentError as error:
        raise RecordError(error.kind, f"{error.text} ({file})", error.path, error.line, error.column) from error
    except OSError as error:
        raise RecordError("yaml-syntax", f"{file}: {error.strerror}") from error
    return judge_features(resolved, record.features, record.errors, tags)


def _as_json(text: bytes) -> str:
    """A feature file in YAML as NFD would read it. Raises DocumentError."""
    return json.dumps(as_data(parse(text, Limits(size=SIZE_LIMIT, nodes=500_000))))


def judge_features(
    resolved: Resolved, features: Features, errors: Mapping[str, str], tags: Collection[str]
) -> NodeVerdict:
    """`errors`: the sources that failed on this host."""
    return judge(resolved.spec, features, errors, tags)


def _spec_file(name: str) -> bytes:
    try:
        with Path(name).open("rb") as opened:
            return opened.read(1024 * 1024 + 1)
    except (OSError, ValueError) as error:
        raise SpecError("yaml-syntax", f"spec file {name}: {getattr(error, 'strerror', None) or error}") from error


def _resolve_for_job(demand: Demand, settings: Settings) -> Resolved:
    try:
        resolved = resolve(demand, settings)
    except (InvalidReference, DocumentError) as error:
        raise _Unclear("invalid", f"{demand.origin} {demand.name}: {error}") from error
    except Unavailable as error:
        raise _Unclear("unavailable", str(error)) from error
    if resolved is None:
        raise _Unclear("no_spec", f"image {demand.name} has no compatibility spec in its registry")
    wrong = [str(each) for each in lint(resolved.spec) if each.level == "error"]
    if wrong:
        raise _Unclear("invalid", f"the spec of {demand.name} ({resolved.found_at}) can't be meant: {'; '.join(wrong)}")
    return resolved


def _load(text: bytes, tags: Collection[str]) -> CompatibilitySpec:
    """The spec, if it has a set to evaluate. Raises SpecError."""
    spec = load_spec(text)
    if not spec.compatibilities:
        raise SpecError("spec-type", "is empty", "compatibilities")
    if tags and not any(each.tag in tags for each in spec.compatibilities):
        known = ", ".join(sorted(spec.tags())) or "none"
        raise SpecError("spec-type", f"no set has the tag {' or '.join(tags)} (there are {known})", "compatibilities")
    return spec


def _request(line: CommandLine, stdin: str | None) -> tuple[JobRequest | None, Answer]:
    try:
        components, answer = merged_request(line, stdin)
    except SlurmError as error:
        raise _Unclear("unavailable", str(error)) from error
    if len(components) > 1 or line.components > 1:
        raise _Unclear("unavailable", "jobs of several components (heterogeneous) are not planned by this version")
    return (components[0] if components else None), answer


def _compat_level(line: CommandLine, settings: Settings) -> tuple[str, list[str]]:
    """--compat of this job, as far as the mode lets it count; "" without."""
    level = line.our("--compat") or ""
    if level and level not in COMPAT_LEVELS:
        raise UsageError(f"--compat takes one of {', '.join(COMPAT_LEVELS)}, not {level!r}")
    if settings.mode == "enforce" and level in ("off", "warn"):
        return "", [f"--compat={level} has no effect: the site's mode is enforce"]
    return level, []


def _settle(unclear: _Unclear, settings: Settings, compat: str) -> tuple[list[Message], bool]:
    """What the policy says of a state: the message, if any, and whether the job is refused."""
    action = getattr(settings.policy, unclear.state)
    if unclear.state == "no_spec":
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
        hint = " (to submit this one job all the same: --compat=warn)"
    return [Message("error", unclear.state, unclear.text + hint)], True


def _by_policy(plan: Plan, unclear: _Unclear, settings: Settings, compat: str) -> Plan:
    messages, denied = _settle(unclear, settings, compat)
    component = replace(unclear.component, carrier="none", rewrite=Rewrite()) if unclear.component else None
    return replace(
        plan,
        outcome="refused" if denied else "unchanged",
        components=(component,) if component else (),
        messages=plan.messages + tuple(messages),
    )


def _observed(before: Plan, planned: Plan) -> Plan:
    """The mode `observe`: nothing is changed, and what would have been is said."""
    messages = tuple(replace(each, level="info") for each in planned.messages)
    would = Message("info", "observed", f"observing only; the job would have been {planned.outcome}")
    return replace(planned, outcome="observed", rewrite=before.rewrite, requirements=(), messages=(*messages, would))


def _reasons_among(reasons: Sequence[Reason], nodes: Collection[str]) -> tuple[Reason, ...]:
    """The reasons, for these nodes alone, most nodes first."""
    kept = [replace(each, nodes=tuple(node for node in each.nodes if node in nodes)) for each in reasons]
    return tuple(sorted((each for each in kept if each.nodes), key=lambda each: -len(each.nodes)))
