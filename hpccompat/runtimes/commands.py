"""The images that a job's commands name: a guess, from the words of its script (pure).

Sources: the runtimes' own documentation and code; their options are in `flags.py`, how they write names in `names.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hpccompat.runtimes import flags
from hpccompat.runtimes.flags import Flags, Read, read_flags
from hpccompat.runtimes.mentions import mentions
from hpccompat.runtimes.names import Named, parse_name
from hpccompat.runtimes.plugin_options import images_of_options
from hpccompat.runtimes.shell import ShellCommand, commands

GUESS_LIMIT = 1000
_WORDS = 4096  # of one command
_PREFIXES = 16  # in front of one command
_DEPTH = 3  # of commands in each other, such as the text of `bash -c`

# Where a job begins, unless it has --chdir.
_STAYS = ((".",), ("$SLURM_SUBMIT_DIR",), ("${SLURM_SUBMIT_DIR}",))
_FILES = (".sif", ".sqsh", ".img")
_SCHEMES = (
    "docker://", "oras://", "library://", "shub://", "instance://", "dockerd://", "podman://", "docker-daemon:",
    "docker-archive:", "oci-archive:", "oci:",
)  # fmt: skip


@dataclass(frozen=True)
class Guess:
    """`line`: of the script, from 1. `command`: what names the image, such as `apptainer exec`."""

    line: int
    command: str
    image: Named


@dataclass(frozen=True)
class RuntimeCommand:
    """`programs`: names of the command. `subcommands`: of which one follows, each with the words that it has; `()` for
    none. `before`: the options in front of it. `runtime`: how the image is written (`names.WRITTEN`), or a rule of
    `_OWN`. `option`: the image is the value of this option, and not the first word behind all options."""

    programs: tuple[str, ...]
    subcommands: tuple[tuple[str, ...], ...]
    before: Flags
    flags: Flags
    runtime: str
    option: str = ""


_ACTIONS = (("exec",), ("run",), ("shell",), ("test",), ("instance", "start"), ("instance", "run"))
_RUN = (("run",), ("create",), ("container", "run"), ("container", "create"))
_HPC_RUN = (*_RUN, ("shared-run",))
RUNTIME_COMMANDS = (
    RuntimeCommand(("apptainer", "singularity"), _ACTIONS, flags.APPTAINER_GLOBAL, flags.APPTAINER, "apptainer"),
    RuntimeCommand(("docker",), _RUN, flags.DOCKER_GLOBAL, flags.DOCKER, "docker"),
    RuntimeCommand(("podman",), _RUN, flags.PODMAN_GLOBAL, flags.PODMAN, "podman"),
    RuntimeCommand(("podman-hpc",), _HPC_RUN, flags.PODMAN_GLOBAL, flags.PODMAN_HPC, "podman"),
    RuntimeCommand(("enroot",), (("import",),), flags.ENROOT_GLOBAL, flags.ENROOT_IMPORT, "enroot"),
    RuntimeCommand(("enroot",), (("create",),), flags.ENROOT_GLOBAL, flags.ENROOT_CREATE, "file"),
    RuntimeCommand(("enroot",), (("start",),), flags.ENROOT_GLOBAL, flags.ENROOT_START, "enroot container"),
    RuntimeCommand(("sarus",), (("run",),), flags.SARUS_GLOBAL, flags.SARUS, "sarus"),
    RuntimeCommand(("ch-run",), ((),), flags.NONE, flags.CH_RUN, "charliecloud"),
    RuntimeCommand(("shifter",), ((),), flags.NONE, flags.SHIFTER, "shifter", option="image"),
    RuntimeCommand(("spack",), (("load",),), flags.SPACK_GLOBAL, flags.SPACK_LOAD, "spack"),
    RuntimeCommand(("spack",), (("env", "activate"),), flags.SPACK_GLOBAL, flags.SPACK_ACTIVATE, "spack environment"),
)


@dataclass(frozen=True)
class Prefix:
    """What starts another command. `own`: words of its own in front of it. `variables`: assignments may stand there,
    too. `parts`: a `:` begins another command with options of its own. `plugins`: its options may name an image."""

    programs: tuple[str, ...]
    flags: Flags
    own: int = 0
    variables: bool = False
    parts: bool = False
    plugins: bool = False


PREFIXES = (
    Prefix(("srun",), flags.SRUN, parts=True, plugins=True),
    Prefix(("mpirun", "mpiexec", "orterun", "prun", "prterun", "mpiexec.hydra"), flags.MPIRUN, parts=True),
    Prefix(("env",), flags.ENV, variables=True),
    Prefix(("sudo",), flags.SUDO, variables=True),
    Prefix(("time",), flags.TIME),
    Prefix(("timeout",), flags.TIMEOUT, own=1),
    Prefix(("nice",), flags.NICE),
    Prefix(("numactl",), flags.NUMACTL),
    Prefix(("stdbuf",), flags.STDBUF),
    Prefix(("taskset",), flags.TASKSET, own=1),
    Prefix(("chrt",), flags.CHRT, own=1),
    Prefix(("ionice",), flags.IONICE),
    Prefix(("setsid",), flags.SETSID),
    Prefix(("exec",), flags.EXEC),
    Prefix(("nohup", "command", "builtin", "eval"), flags.NONE),
)
SHELLS = ("sh", "bash", "dash", "ksh", "zsh")

_RUNTIMES = {program: [row for row in RUNTIME_COMMANDS if program in row.programs]
             for row in RUNTIME_COMMANDS for program in row.programs}  # fmt: skip
_STARTERS = {program: row for row in PREFIXES for program in row.programs}
PROGRAMS = tuple(_RUNTIMES)


def guess_images(script: str) -> tuple[Guess, ...]:
    """The images that the commands of a job script name, in their order; those of shells only."""
    if not mentions(script):
        return ()
    found: list[Guess] = []
    for command, images in _images_of_all(commands(script), 0):
        found += [Guess(command.line, by, image) for by, image in images]
        if len(found) >= GUESS_LIMIT:
            break
    return tuple(found[:GUESS_LIMIT])


def guess_words(words: Sequence[str]) -> tuple[Guess, ...]:
    """The images that one command names; their line is 0."""
    return tuple(Guess(0, by, image) for by, image in _images(words, 0))


def guess_command(words: Sequence[str]) -> tuple[Named, ...]:
    return tuple(each.image for each in guess_words(words))


def _images_of_all(
    script: Iterable[ShellCommand], depth: int
) -> Iterator[tuple[ShellCommand, list[tuple[str, Named]]]]:
    """Those of each command. Where the script goes to another folder, a relative path is not known any more."""
    moved = False
    for command in script:
        moved = moved or (command.words[0] in ("cd", "pushd") and command.words[1:] not in _STAYS)
        images = _images(command.words, depth)
        yield command, [(by, _elsewhere(image) if moved else image) for by, image in images]


def _elsewhere(image: Named) -> Named:
    kind, _, path = image.name.partition(":")
    archive = kind in ("oci", "oci-archive", "docker-archive") and not path.startswith("/")
    if archive or image.name.startswith(("./", "../")):
        return Named(unknown=f"{image.name!r} is in the folder that the script has gone to (cd)")
    return image


def _images(words: Sequence[str], depth: int) -> list[tuple[str, Named]]:
    """The images of a command, and what names each."""
    found: list[tuple[str, Named]] = []
    words = tuple(words[:_WORDS])
    for _ in range(_PREFIXES):
        if not words:
            return found
        program = words[0].rpartition("/")[2]
        if "$" in words[0]:
            words = _from_runtime(words[1:])
        elif program in _RUNTIMES:
            return [*found, *_of_runtime(program, words[1:])]
        elif program in SHELLS and depth < _DEPTH:
            return [*found, *_of_shell(words[1:], depth)]
        elif program in _STARTERS:
            row = _STARTERS[program]
            if row.parts and ":" in words and depth < _DEPTH:
                for part in _split(words[1:]):
                    found += _images((program, *part), depth + 1)
                return found
            images, words = _started(row, program, words[1:])
            found += images
        else:
            return found
    return found


def _split(words: Sequence[str]) -> list[tuple[str, ...]]:
    """At each word that is a colon."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == ":":
            parts.append([])
        else:
            parts[-1].append(word)
    return [tuple(part) for part in parts]


def _started(row: Prefix, program: str, words: Sequence[str]) -> tuple[list[tuple[str, Named]], tuple[str, ...]]:
    """The images that the options of a prefix name; and the command behind them."""
    read = read_flags(words, row.flags)
    images = []
    if row.plugins:
        given = {name: value for name, value in read.given if not _pattern(value)}
        images = [(f"{program} {each.origin}", each.image) for each in images_of_options(given, {})]
    rest = read.rest
    if read.unknown or (rest and rest[0].startswith("$")):
        return images, _from_runtime(rest)
    while row.variables and rest and "=" in rest[0]:
        rest = rest[1:]
    return images, rest[row.own :]


def _from_runtime(words: Sequence[str]) -> tuple[str, ...]:
    """Behind words that are not understood: from the first on that is the name of a runtime."""
    for index, word in enumerate(words):
        if word.rpartition("/")[2] in _RUNTIMES:
            return tuple(words[index:])
    return ()


def _of_shell(words: Sequence[str], depth: int) -> list[tuple[str, Named]]:
    """`sh -c TEXT`."""
    read = read_flags(words, flags.SHELL)
    if not read.has("c") or not read.rest or read.unknown:
        return []
    return [image for _, images in _images_of_all(commands(read.rest[0]), depth + 1) for image in images]


def _of_runtime(program: str, words: Sequence[str]) -> list[tuple[str, Named]]:
    rows = _RUNTIMES[program]
    for row in rows:
        for subcommand in row.subcommands:
            before = read_flags(words, row.before) if subcommand else Read((), tuple(words))
            if not before.unknown and before.rest[: len(subcommand)] == subcommand:
                read = read_flags(before.rest[len(subcommand) :], row.flags)
                return [(" ".join((program, *subcommand)), each) for each in _named(row, program, read)]
    return []


def _named(row: RuntimeCommand, program: str, read: Read) -> tuple[Named, ...]:
    if row.option:
        letter = row.option[0]
        values = [value for name, value in read.given if name in (row.option, letter)]
        return _parse(row.runtime, values[-1]) if values else ()
    if read.unknown:
        for word in read.rest:
            if word.endswith(_FILES) or word.startswith(_SCHEMES):
                return _parse(row.runtime, word)
        if row.runtime.startswith("spack"):
            return ()
        return (
            Named(unknown=f"{program} has an option {read.unknown} that we don't know, and the image is behind it"),
        )
    if row.runtime == "spack environment":
        folders = [value for name, value in read.given if name in ("d", "dir")]
        return tuple(map(_spack_environment, folders[-1:] or read.rest[:1]))
    if not read.rest or read.has("help") or read.has("list"):
        return ()
    if row.runtime == "spack":
        return _spack(read.rest)
    return _parse("file" if read.has("rootfs") else row.runtime, read.rest[0])


def _parse(runtime: str, word: str) -> tuple[Named, ...]:
    if _pattern(word):
        return (Named(unknown=f"{word!r} is a pattern, and what fits it is not known before the job runs"),)
    own = _OWN.get(runtime)
    if own is None or not word.strip() or "$" in word or "`" in word:
        return parse_name(runtime if own is None else "docker", word)
    return own(word)


def _pattern(word: str) -> bool:
    """Names of images hold none of the signs that a shell replaces."""
    return "$" not in word and any(sign in word for sign in "*?[{")


def _enroot_container(word: str) -> tuple[Named, ...]:
    if "/" in word or word.endswith((".sqsh", ".squashfs")):
        return parse_name("file", word)
    return (Named(unknown=f"{word!r} is a container of enroot's own store"),)


def _sarus(word: str) -> tuple[Named, ...]:
    if word.startswith("load/"):
        return (Named(unknown=f"{word!r} was loaded into sarus' own store"),)
    return parse_name("docker", word)


def _charliecloud(word: str) -> tuple[Named, ...]:
    """A folder, a SquashFS file, or a name of ch-image's store: only what can't be a path is taken for a name."""
    if word.startswith(("/", "./", "../")) or word.endswith((".sqfs", ".sqsh", ".squashfs", "/")):
        return parse_name("file", word)
    if ":" in word or "." in word.partition("/")[0]:
        return parse_name("docker", word)
    return (Named(unknown=f"{word!r} is a folder, or an image of ch-image's store"),)


def _spack(words: Sequence[str]) -> tuple[Named, ...]:
    """`spack load SPEC…`: a spec may have several words (Spack, "Specs and dependencies"); a name or a hash begins the
    next one."""
    specs: list[list[str]] = []
    for word in words:
        if word.startswith("-"):
            continue
        if specs and ("=" in word or word[:1] in "@%+~^"):
            specs[-1].append(word)
        else:
            specs.append([word])
    unknown = "holds a variable that is not known before the job runs"
    return tuple(
        Named(unknown=f"{' '.join(each)!r} {unknown}") if any("$" in word for word in each)
        else Named(" ".join(each), kind="spack")
        for each in specs
    )  # fmt: skip


def _spack_environment(word: str) -> Named:
    """A folder with a `spack.lock`; where Spack keeps environments that have a name, it alone knows."""
    if "$" in word:
        return Named(unknown=f"{word!r} holds a variable that is not known before the job runs")
    if word.startswith(("/", "./", "../")):
        return Named(f"{word.rstrip('/')}/spack.lock", kind="spack")
    return Named(
        unknown=f"where Spack keeps the environment {word!r} is not known; name its spack.lock (#COMPAT spack=)"
    )


_OWN = {"enroot container": _enroot_container, "sarus": _sarus, "charliecloud": _charliecloud}
