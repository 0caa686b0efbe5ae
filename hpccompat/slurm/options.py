"""The command lines of sbatch, srun and salloc: where the options end, and which of them are ours (pure).

Slurm's getopt_long stops at the first word that is not an option, and takes unambiguous abbreviations of
long options. The tables are those of the man pages from 22.05 to 26.05; an option in none of them belongs to a
plugin or a newer release, and the command's own --help says whether it takes a value.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hpccompat.errors import UsageError


class Value(enum.Enum):
    NONE = "none"
    REQUIRED = "required"
    OPTIONAL = "optional"


OURS = ("--compat", "--compat-image", "--compat-spec", "--compat-spack", "--compat-tag")
COMMANDS = ("sbatch", "srun", "salloc")

# Letters that all three commands have. A value that is optional stands in the same word.
_SHORT = {
    **{"A": "account", "B": "extra-node-info", "C": "constraint", "D": "chdir", "F": "nodefile", "G": "gpus"},
    **{"J": "job-name", "L": "licenses", "M": "clusters", "N": "nodes", "S": "core-spec", "b": "begin"},
    **{"c": "cpus-per-task", "d": "dependency", "m": "distribution", "n": "ntasks", "p": "partition", "q": "qos"},
    **{"t": "time", "w": "nodelist", "x": "exclude", "k": "no-kill", "?": "help", "h": "help", "H": "hold"},
    **{"O": "overcommit", "Q": "quiet", "V": "version", "s": "oversubscribe", "v": "verbose"},
}
_SHORT_OF = {
    "sbatch": {"a": "array", "e": "error", "i": "input", "o": "output", "W": "wait"},
    "srun": {
        **{"E": "preserve-env", "I": "immediate", "K": "kill-on-bad-exit", "T": "threads", "W": "wait"},
        **{"X": "disable-status", "Z": "no-allocate", "e": "error", "i": "input", "l": "label", "o": "output"},
        **{"r": "relative", "u": "unbuffered"},
    },
    "salloc": {"I": "immediate", "K": "kill-command"},
}
_NONE = """
    consolidate-segments contiguous external help hold overcommit oversubscribe quiet reboot share spread-job
    spread-segments stepmgr usage use-min-nodes verbose version
"""
_NONE_OF = {
    "sbatch": "ignore-pbs no-requeue parsable test-only wait",
    "srun": """debugger-test disable-status exact external-launcher interactive label multi-prog no-allocate
        preserve-env pty quit-on-interrupt test-only unbuffered wait-for-children whole""",
    "salloc": "bell no-bell no-shell",
}
_OPTIONAL = "exclusive nice no-kill oom-kill-step resv-ports"
_OPTIONAL_OF = {
    "sbatch": "get-user-env propagate requeue",
    "srun": "bcast compress immediate kill-on-bad-exit overlap propagate send-libs x11",
    "salloc": "get-user-env immediate kill-command x11",
}
_REQUIRED = """
    account acctg-freq bb bbf begin chdir cluster cluster-constraint clusters comment constraint container
    container-id context core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot
    dependency distribution exclude extra extra-node-info gid gpu-bind gpu-freq gpus gpus-per-node
    gpus-per-socket gpus-per-task gres gres-flags hint job-name licenses mail-type mail-user mcs-label mem
    mem-bind mem-per-cpu mem-per-gpu mincpus network nodefile nodelist nodes ntasks ntasks-per-core
    ntasks-per-gpu ntasks-per-node ntasks-per-socket ntasks-per-tres partition power prefer priority profile
    qos reservation segment signal sockets-per-node switches tasks-per-node thread-spec threads-per-core time
    time-min tmp tres-bind tres-per-task uid wckey
"""
_REQUIRED_OF = {
    "sbatch": """array batch error export export-file input kill-on-invalid-dep open-mode output wait-all-nodes
        wrap""",
    "srun": """accel-bind bcast-exclude cpu-bind cpu_bind epilog error export export-file het-group input jobid
        mpi msg-timeout open-mode output pack-group prolog relative slurmd-debug task-epilog task-prolog threads
        treewidth wait""",
    "salloc": "wait wait-all-nodes",
}
_LONG = {
    command: {
        **dict.fromkeys((_NONE + _NONE_OF[command]).split(), Value.NONE),
        **dict.fromkeys((_OPTIONAL + " " + _OPTIONAL_OF[command]).split(), Value.OPTIONAL),
        **dict.fromkeys((_REQUIRED + _REQUIRED_OF[command]).split(), Value.REQUIRED),
    }
    for command in COMMANDS
}
_LETTERS = {command: {**_SHORT, **_SHORT_OF[command]} for command in COMMANDS}
_ALIASES = {
    "cluster": "clusters",
    "share": "oversubscribe",
    "tasks-per-node": "ntasks-per-node",
    "cpu_bind": "cpu-bind",
    "pack-group": "het-group",
}
_INFORMATION = {"help", "usage", "version"}
_HELP_LINE = re.compile(r"^\s*(?:-\w,?\s*)?--([A-Za-z0-9][^\s=\[]*)(\[?=)?")


@dataclass(frozen=True)
class Unknown:
    """A long option that is in no table, or ":" where we can't tell what Slurm makes of it; `words` are the
    arguments without those of ours before it."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Component:
    """The options of one component of a command line.

    `words`: Slurm's own, as given. `given`: (canonical long name, value) in their order, "" for a flag.
    `ours`: "--compat-image" -> values in their order. `tail`: the command that a component of srun has
    before the next one, with a `--` that stands before it.
    """

    words: tuple[str, ...] = ()
    given: tuple[tuple[str, str], ...] = ()
    ours: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tail: tuple[str, ...] = ()

    @property
    def values(self) -> Mapping[str, str]:
        """Canonical long name -> the last value."""
        return dict(self.given)

    def our(self, name: str) -> str | None:
        """The last value of one of our options."""
        return self.ours[name][-1] if name in self.ours else None


@dataclass(frozen=True)
class CommandLine:
    """`script`: the script, or the command, and its arguments (srun: of the last component); with `wrap`, or from
    standard input, there is none. `ended`: a `--` stands before it. `offered`: as it was given to `scan`."""

    command: str
    components: tuple[Component, ...]
    script: tuple[str, ...] = ()
    ended: bool = False
    information: bool = False
    offered: Mapping[str, Value] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether any component has the option."""
        return any(option == name for component in self.components for option, _ in component.given)

    def our(self, name: str) -> str | None:
        """The last value of one of our options, of all components."""
        values = [component.our(name) for component in self.components if name in component.ours]
        return values[-1] if values else None

    @property
    def wrap(self) -> bool:
        return self.has("wrap")

    @property
    def quiet(self) -> bool:
        return self.has("quiet")

    @property
    def chdir(self) -> str:
        """The last --chdir."""
        values = [value for each in self.components for option, value in each.given if option == "chdir"]
        return values[-1] if values else ""

    @property
    def script_from_stdin(self) -> bool:
        """Whether sbatch would read the job script from standard input."""
        return self.command == "sbatch" and not (self.script or self.wrap or self.information)

    def arguments(self, added: Sequence[Sequence[str]] = ()) -> tuple[str, ...]:
        """The whole command line for Slurm, without our options.

        `added[i]` are put last among the options of component i: of options given twice Slurm takes the last.
        Components beyond those of the command line (of a script with `#SBATCH hetjob`) are opened here. Slurm
        would have applied the options of the last one to them too, so they are repeated.
        """
        words: list[str] = []
        last = self.components[-1]
        opened = [Component(_silent(last.words))] * (len(added) - len(self.components))
        for index, component in enumerate((*self.components, *opened)):
            words += [":"] if index else []
            words += [*component.words, *(added[index] if index < len(added) else ()), *component.tail]
        return (*words, *(("--",) if self.ended else ()), *self.script)


def _silent(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without what would be counted twice."""
    return tuple(word for word in words if word not in ("-v", "-vv", "-vvv", "--verbose"))


@dataclass
class Options:
    """The options at the beginning of some words. `end`: the index of the first word that is none of them.
    `unknown`: a long option that could not be read, which `end` then points at."""

    given: list[tuple[str, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    ours: dict[str, list[str]] = field(default_factory=dict)
    end: int = 0
    ended: bool = False
    unknown: str = ""
    colon: bool = False


def read_options(
    words: Sequence[str], start: int, command: str, offered: Mapping[str, Value], ours: bool = False
) -> Options:
    """As getopt_long reads them. `ours`: our options may stand among them. `colon`: one has ":" as its value, in
    a word of its own. Raises UsageError for ours alone."""
    long = {**offered, **_LONG[command]}
    found = Options(end=start)
    while found.end < len(words):
        word = words[found.end]
        following = words[found.end + 1 : found.end + 2]
        name, equals, value = word.partition("=")
        if ours and name in OURS:
            if not equals and not following:
                raise UsageError(f"{name} needs a value")
            found.ours.setdefault(name, []).append(value if equals else following[0])
            found.end += 1 if equals else 2
            continue
        if word == "--":
            found.ended = True
            found.end += 1
            break
        taken: Sequence[str] = ()
        if word.startswith("--"):
            option = _complete(name[2:], long, offered)
            if option is None:
                found.unknown = name[2:]
                break
            taken = following if long[option] is Value.REQUIRED and not equals else ()
            found.given.append((_ALIASES.get(option, option), value if equals else "".join(taken)))
        elif word.startswith("-") and word != "-":
            flags, option, value = _cluster(word[1:], command)
            found.given += [(flag, "") for flag in flags]
            if option:
                taken = following if long[option] is Value.REQUIRED and not value else ()
                found.given.append((option, value or "".join(taken)))
        else:
            break
        found.colon = found.colon or ":" in taken
        found.words += [word, *taken]
        found.end += 1 + len(taken)
    return found


def scan(arguments: Sequence[str], offered: Mapping[str, Value], command: str = "sbatch") -> CommandLine | Unknown:
    """`offered`: the long options that this command's help lists, where they are known. Raises UsageError for
    ours alone."""
    words = list(arguments)
    components: list[Component] = []
    start = 0
    while True:
        read = read_options(words, start, command, offered, ours=True)
        ours = {name: tuple(values) for name, values in read.ours.items()}
        rest = words[read.end :]
        # sbatch looks for its script as if no ":" were there, and so finds another one than it submits.
        if read.unknown or (command == "sbatch" and read.colon) or (read.ended and rest[:1] == [":"]):
            before = CommandLine(command, (*components, Component(tuple(read.words)))).arguments()
            dashes = ["--"] if read.ended else []
            return Unknown(read.unknown or ":", (*before, *dashes, *rest))
        tail: list[str] = []
        if command == "srun" and ":" in rest:
            # Each component may have a command of its own.
            tail = (["--"] if read.ended else []) + rest[: rest.index(":")]
        elif rest[:1] != [":"]:
            components.append(Component(tuple(read.words), tuple(read.given), ours))
            break
        components.append(Component(tuple(read.words), tuple(read.given), ours, tuple(tail)))
        start = read.end + rest.index(":") + 1
    information = any(name in _INFORMATION for component in components for name, _ in component.given)
    return CommandLine(command, tuple(components), tuple(rest), read.ended, information, offered)


def _cluster(letters: str, command: str) -> tuple[list[str], str, str]:
    """Short options in one word: those without a value, one that takes one, and what stands there of it."""
    flags: list[str] = []
    for index, letter in enumerate(letters):
        name = _LETTERS[command].get(letter)
        if name is None:
            continue
        if _LONG[command][name] is not Value.NONE:
            return flags, name, letters[index + 1 :]
        flags.append(name)
    return flags, "", ""


def of_slurm(option: str, command: str) -> bool:
    """Whether Slurm itself has the option, in some release; else a plugin has."""
    return option in _LONG[command]


def options_in_help(text: str) -> dict[str, Value]:
    """The long options that a command's --help lists, and whether they take a value."""
    found = {}
    for line in text.splitlines():
        match = _HELP_LINE.match(line)
        if match:
            values = {None: Value.NONE, "=": Value.REQUIRED, "[=": Value.OPTIONAL}
            found[match.group(1)] = values[match.group(2)]
    return found


def _complete(name: str, long: Mapping[str, Value], offered: Mapping[str, Value]) -> str | None:
    """The option that a full or abbreviated name stands for, None where it is unknown or ambiguous. Of several
    candidates one may be the only one that this command offers: the tables span its releases."""
    if name in long:
        return name
    candidates = [option for option in long if option.startswith(name)]
    if len({_ALIASES.get(option, option) for option in candidates}) > 1:
        candidates = [option for option in candidates if option in offered]
    return candidates[0] if len({_ALIASES.get(option, option) for option in candidates}) == 1 else None
