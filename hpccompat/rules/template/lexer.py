"""The text of a template to texts and actions, and an action to its tokens (text/template, "Text and spaces")."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hpccompat.rules.template.refused import UnsupportedTemplate

_SPACE = " \t\r\n"
# Comments end where their markers say; in an action a string may hold the closing braces.
_COMMENT = re.compile(r"\{\{(-[ \t\r\n])?/\*.*?\*/([ \t\r\n]-)?\}\}", re.DOTALL)
_ACTION = re.compile(
    r"""\{\{(-(?=[ \t\r\n]))?((?:"(?:[^"\\\n]|\\[^\n])*"|`[^`]*`|(?![ \t\r\n]-\}\})(?!\}\})[^"`])*)([ \t\r\n]-)?\}\}"""
)
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)|(?P<string>"(?:[^"\\\n]|\\[^\n])*"|`[^`]*`)|(?P<number>[+-]?[0-9]+(?![\w.]))"""
    r"""|(?P<field>(?:\$\w*)?(?:\.[^\W\d]\w*)+|\$\w*|\.(?!\w))|(?P<word>[^\W\d]\w*)|(?P<sign>:=|,|\(|\))""",
)


def split(text: str) -> Iterator[tuple[bool, str]]:
    """(is an action, its text) in order; the white space that trim markers take is gone."""
    position = 0
    trim = False
    while position < len(text):
        start = text.find("{{", position)
        plain = text[position : start if start >= 0 else len(text)]
        plain = plain.lstrip(_SPACE) if trim else plain
        if start < 0:
            yield from [(False, plain)] if plain else []
            return
        comment = _COMMENT.match(text, start)
        match = comment or _ACTION.match(text, start)
        if match is None:
            raise UnsupportedTemplate("an action that does not end")
        plain = plain.rstrip(_SPACE) if match.group(1) else plain
        yield from [(False, plain)] if plain else []
        if comment is None:
            yield True, match.group(2)
        trim = bool(match.groups()[-1])
        position = match.end()


def tokens(action: str) -> list[tuple[str, str]]:
    """(kind, text) of an action's tokens; white space is kept, as it parts operands."""
    found = []
    position = 0
    while position < len(action):
        match = _TOKEN.match(action, position)
        if match is None:
            raise UnsupportedTemplate(f"{action[position : position + 20]!r}")
        found.append((str(match.lastgroup), match.group()))
        position = match.end()
    return found
