"""`InRegexp`: RE2, the engine family of Go's regexp, through google-re2; never Python's `re`."""

from __future__ import annotations

import functools
from typing import Any

from hpccompat.errors import EvaluationError


@functools.lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:
    """Raises EvaluationError(bad-regexp). The compiled pattern's `search(text)` is Go's MatchString."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except (re2.error, UnicodeError) as error:
        raise EvaluationError("bad-regexp", f"invalid regular expression {pattern!r}: {error}") from error
