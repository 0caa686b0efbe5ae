"""A shell script taken apart into simple commands, with what variables it names left open (pure).

One pass over the text with an explicit stack, so that no script takes more than linear time or deep recursion; what is
beyond the limits is not read. Grammar: POSIX.1-2017, Shell Command Language, 2.2 to 2.10; bash(1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

COMMAND_LIMIT = 10_000
_WORD_LIMIT = 100_000  # of the whole script
_DEPTH_LIMIT = 100  # of $( and quotes in each other

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(=|\+=|\[)", re.ASCII)
_PLAIN = re.compile(r"[^ \t\n\\'\"$`;&|<>()#]+")
_QUOTED = re.compile(r"[^\"\\$`]+")
_BRACED = re.compile(r"[^}\\'\"$`]+")
_ANSI = re.compile(r"((?:[^\\']|\\.)*)'", re.DOTALL)
_REDIRECTION = re.compile(r"<<<|<<-?|<>|<&|>&|>>|>\||<|>")
_HERE_WORD = re.compile(r"[ \t]*((?:'[^'\n]*'|\"[^\"\n]*\"|\\.|[^\s;&|<>()'\"\\])+)")
# Words that a command may follow, and what they open and close.
_KEYWORDS = {"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "esac", "{", "}", "!", "coproc"}
_OPENS = {"if": "if", "while": "loop", "until": "loop", "for": "loop", "select": "loop", "case": "case", "{": "{"}
_CLOSES = {"fi": "if", "done": "loop", "esac": "case", "}": "{"}


@dataclass
class Part:
    """Of a word: a text, or the `name` of a variable (`text` is then how it was written)."""

    text: str
    quoted: bool
    name: str = ""


@dataclass
class Raw:
    """`conditional`: it may run not at all, more than once, or in a shell of its own."""

    line: int
    words: list[list[Part]]
    conditional: bool


@dataclass
class _Frame:
    """`kind`: of commands "" (the script), "(" for `$(…)`, "`"; of parts of a word '"' and "{" for `${…}`. `inside`:
    for these the frame of the command; `muted`: they are no part of its word. `opened`: the if, loop, case, { and (
    around the command. `joined`: the operator before it."""

    kind: str
    inside: _Frame | None = None
    muted: bool = False
    words: list[list[Part]] = field(default_factory=list)
    word: list[Part] | None = None
    line: int = 0
    joined: str = ""
    redirected: bool = False
    opened: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at, self.line = text, 0, 1
        self.frames = [_Frame("")]
        self.found: list[Raw] = []
        self.words = 0
        self.here: list[tuple[str, bool]] = []
        # Up to here there is no `))` on the line.
        self.no_arithmetic = 0
        self.full = False

    def read(self) -> list[Raw]:
        text = self.text
        while self.at < len(text) and not self.full:
            kind = self.frames[-1].kind
            if kind == '"':
                self._in_quotes()
            elif kind == "{":
                self._in_braces()
            else:
                self._in_command(self.frames[-1])
        for frame in self.frames:
            if frame.kind not in ('"', "{"):
                self._end_word(frame)
                self._end_command(frame, "")
        return self.found

    def _in_command(self, frame: _Frame) -> None:
        text, at = self.text, self.at
        plain = _PLAIN.match(text, at)
        if plain:
            self._add(plain.group(), False)
            self.at = plain.end()
            return
        sign = text[at]
        self.at += 1
        if sign in " \t":
            self._end_word(frame)
        elif sign == "\n":
            self._end_word(frame)
            self._end_command(frame, "")
            self.line += 1
            if self.here:
                self._skip_here_documents()
        elif sign == "#":
            if frame.word is None:
                end = text.find("\n", at)
                self.at = len(text) if end < 0 else end
            else:
                self._add("#", False)
        elif sign in ";&|":
            self._operator(frame, sign)
        elif sign in "<>":
            self._redirection(frame, sign)
        elif sign == "(":
            self._open_parenthesis(frame)
        elif sign == ")":
            self._close_parenthesis(frame)
        elif sign == "'":
            self._single_quotes()
        else:
            self._expansion(sign, False)

    def _operator(self, frame: _Frame, sign: str) -> None:
        following = self.text[self.at : self.at + 1]
        if sign == "&" and following == ">":
            self._end_word(frame)
            self.at += 2 if self.text[self.at + 1 : self.at + 2] == ">" else 1
            frame.redirected = True
            return
        if following == sign or (sign, following) == ("|", "&"):
            self.at += 1
            sign = "|" if following == "&" and sign == "|" else sign * 2
        self._end_word(frame)
        self._end_command(frame, sign)

    def _redirection(self, frame: _Frame, sign: str) -> None:
        text = self.text
        if text[self.at : self.at + 1] == "(":
            self.at += 1
            self._add(f"$({sign}…)", False)
            self._push("(")
            return
        if frame.word and len(frame.word) == 1 and frame.word[0].text.isdecimal() and not frame.word[0].quoted:
            frame.word = None  # the number of a file descriptor
        self._end_word(frame)
        match = _REDIRECTION.match(text, self.at - 1)
        operator = match.group() if match else sign
        self.at += len(operator) - 1
        if operator in ("<<", "<<-"):
            word = _HERE_WORD.match(text, self.at)
            if word:
                self.here.append((re.sub(r"['\"\\]", "", word.group(1)), operator == "<<-"))
                self.at = word.end()
        else:
            frame.redirected = True

    def _open_parenthesis(self, frame: _Frame) -> None:
        before = "".join(part.text for part in frame.word[:2]) if frame.word and len(frame.word) < 3 else ""
        if frame.word is None and self._skip_arithmetic():
            return
        if ASSIGNMENT.match(before):
            self._add("$(…)", False)  # an array, which is no plain text
        self._end_word(frame)
        self._end_command(frame, "(")
        self._open(frame, "(")

    def _close_parenthesis(self, frame: _Frame) -> None:
        self._end_word(frame)
        self._end_command(frame, ")")
        if frame.opened and frame.opened[-1] == "(":
            self._close(frame, "(")
        elif frame.kind == "(" and not (frame.opened and frame.opened[-1] == "case"):
            self.frames.pop()

    def _single_quotes(self) -> None:
        end = self.text.find("'", self.at)
        end = len(self.text) if end < 0 else end
        quoted = self.text[self.at : end]
        self._add(quoted, True)
        self.line += quoted.count("\n")
        self.at = end + 1

    def _in_quotes(self) -> None:
        run = _QUOTED.match(self.text, self.at)
        if run:
            self._add(run.group(), True)
            self.line += run.group().count("\n")
            self.at = run.end()
            return
        sign = self.text[self.at]
        self.at += 1
        if sign == '"':
            self.frames.pop()
        else:
            self._expansion(sign, True)

    def _in_braces(self) -> None:
        run = _BRACED.match(self.text, self.at)
        if run:
            self.line += run.group().count("\n")
            self.at = run.end()
            return
        sign = self.text[self.at]
        self.at += 1
        if sign == "}":
            self.frames.pop()
        elif sign == "'" and self.frames[-2].kind == '"':
            pass
        elif sign == "'":
            self._single_quotes()
        else:
            self._expansion(sign, True)

    def _expansion(self, sign: str, quoted: bool) -> None:
        """A backslash, a double quote, a backtick or a dollar."""
        text = self.text
        following = text[self.at : self.at + 1]
        if sign == "\\":
            self.at += 1
            if following == "\n":
                self.line += 1
            elif quoted and following not in ("$", "`", '"', "\\"):
                self._add("\\" + following, True)
            else:
                self._add(following, True)
        elif sign == '"':
            self._add("", True)
            self._push('"')
        elif sign == "`":
            if (self.frames[-1].inside or self.frames[-1]).kind == "`":
                self._close_backticks()
            else:
                self._add("`…`", quoted)
                self._push("`")
        elif following == "(":
            self._add("$(…)", quoted)
            if text[self.at + 1 : self.at + 2] == "(" and self._skip_arithmetic():
                return
            self.at += 1
            self._push("(")
        elif following == "{":
            self.at += 1
            self._parameter(quoted)
        elif following == "'" and not quoted:
            match = _ANSI.match(text, self.at + 1)
            body = match.group(1) if match else text[self.at + 1 :]
            self._add("$'" + body if "\\" in body else body, True)
            self.line += body.count("\n")
            self.at = match.end() if match else len(text)
        elif following == '"' and not quoted:
            pass
        else:
            name = NAME.match(text, self.at)
            if name:
                self._add("$" + name.group(), quoted, name.group())
                self.at = name.end()
            else:
                self._add("$", quoted)

    def _parameter(self, quoted: bool) -> None:
        """`${NAME}`; of other forms only that they are there."""
        name = NAME.match(self.text, self.at)
        end = name.end() if name else self.at
        if name and self.text[end : end + 1] == "}":
            self._add(f"${{{name.group()}}}", quoted, name.group())
            self.at = end + 1
            return
        self._add(f"${{{name.group() if name else ''}…}}", quoted)
        if name and self.text[end : end + 2].lstrip(":").startswith("="):
            self.found.append(Raw(self.line, [[Part("unset", False)], [Part(name.group(), False)]], True))
        self._push("{")

    def _skip_arithmetic(self) -> bool:
        """`((…))`, where it ends on the same line; we stand behind the sign before its inner parenthesis."""
        if self.at < self.no_arithmetic:
            return False
        opens = self.text.startswith("((", self.at) or self.text.startswith("((", self.at - 1)
        if not opens:
            return False
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        close = self.text.find("))", self.at, end)
        if close < 0:
            self.no_arithmetic = end
            return False
        self.at = close + 2
        return True

    def _skip_here_documents(self) -> None:
        for delimiter, tabs in self.here:
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at, self.line = end + 1, self.line + 1
                if (line.lstrip("\t") if tabs else line) == delimiter:
                    break
        self.here = []

    def _push(self, kind: str) -> None:
        if len(self.frames) >= _DEPTH_LIMIT:
            self.full = True
        below = self.frames[-1]
        of_word = kind in ('"', "{")
        inside = (below.inside or below) if of_word else None
        self.frames.append(_Frame(kind, inside, of_word and (kind == "{" or below.muted)))

    def _close_backticks(self) -> None:
        while True:
            frame = self.frames.pop()
            if frame.kind == "`":
                self._end_word(frame)
                self._end_command(frame, "")
                return

    def _add(self, text: str, quoted: bool, name: str = "") -> None:
        if self.frames[-1].muted:
            return
        frame = self.frames[-1].inside or self.frames[-1]
        if frame.word is None:
            frame.word = []
            if not frame.words:
                frame.line = self.line
        frame.word.append(Part(text, quoted, name))

    def _end_word(self, frame: _Frame) -> None:
        word, frame.word = frame.word, None
        if word is None:
            return
        if frame.redirected:
            frame.redirected = False
            return
        text = word[0].text if len(word) == 1 and not word[0].quoted and not word[0].name else ""
        opening = text == "{" and bool(frame.words) and frame.words[0][0].text == "function"
        if (not frame.words or opening) and (text in _KEYWORDS or text in _OPENS):
            if text in _OPENS:
                self._open(frame, _OPENS[text])
            elif text in _CLOSES:
                self._close(frame, _CLOSES[text])
            if text in _KEYWORDS:
                frame.words = []
                return
        frame.words.append(word)
        self.words += 1
        self.full = self.full or self.words >= _WORD_LIMIT

    def _end_command(self, frame: _Frame, operator: str) -> None:
        if frame.words:
            lonely = frame.joined not in ("&&", "||", "|") and operator not in ("|", "&")
            top = frame is self.frames[0] and not frame.opened
            self.found.append(Raw(frame.line, frame.words, not (lonely and top)))
            self.full = self.full or len(self.found) >= COMMAND_LIMIT
        frame.words, frame.redirected, frame.joined = [], False, operator

    def _open(self, frame: _Frame, kind: str) -> None:
        frame.opened.append(kind)
        frame.counts[kind] = frame.counts.get(kind, 0) + 1

    def _close(self, frame: _Frame, kind: str) -> None:
        """Also what was left open inside of it."""
        while frame.counts.get(kind):
            last = frame.opened.pop()
            frame.counts[last] -= 1
            if last == kind:
                return
