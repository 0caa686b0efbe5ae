"""`InRegexp`: RE2, the engine family of Go's regexp, through google-re2; never Python's `re`.

The two agree but for little: Go has no `\\C`, allows only ASCII in the names of groups, and has more names for
Unicode classes. A pattern is rewritten accordingly before it is compiled.
"""

from __future__ import annotations

import functools
from typing import Any

from hpccompat.errors import EvaluationError
from hpccompat.rules.unicode_class import translated

# Characters of one pattern: RE2's time to compile grows with their square.
PATTERN_LIMIT = 4096


@functools.lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:
    """Raises EvaluationError of kind `bad-regexp`, or `limit` for a pattern that is too long. The compiled
    pattern's `search(text)` is Go's MatchString."""
    import re2

    if len(pattern) > PATTERN_LIMIT:
        raise EvaluationError("limit", f"a regular expression has {len(pattern)} characters, more than {PATTERN_LIMIT}")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(as_re2(pattern), options=options)
    except (re2.error, UnicodeError) as error:
        raise EvaluationError("bad-regexp", f"invalid regular expression {pattern!r}: {_text(error)}") from error


def as_re2(pattern: str) -> str:
    """The pattern that means to RE2 what this one means to Go. Raises EvaluationError(bad-regexp)."""
    if not any(each in pattern for each in ("\\p", "\\P", "\\C", "(?")):
        return pattern
    parts: list[str] = []
    position = 0
    in_class = False
    while position < len(pattern):
        step = 1
        if pattern.startswith("\\Q", position) and not in_class:
            end = pattern.find("\\E", position)
            step = (end + 2 if end >= 0 else len(pattern)) - position
        elif pattern.startswith(("\\p", "\\P"), position):
            text, step = _property(pattern, position, in_class)
            parts.append(text)
            position += step
            continue
        elif pattern.startswith("\\C", position):
            raise EvaluationError("bad-regexp", f"invalid regular expression {pattern!r}: Go has no \\C")
        elif pattern[position] == "\\":
            step = 2
        elif in_class:
            if pattern.startswith("[:", position) and ":]" in pattern[position:]:
                step = pattern.index(":]", position) + 2 - position
            in_class = pattern[position] != "]"
        elif pattern[position] == "[":
            in_class = True
            # A bracket that stands first in a class is one of its characters.
            step = 2 if pattern.startswith("[^", position) else 1
            step += pattern.startswith("]", position + step)
        elif pattern.startswith(("(?P<", "(?<"), position):
            name = pattern[pattern.index("<", position) + 1 :].partition(">")[0]
            if not name.isascii():
                raise EvaluationError("bad-regexp", f"invalid regular expression {pattern!r}: group name {name!r}")
        parts.append(pattern[position : position + step])
        position += step
    return "".join(parts)


def _property(pattern: str, position: int, in_class: bool) -> tuple[str, int]:
    """`\\pN`, `\\p{Name}` and the like: RE2's text, and how much of the pattern it stands for."""
    name = pattern[position + 2 : position + 3]
    step = 2 + len(name)
    if name == "{":
        name, closing, _ = pattern[position + 3 :].partition("}")
        step = 3 + len(name) + len(closing)
        if not closing:
            name = ""
    text = translated(name, pattern[position + 1] == "P", in_class) if name else None
    if text is None:
        raise EvaluationError("bad-regexp", f"invalid regular expression {pattern!r}: unknown Unicode class")
    return text, step


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
