"""#PBS and #BSUB lines, as far as sbatch translates them into something that we read (pure).

Only short options are read, and what they mean to sbatch, not to PBS or LSF; the rest leaves a doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpccompat.nodes.hostlist import fold

_PBS = "a:A:c:C:e:hIj:J:k:l:m:M:N:o:p:q:r:S:t:u:v:VW:z"
_BSUB = "c:e:J:m:M:n:o:q:W:x"


@dataclass(frozen=True)
class Translation:
    """`given`: Slurm's long names and values, in their order. `doubt`: what could not be translated."""

    given: tuple[tuple[str, str], ...] = ()
    doubt: str = ""


def translate(dialect: str, words: Sequence[str]) -> Translation:
    """The words of all lines of a dialect ("#PBS" or "#BSUB") as options of sbatch."""
    try:
        if dialect == "#BSUB":
            return _bsub(["-c" if word == "-cwd" else word for word in words])
        return _pbs(words)
    except ValueError as error:
        return Translation(doubt=f"{dialect} lines can't be read: {error}")


def _options(words: Sequence[str], letters: str) -> list[tuple[str, str]]:
    if any(word.startswith("--") for word in words):
        raise ValueError("they have long options")
    import getopt  # hardly a script has such lines

    try:
        found, rest = getopt.getopt(list(words), letters)
    except getopt.GetoptError as error:
        raise ValueError(str(error)) from error
    if rest:
        raise ValueError(f"{rest[0]!r} is no option")
    return found


def _pbs(words: Sequence[str]) -> Translation:
    given: list[tuple[str, str]] = []
    doubts = []
    for option, value in _options(words, _PBS):
        if option == "-q":
            given.append(("partition", value))
        elif option in ("-J", "-t"):
            given.append(("array", value))
        elif option == "-l":
            # sbatch looks for its keywords anywhere; we only where PBS has them.
            for resource in value.split(","):
                key, _, amount = resource.partition("=")
                if key == "nodes":
                    given += _pbs_nodes(amount)
                elif key == "select" and amount.isdecimal() and "," not in value:
                    given.append(("nodes", amount))
                elif any(each in resource for each in ("nodes=", "select=", "proc=", "ncpus=", "mppnodes=")):
                    doubts.append(f"#PBS -l {resource} is not read")
    return Translation(tuple(given), "; ".join(doubts))


def _pbs_nodes(text: str) -> list[tuple[str, str]]:
    """`2:ppn=4`, `n1+n2:ppn=1`: numbers are added up, names are hosts, and so are properties."""
    parts = [part for part in text.replace("+", ":").split(":") if part]
    count = sum(int(part) for part in parts if part.isdecimal())
    tasks = sum(int(part[4:]) for part in parts if part.startswith("ppn="))
    hosts = [part for part in parts if part[:1].isalpha() and not part.startswith("ppn=")]
    if len(parts) != len(hosts) + sum(part.isdecimal() or part.startswith("ppn=") for part in parts):
        raise ValueError(f"{text!r} is no list of nodes")
    given = [("nodes", str(count))] if count else []
    given += [("ntasks", str(tasks * (count or 1)))] if tasks else []
    return given + ([("nodelist", fold(hosts))] if hosts else [])


def _bsub(words: Sequence[str]) -> Translation:
    given = []
    for option, value in _options(words, _BSUB):
        if option == "-q":
            given.append(("partition", value))
        elif option == "-m":
            given.append(("nodelist", value.replace(" ", ",")))
        elif option == "-c":
            given.append(("chdir", value))
        elif option == "-n":
            given.append(("ntasks", value.rpartition(",")[2]))
    return Translation(tuple(given))
