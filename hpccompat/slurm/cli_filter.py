"""What the cli_filter plugin and `hpccompat hook cli-filter` tell each other (pure).

Both ways it is a list of fields, each a line `NAME SIZE`, then SIZE bytes and a line break: nothing in a value can be
taken for anything else. Slurm has merged the request already; the plugin sees one component at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hpccompat.errors import UsageError
from hpccompat.slurm.directives import read_directives
from hpccompat.slurm.options import CommandLine, scan
from hpccompat.slurm.request import JobRequest, job_request

VERSION = "1"
# The first field of a kept answer.
KEPT = "hpccompat-kept-plan-1"
# What Slurm prints for an option that is not there.
_NONE = ("unset", "invalid-context", "(null)")


@dataclass(frozen=True)
class Asked:
    """`command`: sbatch, srun or salloc. `offset`: the component's number. `unread`: lines of the script that look like
    #COMPAT, and can't be read. `script`: its text, or that of --wrap, and `script_name`; `words`: what srun or salloc
    runs; both only where they are surely this component's."""

    command: str
    offset: int
    request: JobRequest
    quiet: bool = False
    unread: tuple[str, ...] = ()
    script: str = ""
    script_name: str = ""
    words: tuple[str, ...] = ()


def decode_fields(data: bytes) -> list[tuple[str, str]]:
    """Raises UsageError for anything else."""
    found = []
    position = 0
    while position < len(data):
        end = data.find(b"\n", position)
        name, _, size = data[position:end].partition(b" ")
        if end < 0 or not size.isdigit() or len(size) > 9:
            raise UsageError("the plugin's question can't be read: no field begins where one should")
        position = end + 1 + int(size)
        if data[position : position + 1] != b"\n":
            raise UsageError(f"the plugin's question can't be read: {name!r} has another size")
        value = data[end + 1 : position]
        found.append((name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")))
        position += 1
    return found


def encode_fields(fields: Iterable[tuple[str, str]]) -> bytes:
    encoded = b""
    for name, value in fields:
        text = value.encode("utf-8", "surrogateescape")
        encoded += f"{name} {len(text)}\n".encode() + text + b"\n"
    return encoded


def read_question(data: bytes) -> Asked:
    """Raises UsageError."""
    fields = dict(decode_fields(data))
    if fields.get("version") != VERSION:
        raise UsageError("the cli_filter plugin is of another version; install the one of this hpccompat")
    values = {name: "" if value in _NONE else value for name, value in fields.items()}
    get = values.get
    command, offset = get("type", ""), get("offset", "")
    if command not in ("sbatch", "srun", "salloc") or not offset.isdecimal():
        raise UsageError(f"the plugin asks for component {offset!r} of {command!r}")
    script = get("script", "") if command == "sbatch" else ""
    directives = read_directives(script)
    sections = directives.sections
    number = int(offset)
    # Slurm says `1-0` where no number of nodes is asked for, and 1 where none of tasks is.
    for name, nothing in (("nodes", get("nodes", "").endswith("-0")), ("ntasks", get("ntasks") == "1")):
        if nothing:
            values[name] = ""
    plugins = {name.removeprefix("spank/"): value for name, value in values.items() if name.startswith("spank/")}
    request = job_request(values, sections[number].compat if number < len(sections) else {}, plugins)
    alone = number == 0 and len(sections) == 1
    wrapped = get("wrap", "") if command == "sbatch" else ""
    return Asked(
        command,
        number,
        request,
        "quiet" in fields,
        directives.unread,
        script=(wrapped or script) if alone else "",
        script_name="--wrap" if wrapped else get("script-name", "").rpartition("/")[2],
        words=_words(fields, command),
    )


def _words(fields: Mapping[str, str], command: str) -> tuple[str, ...]:
    """What the component runs: as Slurm has it of srun, or out of salloc's own command line, where that has one
    component and no option that is in no table of ours."""
    if command == "srun":
        return tuple(value for name, value in fields.items() if name.startswith("argv/"))
    if command != "salloc":
        return ()
    words = tuple(value for name, value in fields.items() if name.startswith("argv/"))
    given = tuple(value for name, value in fields.items() if name.startswith("command-line/"))
    line = scan(given[1:], {}, command)
    return words or (line.script if isinstance(line, CommandLine) and len(line.components) == 1 else ())
