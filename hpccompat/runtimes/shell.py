"""The simple commands of a job script, as sh and bash would take it apart (pure).

Words come out as far as they can be known before the job runs: a variable counts where the script gives it a plain text
exactly once, before its use, on no condition and in no loop. What else holds a `$` or a backtick keeps it. Bodies of
here-documents are skipped; bodies of functions, and what stands in `$(…)`, are commands like others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpccompat.runtimes.shell_reader import ASSIGNMENT, NAME, Part, Raw, Reader

SIZE_LIMIT = 1024 * 1024
_VALUE_LIMIT = 1024  # characters of a variable
_EXPANSION_LIMIT = 1024 * 1024  # characters that variables add to the whole script

_SHELLS = {"sh", "bash", "dash", "ash", "ksh", "zsh"}
# Builtins whose words are assignments, and those that set the variables that they name.
_DECLARE = {"export", "readonly", "declare", "typeset", "local"}
_SET = {"read", "mapfile", "readarray", "getopts", "unset", "for", "select", "printf", "let"}


@dataclass(frozen=True)
class ShellCommand:
    """`line`: where it begins, from 1. `words`: without redirections, and without assignments before the command."""

    line: int
    words: tuple[str, ...]


def commands(script: str) -> tuple[ShellCommand, ...]:
    """In their order; none for a script of another interpreter."""
    if not of_shell(script):
        return ()
    return tuple(_resolve(Reader(script[:SIZE_LIMIT]).read()))


def of_shell(script: str) -> bool:
    """Whether a shell would run it: by its first line, where it has one that says so."""
    first = script[:1024].partition("\n")[0]
    if not first.startswith("#!"):
        return True
    words = [word.rpartition("/")[2] for word in first[2:].split()]
    if words[:1] == ["env"]:
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return bool(words) and words[0] in _SHELLS


def _resolve(found: Sequence[Raw]) -> list[ShellCommand]:
    """With the values of variables that are known."""
    times: dict[str, int] = {}
    for raw in found:
        for name in _names(raw):
            times[name] = times.get(name, 0) + 1
    known: dict[str, str] = {}
    budget = [_EXPANSION_LIMIT]
    resolved = []
    for raw in found:
        count = _assignments(raw.words)
        words = [text for word in raw.words[count:] for text in _fields(word, known, budget)]
        if not words or words[0] in _DECLARE:
            for word in raw.words if words else raw.words[:count]:
                name, value = _assigned(word, known, budget)
                if name and times.get(name) == 1 and not raw.conditional and value is not None:
                    known[name] = value
        if words:
            resolved.append(ShellCommand(raw.line, tuple(words)))
    return resolved


def _assignments(words: Sequence[Sequence[Part]]) -> int:
    """How many of the first words are assignments."""
    for index, word in enumerate(words):
        if word[0].quoted or not ASSIGNMENT.match(word[0].text):
            return index
    return len(words)


def _names(raw: Raw) -> list[str]:
    """The variables that a command of the shell's own sets."""
    count = _assignments(raw.words)
    first = raw.words[count][0].text if count < len(raw.words) else ""
    if not first:
        chosen = raw.words
    elif first in _DECLARE:
        chosen = raw.words[count:]
    elif first in _SET:
        return [word[0].text for word in raw.words[count + 1 :] if NAME.fullmatch(word[0].text)]
    else:
        return []
    matches = [ASSIGNMENT.match(word[0].text) for word in chosen if not word[0].quoted]
    return [match.group(1) for match in matches if match]


def _assigned(word: Sequence[Part], known: dict[str, str], budget: list[int]) -> tuple[str, str | None]:
    """The variable that a word assigns, and its value; None where it is not known."""
    match = None if word[0].quoted else ASSIGNMENT.match(word[0].text)
    if not match:
        return "", None
    if match.group(2) != "=":
        return match.group(1), None
    parts = [Part(word[0].text[match.end() :], False), *word[1:]]
    texts = []
    for part in parts:
        text = _value(part, known, budget) if part.name else part.text
        if text is None or (not part.quoted and not part.name and text.startswith("~")):
            return match.group(1), None
        texts.append(text)
    value = "".join(texts)
    return match.group(1), value if len(value) <= _VALUE_LIMIT and "$" not in value and "`" not in value else None


def _value(part: Part, known: dict[str, str], budget: list[int]) -> str | None:
    value = known.get(part.name)
    if value is None or len(value) > budget[0]:
        return None
    budget[0] -= len(value)
    return value


def _fields(word: Sequence[Part], known: dict[str, str], budget: list[int]) -> list[str]:
    """The words that one becomes: the value of a variable without quotes falls into words of its own."""
    fields: list[list[str]] = [[]]
    for index, part in enumerate(word):
        value = _value(part, known, budget) if part.name else None
        if value is None:
            text = part.text
            if index == 0 and not part.quoted and text.startswith("~"):
                text = "$HOME" + text[1:] if text[1:2] in ("", "/") else "$" + text
            fields[-1].append(text)
        elif part.quoted:
            fields[-1].append(value)
        else:
            pieces = value.split()
            if value[:1].isspace() and fields[-1]:
                fields.append([])
            for number, piece in enumerate(pieces):
                if number:
                    fields.append([])
                fields[-1].append(piece)
            if pieces and value[-1:].isspace():
                fields.append([])
    return ["".join(pieces) for pieces in fields if pieces]
