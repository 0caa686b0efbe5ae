"""Which nodes and partitions the cluster has, as scontrol tells it.

Both `scontrol show node` and the node lists of `scontrol show partition`: nodes of the cloud that are
powered down stand in the second only.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hpccompat.errors import SlurmError, UsageError
from hpccompat.nodes.hostlist import expand
from hpccompat.slurm.command import PATIENCE, ask

_FIELD = re.compile(r"(?:^|\s)(NodeName|State|PartitionName|Nodes|Default)=(\S*)")
# Features may hold blanks; what follows them is a field that Slurm names.
_FEATURES = re.compile(r" AvailableFeatures=(.*?) ActiveFeatures=(.*?)(?= [A-Z][A-Za-z]*=|$)")
_PLUGINS = re.compile(r"^NodeFeaturesPlugins[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_NOT_FOR_JOBS = frozenset(
    "DRAIN FAIL INVALID_REG MAINTENANCE MAINT NOT_RESPONDING POWERING_DOWN REBOOT RESERVED".split()
)


@dataclass(frozen=True)
class Inventory:
    """`states`: node -> state as Slurm prints it, "" where it is not shown. `partitions`: name -> nodes. `available`,
    `active`: node -> its Slurm features in their order; nothing of nodes that are not shown. `changeable`: plugins
    change features (NodeFeaturesPlugins), and constraints then mean other things. `at`: when Slurm said so, in seconds
    since the epoch, 0 where that is not known."""

    states: Mapping[str, str]
    partitions: Mapping[str, frozenset[str]]
    default_partition: str = ""
    available: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    active: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    changeable: bool = False
    at: float = field(default=0.0, compare=False)

    @property
    def nodes(self) -> frozenset[str]:
        return frozenset(self.states)

    def of_partitions(self, names: tuple[str, ...]) -> frozenset[str]:
        """The nodes of these partitions; of the default one where none is named. Partitions that do not
        exist have none."""
        wanted = names or ((self.default_partition,) if self.default_partition else ())
        return frozenset().union(*(self.partitions.get(name, frozenset()) for name in wanted))

    def is_idle(self, node: str) -> bool:
        """Whether a job could start there now: IDLE, and nothing that keeps jobs away (scontrol(1), "node states")."""
        state, *flags = self.states.get(node, "").split("+")
        return state == "IDLE" and not set(flags) & _NOT_FOR_JOBS

    def expected_to_report(self, node: str) -> bool:
        """Nodes that are down or don't exist yet run no prolog, and don't count for the coverage."""
        return not re.match(r"DOWN|FUTURE", self.states.get(node, ""))


def read_inventory() -> Inventory:
    """Asks scontrol. Raises SlurmError, also for an empty answer: that is never "no nodes"."""
    inventory = parse_inventory(show("node"), show("partition"), show("config"))
    if not inventory.states:
        raise SlurmError("scontrol shows no nodes")
    return inventory


def show(what: str) -> str:
    """What `scontrol show` says of it, one line each. Raises SlurmError."""
    answer = ask(("scontrol", "-a", "-F", "-o", "show", what), PATIENCE)
    if answer.status != 0:
        raise SlurmError(f"scontrol show {what}: {(answer.stderr or answer.stdout).strip()}")
    return answer.stdout


def is_changeable(config: str) -> bool:
    """Of `scontrol show config`: whether plugins change features."""
    plugins = _PLUGINS.search(config)
    return plugins is not None and plugins[1] not in ("", "(null)")


def parse_inventory(nodes: str, partitions: str, config: str = "") -> Inventory:
    """Of `scontrol show` with `-o`: node, partition, config. Raises SlurmError."""
    states: dict[str, str] = {}
    available: dict[str, tuple[str, ...]] = {}
    active: dict[str, tuple[str, ...]] = {}
    for line in nodes.splitlines():
        fields = _fields(line)
        if "NodeName" in fields:
            name = fields["NodeName"]
            states[name] = fields.get("State", "")
            if match := _FEATURES.search(line):
                available[name], active[name] = map(_features, match.groups())
    members: dict[str, frozenset[str]] = {}
    default = ""
    for fields in map(_fields, partitions.splitlines()):
        if "PartitionName" not in fields:
            continue
        name, hostlist = fields["PartitionName"], fields.get("Nodes", "")
        try:
            members[name] = frozenset(expand("" if hostlist == "(null)" else hostlist))
        except UsageError as error:
            raise SlurmError(f"partition {name}: {error}") from error
        if fields.get("Default") == "YES":
            default = name
        for node in members[name]:
            states.setdefault(node, "")
    return Inventory(states, members, default, available, active, is_changeable(config))


@functools.lru_cache(maxsize=1024)
def _features(text: str) -> tuple[str, ...]:
    return () if text == "(null)" else tuple(filter(None, text.split(",")))


def _fields(line: str) -> dict[str, str]:
    """Of equal names the first counts: free text (a comment, a reason) stands at the end of the line."""
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(line):
        found.setdefault(name, value)
    return found
