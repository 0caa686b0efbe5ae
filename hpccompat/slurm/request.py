"""What a job asks for: command line, environment and #SBATCH lines in one (pure).

For each component of the job Slurm applies, one over the other: the component's section of the script, #PBS or
#BSUB lines, the environment, and the component's options on the command line. Components beyond the last on the
command line get the options of that one. What is not in `_ANEW` a component inherits from the one before it, and
the first one from any component of the command line.
The tests compare all of this with what `sbatch -v --test-only` reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hpccompat.errors import UsageError
from hpccompat.nodes.hostlist import expand
from hpccompat.slurm.dialects import translate
from hpccompat.slurm.directives import Section, read_directives
from hpccompat.slurm.options import CommandLine, of_slurm, read_options

# Of what is read here, the options that begin anew with each component.
_ANEW = frozenset("constraint distribution nodefile nodelist nodes ntasks partition".split())
_READ = _ANEW | frozenset("array chdir clusters comment container exclude ignore-pbs prefer reservation".split())
# "Input environment variables" of the man pages, in the order in which they are applied.
_ENVIRONMENT = {
    "sbatch": {
        "SBATCH_ARRAY_INX": "array",
        "SBATCH_CLUSTERS": "clusters",
        "SLURM_CLUSTERS": "clusters",
        "SBATCH_CONSTRAINT": "constraint",
        "SBATCH_CONTAINER": "container",
        "SBATCH_DISTRIBUTION": "distribution",
        "SBATCH_PARTITION": "partition",
        "SBATCH_RESERVATION": "reservation",
    },
    "srun": {
        "SLURM_CLUSTERS": "clusters",
        "SLURM_CONSTRAINT": "constraint",
        "SRUN_CONTAINER": "container",
        "SLURM_DISTRIBUTION": "distribution",
        "SLURM_JOB_NUM_NODES": "nodes",
        "SLURM_NTASKS": "ntasks",
        "SLURM_PARTITION": "partition",
        "SLURM_RESERVATION": "reservation",
        "SLURM_REMOTE_CWD": "chdir",
        "SLURM_WORKING_DIR": "chdir",
    },
    "salloc": {
        "SALLOC_CLUSTERS": "clusters",
        "SLURM_CLUSTERS": "clusters",
        "SALLOC_CONSTRAINT": "constraint",
        "SALLOC_CONTAINER": "container",
        "SALLOC_PARTITION": "partition",
        "SALLOC_RESERVATION": "reservation",
    },
}
_RANGE = re.compile(r"\s*([0-9]*)([km]?)\s*(-\s*([0-9]+)([km]?)\s*)?", re.IGNORECASE)
_TIMES = {"": 1, "k": 1024, "m": 1024 * 1024}


@dataclass(frozen=True)
class JobRequest:
    """Of one component; values as they were given.

    `exclude`, `nodelist`: hostlists, or the name of a file of them if there is a slash in it; `nodefile` always
    names one. `partitions`: empty for the default one. `min_nodes`: what --nodes asks for; a list of nodes may
    hold more, and a job takes all of it. `one_node`: it asks for at most one; without a number of nodes Slurm
    may spread the tasks over several. `plugin_options`: what a SPANK plugin's options are given, by option, or by
    `plugin/option` where the plugin is known. `compat`: #COMPAT key -> values of the component's section of the script.
    """

    constraint: str = ""
    prefer: str = ""
    exclude: str = ""
    nodelist: str = ""
    nodefile: str = ""
    partitions: tuple[str, ...] = ()
    clusters: str = ""
    min_nodes: int = 1
    one_node: bool = False
    comment: str = ""
    array: str = ""
    container: str = ""
    reservation: str = ""
    chdir: str = ""
    plugin_options: Mapping[str, str] = field(default_factory=dict)
    compat: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Requests:
    """`doubts`: what could not be known, in words for people. `unread`: lines that look like #COMPAT, and can't
    be read. `unknown`: long options in the script that are in no table; with the options that sbatch's help
    lists it may be read better."""

    components: tuple[JobRequest, ...]
    doubts: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def merge(line: CommandLine, script: str, environment: Mapping[str, str]) -> Requests:
    """`script`: the text of the job script, "" where there is none (srun, salloc, --wrap). Never raises; what
    Slurm would reject is read somehow."""
    directives = read_directives(script if line.command == "sbatch" and not line.wrap else "")
    sections = [_Script(section, line) for section in directives.sections]
    doubts = [f"the script has an option that is unknown or ambiguous to us: --{each.unknown}" for each in sections]
    doubts = [doubt for doubt, each in zip(doubts, sections, strict=True) if each.unknown]
    variables = [
        (option, environment[name]) for name, option in _ENVIRONMENT[line.command].items() if name in environment
    ]
    translation = translate(directives.dialect, directives.foreign) if directives.dialect else None
    # --ignore-pbs counts from any component.
    pbs_ignored = line.has("ignore-pbs") or _is_set(environment.get("SBATCH_IGNORE_PBS"))
    values: dict[str, str] = {}
    for component in line.components:
        _apply(values, component.given, line.command)
    requests = []
    for index in range(max(len(sections), len(line.components))):
        own = sections[index] if index < len(sections) else _Script(Section(), line)
        values = {option: value for option, value in values.items() if option not in _ANEW}
        _apply(values, own.given, line.command)
        pbs_ignored = pbs_ignored or "ignore-pbs" in values
        if translation and not pbs_ignored:
            _apply(values, translation.given, line.command)
            doubts += [translation.doubt] if translation.doubt else []
        _apply(values, variables, line.command)
        _apply(values, line.components[min(index, len(line.components) - 1)].given, line.command)
        plugins = {option: value for option, value in values.items() if not of_slurm(option, line.command)}
        requests.append(job_request(values, own.compat, plugins))
        doubts += _doubts(values, environment)
    unknown = tuple(each.unknown for each in sections if each.unknown)
    return Requests(tuple(requests), tuple(dict.fromkeys(doubts)), directives.unread, unknown)


class _Script:
    """A section of the script, read."""

    def __init__(self, section: Section, line: CommandLine) -> None:
        read = read_options(section.words, 0, line.command, line.offered)
        self.given, self.unknown, self.compat = read.given, read.unknown, section.compat


def _apply(values: dict[str, str], given: Iterable[tuple[str, str]], command: str) -> None:
    for option, value in given:
        if option in _READ or not of_slurm(option, command):
            values[option] = value
        if option == "nodelist":
            # A list after a file counts; after a list, the file does.
            values.pop("nodefile", None)


def _is_set(value: str | None) -> bool:
    """A flag of the environment: set to nothing, `yes`, or a number that is not 0."""
    if value is None:
        return False
    return value == "" or value.lower() == "yes" or bool(re.match(r"\s*[-+]?0*[1-9]", value))


def job_request(
    values: Mapping[str, str], compat: Mapping[str, tuple[str, ...]], plugin_options: Mapping[str, str]
) -> JobRequest:
    """Of a component's options: canonical long name -> the value that counts."""
    get = values.get
    least, most = _numbers_of_nodes(get("nodes", ""), get("ntasks", ""))
    return JobRequest(
        constraint=get("constraint", ""),
        prefer=get("prefer", ""),
        exclude=get("exclude", ""),
        nodelist="" if get("nodefile") else get("nodelist", ""),
        nodefile=get("nodefile", ""),
        partitions=tuple(filter(None, get("partition", "").split(","))),
        clusters=get("clusters", ""),
        min_nodes=least,
        one_node=(least, most) == (1, 1),
        comment=get("comment", ""),
        array=get("array", ""),
        container=get("container", ""),
        reservation=get("reservation", ""),
        chdir=get("chdir", ""),
        plugin_options=plugin_options,
        compat=compat,
    )


def _numbers_of_nodes(nodes: str, tasks: str) -> tuple[int, int | None]:
    """The least and the highest number of nodes, None where none is given: of `4`, `2-4`, `2k`, `-3`, and `2,4`,
    which newer releases take. A job gets no more nodes than tasks."""
    if not nodes.strip():
        return 1, None
    if not (match := _RANGE.fullmatch(nodes)):
        return min((int(each) for each in re.findall("[0-9]+", nodes.partition(":")[0])), default=1), None
    low = int(match[1] or 1) * _TIMES[match[2].lower()]
    high = int(match[4]) * _TIMES[match[5].lower()] if match[3] else low
    limit = int(tasks) if tasks.strip().isdecimal() else high
    return min(low, max(limit, 1)), min(high, limit)


def _doubts(values: Mapping[str, str], environment: Mapping[str, str]) -> list[str]:
    doubts = []
    if values.get("distribution", "").startswith("arb") and "SLURM_HOSTFILE" in environment:
        doubts.append("--distribution=arbitrary takes its nodes from SLURM_HOSTFILE, which is not read")
    tasks = values.get("ntasks", "").strip()
    if tasks.isdecimal() and (values.get("nodefile") or _names(values.get("nodelist", "")) > int(tasks)):
        doubts.append(f"of more nodes in --nodelist than its {tasks} task(s) a job gets some only")
    return doubts


def _names(nodelist: str) -> float:
    if "/" in nodelist:
        return float("inf")
    try:
        return len(expand(nodelist))
    except UsageError:
        return 0
