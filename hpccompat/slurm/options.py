"""How sbatch reads its command line: where the options end, and which of them are ours (pure).

Slurm's getopt_long stops at the first word that is not an option, and takes unambiguous abbreviations of
long options. The tables are sbatch(1)'s, of 22.05 to 26.05; an option in none of them belongs to a
plugin or a newer release, and sbatch's own --help says whether it takes a value.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpccompat.errors import UsageError


class Value(enum.Enum):
    NONE = "none"
    REQUIRED = "required"
    OPTIONAL = "optional"


_SHORT = {
    **dict.fromkeys("?HOQVWhsv", Value.NONE),
    **dict.fromkeys("ABCDFGJLMNSabcdeimnopqtwx", Value.REQUIRED),
    "k": Value.OPTIONAL,
}
_LONG_NONE = """
    consolidate-segments contiguous external help hold ignore-pbs no-requeue overcommit oversubscribe parsable
    quiet reboot share spread-job spread-segments stepmgr test-only usage use-min-nodes verbose version wait
"""
_LONG_OPTIONAL = "exclusive get-user-env nice no-kill oom-kill-step propagate requeue resv-ports"
_LONG_REQUIRED = """
    account acctg-freq array batch bb bbf begin chdir cluster-constraint clusters comment constraint container
    container-id core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency
    distribution error exclude export export-file extra extra-node-info gid gpu-bind gpu-freq gpus gpus-per-node
    gpus-per-socket gpus-per-task gres gres-flags hint input job-name kill-on-invalid-dep licenses mail-type
    mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus network nodefile nodelist nodes ntasks
    ntasks-per-core ntasks-per-gpu ntasks-per-node ntasks-per-socket open-mode output partition power prefer
    priority profile qos reservation segment signal sockets-per-node switches thread-spec threads-per-core time
    time-min tmp tres-bind tres-per-task uid wait-all-nodes wckey wrap
"""
_LONG = {
    **dict.fromkeys(_LONG_NONE.split(), Value.NONE),
    **dict.fromkeys(_LONG_OPTIONAL.split(), Value.OPTIONAL),
    **dict.fromkeys(_LONG_REQUIRED.split(), Value.REQUIRED),
}
OURS = ("--compat", "--compat-image", "--compat-spec", "--compat-tag")
_INFORMATION = {"help", "usage", "version", "?", "h", "V"}
_HELP_LINE = re.compile(r"^\s*(?:-\w,?\s*)?--([A-Za-z0-9][^\s=\[]*)(\[?=)?")


@dataclass(frozen=True)
class Unknown:
    """A long option that is in no table; `words` are the arguments without those of ours before it."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class CommandLine:
    """`options`: Slurm's own, of the first component if there are several. `ours`: name -> values in their
    order. `loud`: the options without -Q and --quiet, which can't stand together with -v. `script`: the
    script and its arguments; with `wrap`, or from standard input, there is none. `ended`: a `--` stands
    before it. `chdir`: the last --chdir."""

    options: tuple[str, ...]
    ours: Mapping[str, tuple[str, ...]]
    script: tuple[str, ...] = ()
    loud: tuple[str, ...] = ()
    ended: bool = False
    chdir: str = ""
    wrap: bool = False
    information: bool = False
    components: int = 1

    @property
    def tail(self) -> tuple[str, ...]:
        """What follows the options."""
        return ("--", *self.script) if self.ended else self.script

    @property
    def quiet(self) -> bool:
        return self.loud != self.options

    def our(self, name: str) -> str | None:
        """The last value of one of our options."""
        return self.ours[name][-1] if name in self.ours else None


def scan(arguments: Sequence[str], offered: Mapping[str, Value]) -> CommandLine | Unknown:
    """`offered`: the long options that this sbatch's help lists, where they are known. Raises UsageError for
    ours alone."""
    long = {**offered, **_LONG}
    options: list[str] = []
    loud: list[str] = []
    ours: dict[str, list[str]] = {}
    seen: set[str] = set()
    ended = False
    chdir = ""
    components = 1
    words = list(arguments)
    position = 0
    while position < len(words):
        word = words[position]
        following = words[position + 1 : position + 2]
        name, equals, value = word.partition("=")
        taken: list[str] = []
        if word == ":" and options:
            # The next component of a heterogeneous job; what it asks for is Slurm's to say.
            components += 1
            audible = word
        elif name in OURS:
            if not equals and not following:
                raise UsageError(f"{name} needs a value")
            ours.setdefault(name, []).append(value if equals else following[0])
            position += 1 if equals else 2
            continue
        elif word == "--":
            position += 1
            ended = True
            break
        elif word.startswith("--"):
            option = _complete(name[2:], long, offered)
            if option is None:
                return Unknown(name[2:], (*options, *words[position:]))
            seen.add(option)
            taken = following if long[option] is Value.REQUIRED and not equals else []
            if option == "chdir":
                chdir = value if equals else "".join(taken)
            audible = "" if option == "quiet" else word
        elif word.startswith("-") and word != "-":
            flags, rest = _cluster(word[1:])
            seen.update(flags + rest[:1])
            taken = following if len(rest) == 1 and _SHORT[rest] is Value.REQUIRED else []
            if rest.startswith("D"):
                chdir = rest[1:] or "".join(taken)
            kept = flags.replace("Q", "") + rest
            audible = f"-{kept}" if kept else ""
        else:
            break
        # sbatch looks for the separator before it looks at options, and so finds it in their values too.
        components += taken.count(":")
        options += [word, *taken]
        loud += [*([audible] if audible else []), *taken]
        position += 1 + len(taken)
    return CommandLine(
        tuple(options),
        {name: tuple(values) for name, values in ours.items()},
        tuple(words[position:]),
        tuple(loud),
        ended,
        chdir,
        wrap="wrap" in seen,
        information=bool(seen & _INFORMATION),
        components=components,
    )


def _cluster(letters: str) -> tuple[str, str]:
    """Short options in one word: those without a value, and the rest, which begins with one that takes it."""
    for index, letter in enumerate(letters):
        if _SHORT.get(letter, Value.NONE) is not Value.NONE:
            return letters[:index], letters[index:]
    return letters, ""


def options_in_help(text: str) -> dict[str, Value]:
    """The long options that `sbatch --help` lists, and whether they take a value."""
    found = {}
    for line in text.splitlines():
        match = _HELP_LINE.match(line)
        if match:
            values = {None: Value.NONE, "=": Value.REQUIRED, "[=": Value.OPTIONAL}
            found[match.group(1)] = values[match.group(2)]
    return found


def _complete(name: str, long: Mapping[str, Value], offered: Mapping[str, Value]) -> str | None:
    """The option that a full or abbreviated name stands for, None where it is unknown or ambiguous. Of several
    candidates one may be the only one that this sbatch offers: the tables span its releases."""
    if name in long:
        return name
    candidates = [option for option in long if option.startswith(name)]
    if len(candidates) > 1:
        candidates = [option for option in candidates if option in offered]
    return candidates[0] if len(candidates) == 1 else None
