"""The operators of a match expression (NFD's API reference, MatchOp), one row each.

An operator other than Exists, DoesNotExist and "" is evaluated only where the element has a value: its own
value list is not even looked at otherwise, so that a wrong one goes unnoticed, as in NFD.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from hpccompat.errors import EvaluationError
from hpccompat.rules.model import MatchExpression
from hpccompat.rules.regex import compile_pattern
from hpccompat.rules.version import parse_version

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


def accepts(expression: MatchExpression | None, present: bool, value: str | None) -> bool:
    """Whether the element satisfies the expression.

    `value` is None for a flag and for an element that is not there. Raises EvaluationError.
    """
    if expression is None:
        raise EvaluationError("panic", "a null expression was evaluated (NFD crashes here)")
    if expression.op in _PRESENCE:
        if expression.value:
            raise EvaluationError("value-not-empty", f"{expression.op or 'the empty operator'} takes no value")
        return _PRESENCE[expression.op](present)
    if expression.op not in _VALUE:
        raise EvaluationError("invalid-op", f"unknown operator {expression.op!r}")
    return value is not None and _VALUE[expression.op](expression, value)


def _in(expression: MatchExpression, value: str) -> bool:
    _some(expression)
    return value in expression.value


def _not_in(expression: MatchExpression, value: str) -> bool:
    _some(expression)
    return value not in expression.value


def _in_regexp(expression: MatchExpression, value: str) -> bool:
    _some(expression)
    patterns = [compile_pattern(pattern) for pattern in expression.value]
    return any(pattern.search(value) for pattern in patterns)


def _compared(compare: Callable[[object, object], bool]) -> Callable[[MatchExpression, str], bool]:
    def operator(expression: MatchExpression, value: str) -> bool:
        if len(expression.value) != 1:
            raise EvaluationError("value-not-one", f"{expression.op} takes one value, not {len(expression.value)}")
        return compare(_ordered(expression, value, "input"), _ordered(expression, expression.value[0], "expr"))

    return operator


def _between(compare: Callable[[object, object, object], bool]) -> Callable[[MatchExpression, str], bool]:
    def operator(expression: MatchExpression, value: str) -> bool:
        if len(expression.value) != 2:
            raise EvaluationError("value-not-two", f"{expression.op} takes two values, not {len(expression.value)}")
        found = _ordered(expression, value, "input")
        low, high = (_ordered(expression, each, "expr") for each in expression.value)
        if isinstance(low, int) and isinstance(high, int) and low >= high:
            raise EvaluationError("range-order", f"{expression.op}: {low} is not less than {high}")
        return compare(low, found, high)

    return operator


def _is(wanted: str) -> Callable[[MatchExpression, str], bool]:
    def operator(expression: MatchExpression, value: str) -> bool:
        if expression.value:
            raise EvaluationError("value-not-empty", f"{expression.op} takes no value")
        return value == wanted

    return operator


def _some(expression: MatchExpression) -> None:
    if not expression.value:
        raise EvaluationError("value-empty", f"{expression.op} needs at least one value")


def _ordered(expression: MatchExpression, text: str, side: str) -> int | tuple[int, int, int]:
    """What the comparing operators compare: whole numbers of 64 bits, or versions."""
    if expression.type == "version":
        version = parse_version(text)
        if version is None:
            raise EvaluationError(f"not-a-version-{side}", f"{expression.op}: {text!r} is not a version")
        return version
    if expression.type:
        raise EvaluationError("bad-type", f"{expression.op}: unknown type {expression.type!r}")
    if not _INTEGER.fullmatch(text) or len(text.lstrip("+-0")) > 19 or not -(2**63) <= int(text) < 2**63:
        raise EvaluationError(f"not-a-number-{side}", f"{expression.op}: {text!r} is not a whole number")
    return int(text)


_PRESENCE: Mapping[str, Callable[[bool], bool]] = {
    "": lambda present: True,
    "Exists": lambda present: present,
    "DoesNotExist": lambda present: not present,
}
_VALUE: Mapping[str, Callable[[MatchExpression, str], bool]] = {
    "In": _in,
    "NotIn": _not_in,
    "InRegexp": _in_regexp,
    "Gt": _compared(lambda found, limit: found > limit),  # type: ignore[operator]
    "Ge": _compared(lambda found, limit: found >= limit),  # type: ignore[operator]
    "Lt": _compared(lambda found, limit: found < limit),  # type: ignore[operator]
    "Le": _compared(lambda found, limit: found <= limit),  # type: ignore[operator]
    "GtLt": _between(lambda low, found, high: low < found < high),  # type: ignore[operator]
    "GeLe": _between(lambda low, found, high: low <= found <= high),  # type: ignore[operator]
    "IsTrue": _is("true"),
    "IsFalse": _is("false"),
}
OPERATORS = (*_PRESENCE, *_VALUE)
