"""The text of a template to tokens (text/template, "Text and spaces" and "Actions").

Token kinds: text, left and right (the delimiters), and inside actions space, number, complex, rune, string, raw, bool,
nil, dot, field, variable, name, one for each keyword, and the signs ( ) | , := = themselves. The last one is end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from hpccompat.rules.template.refused import TemplateSyntaxError

KEYWORDS = frozenset("block break continue define else end if nil range template with".split())
_SPACE = " \t\r\n"
_ASCII_WORD = re.compile(r"[A-Za-z0-9_]*")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?"
    r"|0[bB][01_]*(?:\.[01_]*)?|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
# First character -> kind, and what it looks like. None of them spans lines but the raw string.
_QUOTED = {
    '"': ("string", re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')),
    "'": ("rune", re.compile(r"'(?:[^'\\\n]|\\[^\n])*'")),
    "`": ("raw", re.compile(r"`[^`]*`")),
}
# Words of ASCII with what may follow one: most of all tokens.
_WORD = re.compile(
    r"(?:(?P<field>\.[A-Za-z_][A-Za-z0-9_]*)|(?P<variable>\$[A-Za-z0-9_]*)|(?P<name>[A-Za-z_][A-Za-z0-9_]*))"
    r"(?=[ \t\r\n.,|:)(]|\}\}|\Z)"
)


class Token(NamedTuple):
    kind: str
    text: str


def tokens(text: str) -> Iterator[Token]:
    """Raises TemplateSyntaxError where Go's lexer does."""
    position = 0
    trim = False
    while True:
        if trim:
            position += len(text) - position - len(text[position:].lstrip(_SPACE))
        start = text.find("{{", position)
        plain = text[position : start if start >= 0 else len(text)]
        marker = start >= 0 and text[start + 2 : start + 3] == "-" and text[start + 3 : start + 4] in tuple(_SPACE)
        plain = plain.rstrip(_SPACE) if marker else plain
        if plain:
            yield Token("text", plain)
        if start < 0:
            yield Token("end", "")
            return
        position = start + (4 if marker else 2)
        if text.startswith("/*", position):
            position, trim = _comment(text, position)
        else:
            yield Token("left", "{{")
            lexer = _Action(text, position)
            yield from lexer.tokens()
            position, trim = lexer.position, lexer.trim
            yield Token("right", "}}")


def _comment(text: str, position: int) -> tuple[int, bool]:
    end = text.find("*/", position + 2)
    if end < 0:
        raise TemplateSyntaxError("unclosed comment")
    closed, trim = _right_delimiter(text, end + 2)
    if not closed:
        raise TemplateSyntaxError("comment ends before closing delimiter")
    return end + 2 + closed, trim


def _right_delimiter(text: str, position: int) -> tuple[int, bool]:
    """Its length, 0 if there is none, and whether it trims."""
    if text.startswith("}}", position):
        return 2, False
    if text.startswith("-}}", position + 1) and text[position] in _SPACE:
        return 4, True
    return 0, False


class _Action:
    """What stands between two delimiters."""

    def __init__(self, text: str, position: int) -> None:
        self.text, self.position, self.trim = text, position, False

    def tokens(self) -> Iterator[Token]:
        depth = 0
        while True:
            length, self.trim = _right_delimiter(self.text, self.position)
            if length:
                if depth:
                    raise TemplateSyntaxError("unclosed left paren")
                self.position += length
                return
            token = self.token()
            depth += (token.kind == "(") - (token.kind == ")")
            if depth < 0:
                raise TemplateSyntaxError("unexpected right paren")
            yield token

    def token(self) -> Token:
        start = self.position
        first = self.text[start : start + 1]
        if not first:
            raise TemplateSyntaxError("unclosed action")
        if first in _SPACE:
            end = start + 1
            while self.text[end : end + 1] and self.text[end] in _SPACE:
                end += 1
            # The last space belongs to a trim marker that follows.
            self.position = end - self.text.startswith("-}}", end)
            return Token("space", " ")
        word = _WORD.match(self.text, start)
        if word:
            self.position = word.end()
            return _word(str(word.lastgroup), word.group())
        if first in "=|()":
            self.position += 1
            return Token(first, first)
        if first == ":":
            if not self.text.startswith(":=", start):
                raise TemplateSyntaxError("expected :=")
            self.position += 2
            return Token(":=", ":=")
        if first in _QUOTED:
            return self.quoted(*_QUOTED[first])
        digit_follows = self.text[start + 1 : start + 2] in tuple("0123456789") or start + 1 == len(self.text)
        if first == "$" or (first == "." and not digit_follows):
            return self.field(first)
        if first in "+-.0123456789":
            return self.number()
        if is_word(first):
            return self.name()
        if " " < first <= "~":
            self.position += 1
            return Token(first, first)
        raise TemplateSyntaxError(f"unrecognized character in action: {first!r}")

    def quoted(self, kind: str, pattern: re.Pattern[str]) -> Token:
        match = pattern.match(self.text, self.position)
        if match is None:
            raise TemplateSyntaxError(f"unterminated {kind}")
        self.position = match.end()
        return Token(kind, match.group())

    def field(self, first: str) -> Token:
        start = self.position
        self.position += 1
        if not self.at_terminator():
            self.skip_word()
            if not self.at_terminator():
                raise TemplateSyntaxError(f"bad character {self.text[self.position]!r}")
        text = self.text[start : self.position]
        return Token("variable" if first == "$" else "dot" if text == "." else "field", text)

    def name(self) -> Token:
        start = self.position
        self.skip_word()
        if not self.at_terminator():
            raise TemplateSyntaxError(f"bad character {self.text[self.position]!r}")
        return _word("name", self.text[start : self.position])

    def number(self) -> Token:
        start = self.position
        self.scan_number()
        if self.text[self.position : self.position + 1] not in ("+", "-"):
            return Token("number", self.text[start : self.position])
        self.scan_number()
        if self.text[self.position - 1] != "i":
            raise TemplateSyntaxError(f"bad number syntax: {self.text[start : self.position]!r}")
        return Token("complex", self.text[start : self.position])

    def scan_number(self) -> None:
        match = _NUMBER.match(self.text, self.position)
        self.position = match.end() if match else self.position
        if is_word(self.text[self.position : self.position + 1]):
            raise TemplateSyntaxError(f"bad number syntax near {self.text[self.position]!r}")

    def skip_word(self) -> None:
        match = _ASCII_WORD.match(self.text, self.position)
        self.position = match.end() if match else self.position
        while is_word(self.text[self.position : self.position + 1]):
            self.position += 1

    def at_terminator(self) -> bool:
        following = self.text[self.position : self.position + 1]
        return following in " \t\r\n.,|:)(" or self.text.startswith("}}", self.position)


def _word(kind: str, word: str) -> Token:
    if kind != "name":
        return Token(kind, word)
    if word in KEYWORDS:
        return Token(word, word)
    return Token("bool" if word in ("true", "false") else "name", word)


def is_word(character: str) -> bool:
    """Go's letters and decimal digits, and the underscore."""
    return character == "_" or character.isalpha() or character.isdecimal()
