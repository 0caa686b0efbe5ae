"""Templates to trees. What is not understood is refused by name, be it wrong in Go too or not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hpccompat.rules.template.functions import FUNCTIONS
from hpccompat.rules.template.lexer import split, tokens
from hpccompat.rules.template.refused import UnsupportedTemplate
from hpccompat.rules.template.tree import Action, Branch, Call, Field, Literal, Node, Operand, Text

_BRANCHES = ("range", "with", "if")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"'}
_DEPTH = 50


def parse_template(text: str) -> tuple[Node, ...]:
    """Raises UnsupportedTemplate."""
    parser = _Parser(split(text))
    nodes, end = parser.block(("$",), 0)
    if end:
        raise UnsupportedTemplate(f"{{{{{end}}}}} without a beginning")
    return nodes


class _Parser:
    def __init__(self, parts: Iterator[tuple[bool, str]]) -> None:
        self.parts = parts

    def block(self, known: tuple[str, ...], depth: int) -> tuple[tuple[Node, ...], str]:
        """The nodes up to an `end` or `else` of the block, or "" at the end of the text. `known`: the
        variables in scope."""
        if depth > _DEPTH:
            raise UnsupportedTemplate(f"nesting over {_DEPTH} deep")
        nodes: list[Node] = []
        for is_action, part in self.parts:
            if not is_action:
                nodes.append(Text(part))
                continue
            words = _Words(tokens(part))
            keyword = words.peek_word()
            if keyword in ("end", "else"):
                words.take()
                words.expect_end()
                return tuple(nodes), keyword
            if keyword in _BRANCHES:
                words.take()
                nodes.append(self.branch(keyword, words, known, depth))
                continue
            variables, value = _pipeline(words, known, most=1)
            known += variables
            nodes.append(Action(variables, value))
        return tuple(nodes), ""

    def branch(self, keyword: str, words: _Words, known: tuple[str, ...], depth: int) -> Branch:
        variables, value = _pipeline(words, known, most=2 if keyword == "range" else 1)
        body, end = self.block(known + variables, depth + 1)
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            otherwise, end = self.block(known + variables, depth + 1)
        if end != "end":
            raise UnsupportedTemplate(f"{keyword} without its end")
        return Branch(keyword, variables, value, body, otherwise)


class _Words:
    """An action's tokens, read one after the other."""

    def __init__(self, found: list[tuple[str, str]]) -> None:
        self.found = found
        self.position = 0

    def peek(self) -> tuple[str, str]:
        self.skip_space()
        return self.found[self.position] if self.position < len(self.found) else ("end", "")

    def peek_word(self) -> str:
        kind, text = self.peek()
        return text if kind == "word" else ""

    def take(self) -> tuple[str, str]:
        found = self.peek()
        self.position += 1
        return found

    def skip_space(self) -> None:
        while self.position < len(self.found) and self.found[self.position][0] == "space":
            self.position += 1

    def at_boundary(self) -> bool:
        """Whether the next token is parted from the one before it."""
        return self.position >= len(self.found) or self.found[self.position][0] in ("space", "sign")

    def expect_end(self) -> None:
        kind, text = self.peek()
        if kind != "end":
            raise UnsupportedTemplate(f"{text!r}")


def _pipeline(words: _Words, known: tuple[str, ...], most: int) -> tuple[tuple[str, ...], Operand]:
    """`$i, $e := operand`, the declaration being optional."""
    variables = _declared(words, most)
    value = _command(words, known, 0)
    words.expect_end()
    return variables, value


def _declared(words: _Words, most: int) -> tuple[str, ...]:
    start = words.position
    variables = []
    while words.peek()[0] == "field" and re.fullmatch(r"\$\w+", words.peek()[1]):
        variables.append(words.take()[1])
        kind, text = words.take()
        if (kind, text) == ("sign", ":=") and len(variables) <= most:
            return tuple(variables)
        if (kind, text) != ("sign", ","):
            break
    words.position = start
    return ()


def _command(words: _Words, known: tuple[str, ...], depth: int) -> Operand:
    kind, text = words.peek()
    if kind != "word":
        return _operand(words, known, depth)
    if text not in FUNCTIONS:
        raise UnsupportedTemplate(f"function {text}")
    words.take()
    arguments = []
    while words.peek()[0] != "end" and words.peek() != ("sign", ")"):
        arguments.append(_operand(words, known, depth))
    return Call(text, tuple(arguments))


def _operand(words: _Words, known: tuple[str, ...], depth: int) -> Operand:
    kind, text = words.take()
    if (kind, text) == ("sign", "(") and depth < _DEPTH:
        value = _command(words, known, depth + 1)
        if words.take() != ("sign", ")"):
            raise UnsupportedTemplate("a parenthesis that does not close")
        if not words.at_boundary():
            raise UnsupportedTemplate("a field of a parenthesis")
        return value
    if not words.at_boundary():
        raise UnsupportedTemplate(f"{text!r} without a space after it")
    if kind == "field":
        variable, *names = text.split(".")
        if variable and variable not in known:
            raise UnsupportedTemplate(f"undefined variable {variable}")
        return Field(variable, tuple(name for name in names if name))
    if kind == "string":
        return Literal(text[1:-1] if text[0] == "`" else _ESCAPE.sub(_unescaped, text[1:-1]))
    if kind == "number" and (text.lstrip("+-") == "0" or text.lstrip("+-")[0] != "0") and len(text) < 19:
        return Literal(int(text))
    raise UnsupportedTemplate(f"{text!r}" if text else "an empty action")


def _unescaped(match: re.Match[str]) -> str:
    if match.group(1) not in _ESCAPED:
        raise UnsupportedTemplate(f"escape {match.group()}")
    return _ESCAPED[match.group(1)]
