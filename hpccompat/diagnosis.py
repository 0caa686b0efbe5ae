"""What can be wrong with an installation, and what to do about it: a table of checks over what was seen (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hpccompat.nodes.hostlist import fold
from hpccompat.settings import Settings
from hpccompat.slurm.inventory import Inventory
from hpccompat.slurm.site import SlurmSite

# Releases that the tests run on.
OLDEST, NEWEST = (22, 5), (26, 5)
# Nodes from which on queries want an index.
_MANY = 300
_HOUR = 3600.0


@dataclass(frozen=True)
class Seen:
    """What there is to judge. Times are in seconds since the epoch. `site`, `inventory`: None where Slurm could not be
    asked, and `slurm_error` says why. `records`: node -> when it was last seen to be true. `unreadable`: node -> what
    is wrong with its record; `failing`: source -> nodes on which it failed; `collectors`: version -> nodes. `store`,
    `spool`: (owner, mode) of the folder, None where there is none; `writable_files`: parts of the store that others
    can write. `index`: of `hpccompat index --status`, or `index_error`. `published`: when, and `failed` requirements.
    `libraries`: name -> "" or why it can't be loaded."""

    now: float
    settings: Settings
    version: str
    site: SlurmSite | None = None
    slurm_error: str = ""
    inventory: Inventory | None = None
    records: Mapping[str, float] = field(default_factory=dict)
    store: tuple[int, int] | None = None
    store_error: str = ""
    writable: Sequence[str] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    failing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    collectors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    index: Mapping[str, object] | None = None
    index_error: str = ""
    spool: tuple[int, int] | None = None
    published: float = 0.0
    failed: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """`level`: ok, note, warning or error. `help`: what to do."""

    level: str
    about: str
    text: str
    help: str = ""


def diagnose(seen: Seen) -> tuple[Finding, ...]:
    # Switched off, nothing else is read, not even the settings.
    checks = (_switch, _libraries) if seen.settings.disabled else CHECKS
    return tuple(finding for check in checks for finding in check(seen))


def _switch(seen: Seen) -> Iterable[Finding]:
    settings = seen.settings
    if settings.disabled:
        yield Finding(
            "warning", "settings", "everything is switched off here", "remove the file disabled beside config.toml"
        )
        return
    yield Finding("ok", "settings", f"mode {settings.mode}, start_check {settings.start_check}")
    for note in settings.notes:
        yield Finding("warning", "settings", note, "mend that file, or unset the variable")


def _libraries(seen: Seen) -> Iterable[Finding]:
    for name, why in seen.libraries.items():
        if why:
            help = 'install it into hpccompat\'s environment, or choose inventory = "scontrol"'
            yield Finding("warning" if name == "pyslurm" else "error", "python", f"{name} can't be loaded: {why}", help)
    if not any(seen.libraries.values()):
        yield Finding("ok", "python", f"hpccompat {seen.version}, all libraries load")


def _slurm(seen: Seen) -> Iterable[Finding]:
    site = seen.site
    if site is None:
        yield Finding("error", "slurm", seen.slurm_error, "run this where Slurm's commands work; is the controller up?")
        return
    shown = f"{site.version[0]}.{site.version[1]:02}"
    if not OLDEST <= site.version <= NEWEST:
        yield Finding(
            "warning", "slurm", f"Slurm {shown} is none of those that hpccompat is tested with (22.05 to 26.05)",
            "begin with mode = \"observe\", and compare hpccompat plan with what Slurm does",
        )  # fmt: skip
    else:
        yield Finding("ok", "slurm", f"Slurm {shown}")
    flags = {each.lower() for each in site.words("PrologFlags")}
    if not site.parameters.get("prolog"):
        yield Finding(
            "warning", "slurm", "there is no Prolog: nodes report only by health check and boot unit",
            "slurm.conf: Prolog=/etc/slurm/prolog.d/*",
        )  # fmt: skip
    if "alloc" not in flags:
        yield Finding(
            "warning", "slurm", "PrologFlags has no Alloc: the prolog runs on the first node of a job only, and not "
            "for salloc without srun", "slurm.conf: PrologFlags=Alloc",
        )  # fmt: skip
    if seen.settings.start_check == "requeue" and "deferbatch" not in flags:
        yield Finding(
            "warning", "slurm", "start_check is requeue, and PrologFlags has no DeferBatch: a batch script may begin "
            "before the last node of its job was looked at", "slurm.conf: PrologFlags=Alloc,DeferBatch",
        )  # fmt: skip
    if site.parameters.get("nodefeaturesplugins"):
        yield Finding(
            "note", "slurm", "NodeFeaturesPlugins is set: jobs carry excluded nodes, labels are not used",
        )  # fmt: skip
    if {each.lower() for each in site.words("PrivateData")} & {"nodes"}:
        yield Finding(
            "error", "slurm", "PrivateData=nodes hides the nodes from users: their jobs can't be planned",
            "let hpccompat publish run, whose inventory users read, or take nodes out of PrivateData",
        )  # fmt: skip
    if "lua" not in site.parameters.get("clifilterplugins", ""):
        yield Finding(
            "note", "slurm", "the cli_filter plugin is not installed: only hpccompat sbatch plans jobs",
            "docs/admin.md, The plugin",
        )  # fmt: skip


def _store(seen: Seen) -> Iterable[Finding]:
    settings = seen.settings
    if seen.store is None:
        yield Finding(
            "error", "store", f"the store {settings.store} can't be used: {seen.store_error}",
            f"install -d -m 755 {settings.store} {settings.store}/nodes, where nodes write and login hosts read",
        )  # fmt: skip
        return
    for each in seen.writable:
        yield Finding(
            "error", "store", f"{each} can be written by others: records there can't be trusted",
            f"chown it to root or store_user, chmod 755 {each}",
        )  # fmt: skip
    for node, why in list(seen.unreadable.items())[:5]:
        yield Finding("warning", "store", f"record of {node}: {why}", "the node's next job writes it anew")
    if len(seen.unreadable) > 5:
        yield Finding("warning", "store", f"and {len(seen.unreadable) - 5} more records that can't be read")
    for source, nodes in seen.failing.items():
        yield Finding(
            "warning", "store", f"the source {source} failed on {len(nodes)} nodes: {fold(nodes)}",
            f"hpccompat features show {sorted(nodes)[0]} tells why; specs that need it are unknown there",
        )  # fmt: skip
    if len(seen.collectors) > 1:
        shown = "; ".join(f"{version}: {fold(nodes)}" for version, nodes in sorted(seen.collectors.items()))
        yield Finding("warning", "store", f"nodes run different collectors: {shown}", "install one version everywhere")
    ahead = [node for node, at in seen.records.items() if at > seen.now + 60]
    if ahead:
        yield Finding(
            "warning", "clock", f"records of {fold(ahead)} are from the future: clocks differ",
            "let nodes, login hosts and the file server agree on the time (chrony, ntpd)",
        )  # fmt: skip
    if not seen.unreadable and not seen.writable:
        yield Finding("ok", "store", f"{len(seen.records)} records in {settings.store}")


def _coverage(seen: Seen) -> Iterable[Finding]:
    inventory, settings = seen.inventory, seen.settings
    if inventory is None or seen.store is None:
        return
    gone = set(seen.records) - inventory.nodes
    if gone:
        yield Finding(
            "note", "coverage", f"Slurm has no node {fold(gone)} any more", f"hpccompat features prune '{fold(gone)}'"
        )
    for name, members in sorted(inventory.partitions.items()):
        reporting = [node for node in members if inventory.expected_to_report(node)]
        silent = [node for node in reporting if node not in seen.records]
        if not reporting:
            continue
        share = 1 - len(silent) / len(reporting)
        if share < settings.min_coverage:
            yield Finding(
                "warning", "coverage", f"partition {name}: {100 * share:.0f} % of its nodes have reported, below "
                f"min_coverage ({100 * settings.min_coverage:.0f} %): nodes without a record are used, too",
                f"a job on {fold(silent)}, or hpccompat features collect there, makes them report",
            )  # fmt: skip
        elif silent:
            yield Finding(
                "note", "coverage", f"partition {name}: {fold(silent)} never reported, and gets no jobs of ours",
                "is the prolog installed there? scontrol show node tells whether it is up",
            )  # fmt: skip
        else:
            yield Finding("ok", "coverage", f"partition {name}: all {len(reporting)} nodes have reported")
    late = 24 * max(settings.collect_interval, _HOUR)
    old = [node for node, at in seen.records.items() if node in inventory.nodes and seen.now - at > late]
    if old:
        yield Finding(
            "note", "coverage", f"not seen for more than {late / _HOUR:.0f} hours: {fold(old)}",
            "without jobs only the health check or the boot timer reports: see docs/admin.md",
        )  # fmt: skip


def _index(seen: Seen) -> Iterable[Finding]:
    if seen.index_error:
        yield Finding("error", "index", seen.index_error, "hpccompat index --full")
    elif seen.index is None:
        if len(seen.records) >= _MANY:
            yield Finding(
                "warning", "index", f"there is no index, and queries read {len(seen.records)} records",
                "systemctl enable --now hpccompat-index.timer",
            )  # fmt: skip
    else:
        markers = int(str(seen.index["markers"]))
        age = seen.now - float(str(seen.index["passed"]))
        if markers > 200 or age > 2 * _HOUR:
            yield Finding(
                "warning", "index", f"{markers} changes are not in the index, and it looked at all records "
                f"{age / 60:.0f} min ago: its timer seems to stand still",
                "systemctl status hpccompat-index.timer; hpccompat index",
            )  # fmt: skip
        else:
            yield Finding("ok", "index", f"{seen.index['nodes']} nodes, {markers} changes since")


def _labels(seen: Seen) -> Iterable[Finding]:
    settings = seen.settings
    if seen.spool is None:
        yield Finding(
            "note", "labels", f"there is no spool {settings.spool}: jobs carry excluded nodes, and are not looked at "
            "when they start",
            "docs/admin.md, Labels",
        )  # fmt: skip
        return
    owner, mode = seen.spool
    if mode & 0o1777 != 0o1777:
        yield Finding(
            "error", "labels", f"{settings.spool}/specs has mode {mode & 0o7777:o}: users can't leave there what their "
            "jobs require, or can remove others' files", f"chmod 1777 {settings.spool}/specs",
        )  # fmt: skip
    if owner not in (0,) and not settings.store_user:
        yield Finding(
            "warning", "labels", f"{settings.spool}/specs is not root's", f"chown root {settings.spool}/specs"
        )
    if seen.published > seen.now + 60:
        yield Finding(
            "warning", "clock", "the publisher's heartbeat is from the future: clocks differ, and no label is used",
            "let this host and the publisher's agree on the time",
        )  # fmt: skip
    elif not seen.published:
        yield Finding(
            "note", "labels", "no labels were ever published: jobs carry excluded nodes",
            "systemctl enable --now hpccompat-publish.timer",
        )  # fmt: skip
    elif seen.now - seen.published > 60:
        yield Finding(
            "warning", "labels", f"the publisher was last alive {(seen.now - seen.published) / 60:.0f} min ago: new "
            "jobs carry excluded nodes", "systemctl status hpccompat-publish.timer; hpccompat publish",
        )  # fmt: skip
    else:
        yield Finding("ok", "labels", "the publisher is alive; hpccompat publish --check compares its labels")
    for id, why in seen.failed.items():
        yield Finding("warning", "labels", f"requirement {id[:10]}… has no label: {why}", "hpccompat publish --check")


CHECKS: tuple[Callable[[Seen], Iterable[Finding]], ...] = (
    _switch, _libraries, _slurm, _store, _coverage, _index, _labels,
)  # fmt: skip
