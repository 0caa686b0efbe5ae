"""What a job script says of itself: #SBATCH lines, our #COMPAT lines, and those of other batch systems (pure).

sbatch reads lines that begin with #SBATCH, up to the first that is neither blank nor a comment. All words of a
section are one command line; a line `#SBATCH hetjob` begins the section of the next component.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_SPACE = " \t\n\v\f\r"
_MAGIC = ("#SBATCH", "#SLURM")
_SEPARATOR = re.compile(rf"(?:hetjob|packjob)(?=[{_SPACE}]|$)", re.IGNORECASE)
_ALMOST = re.compile(r"\s*#+\s*COMPAT\b", re.IGNORECASE)
_COMPAT = re.compile(r"#COMPAT\s+(image|spec|spack|tag)\s*=\s*(.*)")
_FOREIGN = ("#BSUB", "#PBS")
# Lines that don't begin with # before sbatch looks no further for #PBS and #BSUB.
_OTHER_LINES = 100


@dataclass(frozen=True)
class Section:
    """Of one component. `words`: of its #SBATCH lines. `compat`: #COMPAT key -> values in their order."""

    words: tuple[str, ...] = ()
    compat: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Directives:
    """`unread`: lines that look like #COMPAT, and can't be read. `dialect`: "#PBS" or "#BSUB", whichever sbatch
    would translate, and `foreign` the words of its lines. `broken`: sbatch will reject the script."""

    sections: tuple[Section, ...]
    unread: tuple[str, ...] = ()
    dialect: str = ""
    foreign: tuple[str, ...] = ()
    broken: bool = False


@dataclass(frozen=True)
class CompatLines:
    """`values`: key -> values in their order. `unread`: lines that look like ours, and can't be read."""

    values: Mapping[str, tuple[str, ...]]
    unread: tuple[str, ...] = ()


def compat_lines(script: str) -> CompatLines:
    """The `#COMPAT key=value` lines of a job script, of all its components."""
    directives = read_directives(script)
    found: dict[str, tuple[str, ...]] = {}
    for section in directives.sections:
        for key, values in section.compat.items():
            found[key] = found.get(key, ()) + values
    return CompatLines(found, directives.unread)


def read_directives(script: str) -> Directives:
    """Never raises: what sbatch would reject is `broken`, and may be read otherwise than sbatch begins to."""
    words: list[list[str]] = [[]]
    compat: list[dict[str, tuple[str, ...]]] = [{}]
    unread = []
    broken = False
    for line in script.split("\n"):
        text = line.strip(_SPACE)
        if text and not text.startswith("#"):
            break
        rest = next((line[len(magic) :].lstrip(_SPACE) for magic in _MAGIC if line.startswith(magic)), None)
        match = _COMPAT.fullmatch(line.rstrip())
        if rest is not None and _SEPARATOR.match(rest):
            words.append([])
            compat.append({})
        elif rest is not None:
            try:
                words[-1] += _words(rest)
            except ValueError:
                broken = True
        elif match:
            key, value = match.groups()
            compat[-1][key] = (*compat[-1].get(key, ()), value.strip().strip("\"'"))
        elif _ALMOST.match(line):
            unread.append(line.strip())
    sections = tuple(Section(tuple(each), values) for each, values in zip(words, compat, strict=True))
    for dialect in _FOREIGN:
        try:
            found = _foreign(script, dialect)
        except ValueError:
            found, broken = [], True
        if found is not None:
            return Directives(sections, tuple(unread), dialect, tuple(found), broken)
    return Directives(sections, tuple(unread), broken=broken)


def _foreign(script: str, magic: str) -> list[str] | None:
    """The words of the lines of another batch system, None without such lines. They may stand further down than
    #SBATCH lines."""
    found: list[str] | None = None
    others = 0
    for line in script.split("\n"):
        if line.startswith(magic):
            found = [*(found or ()), *_words(line[len(magic) :])]
        elif not line.startswith("#"):
            others += 1
            if others > _OTHER_LINES:
                break
    return found


def _words(text: str) -> Iterator[str]:
    """As sbatch takes a line apart: quotes of both kinds, a backslash before any sign, also in quotes, but not
    before a blank outside of them, and # for a comment. An empty word ends the line. Raises ValueError for a
    line that sbatch rejects."""
    position = 0
    while True:
        while position < len(text) and text[position] in _SPACE:
            position += 1
        if position == len(text) or text[position] == "#" or _SEPARATOR.match(text, position):
            return
        if text[position] == ":":
            raise ValueError("a colon begins a word")
        word = ""
        quote = ""
        escaped = False
        while position < len(text) and (quote or text[position] not in _SPACE):
            sign = text[position]
            if escaped:
                word, escaped = word + sign, False
            elif sign == "\\":
                escaped = True
            elif quote and sign == quote:
                quote = ""
            elif not quote and sign in "\"'":
                quote = sign
            elif not quote and sign == "#":
                break
            else:
                word += sign
            position += 1
        if quote:
            raise ValueError("a quote is not closed")
        if not word:
            return
        yield word
