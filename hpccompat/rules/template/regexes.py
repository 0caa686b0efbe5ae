"""Regular expressions (sprig, "Regular Expressions", with the semantics of Go's regexp on RE2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hpccompat.errors import EvaluationError
from hpccompat.rules.regex import as_re2
from hpccompat.rules.template.limits import Limits, failed
from hpccompat.rules.template.values import STRINGS, Slice, runes

# Characters of a pattern, and bytes that RE2 may use for one: enough for a{1000}.
PATTERN_LIMIT = 1000
_MEMORY = 1 << 20
_SPECIAL = re.compile(rb"[\\.+*?()|\[\]{}^$]")
_GROUP = re.compile(rb"\$(?:(\$)|\{(\w+)\}|(\w+))", re.ASCII)
Span = tuple[int, int]


def _compiled(limits: Limits, pattern: bytes) -> Any:
    """Raises EvaluationError of kind `bad-regexp`, or `limit`."""
    key = ("regex", pattern)
    if key in limits.compiled:
        return limits.compiled[key]
    import re2

    try:
        text = pattern.decode()
    except UnicodeDecodeError as error:
        raise EvaluationError("bad-regexp", "a regular expression that is no UTF-8") from error
    if len(text) > PATTERN_LIMIT:
        raise EvaluationError("limit", f"a regular expression of a template has more than {PATTERN_LIMIT} characters")
    # Compiling takes as long as a thousand steps, or longer.
    limits.step(500 + 20 * len(text))
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        found = re2.compile(as_re2(text), options=options)
    except (re2.error, UnicodeError) as error:
        if "too large" in str(error):
            raise EvaluationError("limit", "a regular expression of a template is too large") from error
        raise EvaluationError("bad-regexp", f"invalid regular expression {text!r}") from error
    limits.compiled[key] = found
    return found


def _valid(limits: Limits, pattern: bytes) -> Any:
    try:
        return _compiled(limits, pattern)
    except EvaluationError as error:
        raise error if error.kind == "limit" else failed(str(error)) from error


def _find(limits: Limits, compiled: Any, text: bytes, position: int) -> Any:
    limits.step(1 + (len(text) - position) // 128 * (1 + compiled.programsize // 64))
    return compiled.search(text, position)


def _characters(text: bytes) -> bytes:
    """RE2 looks at characters only; bytes that are none count as U+FFFD, as in Go."""
    return runes(text).encode()


def match(limits: Limits, pattern: bytes, text: bytes) -> bool:
    """False also for a pattern that does not compile."""
    try:
        return must_match(limits, pattern, text)
    except EvaluationError as error:
        if error.kind == "limit":
            raise
        return False


def must_match(limits: Limits, pattern: bytes, text: bytes) -> bool:
    return _find(limits, _valid(limits, pattern), _characters(text), 0) is not None


def find(limits: Limits, pattern: bytes, text: bytes) -> bytes:
    text = _characters(text)
    found = _find(limits, _valid(limits, pattern), text, 0)
    return text[slice(*found.span())] if found else b""


def find_all(limits: Limits, pattern: bytes, text: bytes, count: int) -> Slice:
    text = _characters(text)
    spans = list(_spans(limits, _valid(limits, pattern), text, count))
    return Slice([text[slice(*each)] for each in spans], STRINGS, nil=not spans)


def _spans(limits: Limits, compiled: Any, text: bytes, count: int) -> Iterator[Span]:
    """Matches from left to right, all if `count` is negative. An empty one does not abut the one before it."""
    position, before, found = 0, -1, 0
    while found != count and position <= len(text):
        matched = _find(limits, compiled, text, position)
        if matched is None:
            return
        start, end = matched.span()
        empty_again = end == position and start == before
        position = _next_character(text, position) if end == position else end
        before = end
        if not empty_again:
            found += 1
            limits.elements(1)
            limits.make(end - start)
            yield start, end


def _next_character(text: bytes, position: int) -> int:
    position += 1
    while position < len(text) and 0x80 <= text[position] < 0xC0:
        position += 1
    return position


def replace_all(limits: Limits, pattern: bytes, text: bytes, template: bytes) -> bytes:
    """$1, ${1}, $name and ${name} stand for groups; $1W is the group 1W."""
    return _replaced(limits, pattern, text, template, expand=True)


def replace_all_literal(limits: Limits, pattern: bytes, text: bytes, replacement: bytes) -> bytes:
    return _replaced(limits, pattern, text, replacement, expand=False)


def _replaced(limits: Limits, pattern: bytes, text: bytes, template: bytes, expand: bool) -> bytes:
    compiled, text = _valid(limits, pattern), _characters(text)
    parts: list[bytes] = []
    dollars = template.count(b"$") if expand else 0
    last = position = 0
    while position <= len(text):
        found = _find(limits, compiled, text, position)
        if found is None:
            break
        start, end = found.span()
        parts.append(text[last:start])
        if end > last or start == 0:
            limits.step(8 * dollars)
            parts.append(_expanded(found, template) if dollars else template)
            limits.make(len(parts[-1]))
        last = end
        position = end if end > position else _next_character(text, position)
    parts.append(text[last:])
    limits.make(len(text))
    return b"".join(parts)


def _expanded(found: Any, template: bytes) -> bytes:
    def group(reference: re.Match[bytes]) -> bytes:
        dollar, braced, bare = reference.groups()
        if dollar:
            return b"$"
        name = braced or bare
        if name.isdigit():
            number = int(name) if len(name) < 8 and (name == b"0" or name[:1] != b"0") else -1
            if not 0 <= number <= found.re.groups:
                return b""
            return found.group(number) or b""
        number = found.re.groupindex.get(name.decode("ascii"), -1)
        return b"" if number < 0 else found.group(number) or b""

    return _GROUP.sub(group, template)


def split(limits: Limits, pattern: bytes, text: bytes, count: int) -> Slice:
    """At most `count` parts, all if it is negative."""
    compiled, text = _valid(limits, pattern), _characters(text)
    if count == 0:
        return Slice([], STRINGS, nil=True)
    if pattern and not text:
        return Slice([b""], STRINGS)
    parts: list[bytes] = []
    begin = end = 0
    for start, stop in _spans(limits, compiled, text, count):
        if 0 < count == len(parts) + 1:
            break
        end = start
        if stop:
            parts.append(text[begin:end])
        begin = stop
    if end != len(text):
        parts.append(text[begin:])
    return Slice([*parts], STRINGS)


def quote_meta(limits: Limits, text: bytes) -> bytes:
    limits.make(2 * len(text))
    return _SPECIAL.sub(rb"\\\g<0>", text)
