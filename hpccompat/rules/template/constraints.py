"""Constraints on versions, such as ">=1.2, <2 || ^3" (Masterminds/semver, "Checking Version Constraints")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hpccompat.rules.regex import compile_pattern
from hpccompat.rules.template.limits import Limits, failed
from hpccompat.rules.template.semver import compare_pre, comparison, parse
from hpccompat.rules.template.values import SemVer, runes

_MOST = 1000
# As the library has them, odd characters among the digits included.
_NUMBER = r"[0-9|x|X|\*]+"
_PART = r"[0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*"
_VERSION = rf"v?({_NUMBER})(\.{_NUMBER})?(\.{_NUMBER})?(-({_PART}))?(\+({_PART}))?"
_OPERATORS = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^"
_RANGE = rf"\s*({_VERSION})\s+-\s+({_VERSION})\s*"
_ALL = rf"^(\s*({_OPERATORS})\s*({_VERSION})\s*)((?:\s+|,\s*)({_OPERATORS})\s*({_VERSION})\s*)*$"
_EACH = rf"({_OPERATORS})\s*({_VERSION})"
_ONE = rf"^\s*({_OPERATORS})\s*({_VERSION})\s*$"
_ANY = ("x", "X", "*", "")


@dataclass(frozen=True)
class _Constraint:
    """`open_minor`: 1 or 1.x; `open_patch`: 1.2 or 1.2.x; `open`: one of these, or x."""

    operator: str
    version: SemVer
    open: bool = False
    open_minor: bool = False
    open_patch: bool = False


def semver_compare(limits: Limits, constraint: bytes, version: bytes) -> bool:
    """Whether the version satisfies the constraint. Raises EvaluationError if one of them is none."""
    key = ("constraint", constraint)
    if key not in limits.compiled:
        if len(constraint) > _MOST:
            raise failed("improper constraint: too long")
        limits.step(500 + 20 * len(constraint))
        limits.compiled[key] = _alternatives(runes(constraint))
    alternatives: list[list[_Constraint]] = limits.compiled[key]
    found = parse(version)
    limits.step(10 * sum(map(len, alternatives)))
    return any(_all(found, constraints) for constraints in alternatives)


def _alternatives(text: str) -> list[list[_Constraint]]:
    ranges: Any = compile_pattern(_RANGE)
    for match in list(ranges.finditer(text)):
        text = text.replace(match.group(), f">= {match.group(1)}, <= {match.group(11)} ", 1)
    found = []
    for alternative in text.split("||"):
        if not compile_pattern(_ALL).search(alternative):
            raise failed(f"improper constraint: {alternative}")
        found.append([_constraint(each.group()) for each in compile_pattern(_EACH).finditer(alternative)])
    return found


def _constraint(text: str) -> _Constraint:
    match = compile_pattern(_ONE).search(text)
    if match is None:
        raise failed(f"improper constraint: {text}")
    operator, major = match.group(1), match.group(3) or ""
    minor, patch, pre = (match.group(4) or "")[1:], (match.group(5) or "")[1:], match.group(6) or ""
    if major in _ANY:
        return _Constraint(operator, parse(f"0.0.0{pre}".encode()), open=True)
    if minor in _ANY:
        return _Constraint(operator, parse(f"{major}.0.0{pre}".encode()), open=True, open_minor=True)
    if patch in _ANY:
        return _Constraint(operator, parse(f"{major}.{minor}.0{pre}".encode()), open=True, open_patch=True)
    return _Constraint(operator, parse(match.group(2).encode()))


def _all(version: SemVer, constraints: list[_Constraint]) -> bool:
    """Pre-releases are only looked at where a constraint names one."""
    if version.pre and not any(each.version.pre for each in constraints):
        return False
    return all(_CHECKS[each.operator](version, each) for each in constraints)


def _not_equal(version: SemVer, constraint: _Constraint) -> bool:
    wanted = constraint.version
    if constraint.open:
        if wanted.major != version.major:
            return True
        if constraint.open_minor:
            return False
        if wanted.minor != version.minor:
            return True
        if constraint.open_patch:
            return bool(version.pre or wanted.pre) and compare_pre(version.pre, wanted.pre) != 0
        if wanted.patch != version.patch:
            return True
    return comparison(version, wanted) != 0


def _greater(version: SemVer, constraint: _Constraint) -> bool:
    wanted = constraint.version
    if not constraint.open or version.major != wanted.major:
        return comparison(version, wanted) > 0 if not constraint.open else version.major > wanted.major
    if constraint.open_minor:
        return False
    return version.minor > wanted.minor if constraint.open_patch else comparison(version, wanted) > 0


def _less(version: SemVer, constraint: _Constraint) -> bool:
    return comparison(version, constraint.version) < 0


def _greater_or_equal(version: SemVer, constraint: _Constraint) -> bool:
    return comparison(version, constraint.version) >= 0


def _less_or_equal(version: SemVer, constraint: _Constraint) -> bool:
    wanted = constraint.version
    if not constraint.open:
        return comparison(version, wanted) <= 0
    same_major = version.major == wanted.major
    return version.major <= wanted.major and not (
        same_major and version.minor > wanted.minor and not constraint.open_minor
    )


def _tilde(version: SemVer, constraint: _Constraint) -> bool:
    """From it on, below the next minor version."""
    wanted = constraint.version
    if comparison(version, wanted) < 0:
        return False
    is_zero = (wanted.major, wanted.minor, wanted.patch) == (0, 0, 0)
    if is_zero and not constraint.open_minor and not constraint.open_patch:
        return True
    return version.major == wanted.major and (version.minor == wanted.minor or constraint.open_minor)


def _equal_or_tilde(version: SemVer, constraint: _Constraint) -> bool:
    return _tilde(version, constraint) if constraint.open else comparison(version, constraint.version) == 0


def _caret(version: SemVer, constraint: _Constraint) -> bool:
    """From it on, as long as the first number that is not 0 is the same."""
    wanted = constraint.version
    if comparison(version, wanted) < 0 or version.major != wanted.major:
        return False
    if wanted.major > 0 or constraint.open_minor:
        return True
    if wanted.minor > 0 or constraint.open_patch:
        return version.minor == wanted.minor
    return version.minor == 0 and version.patch == wanted.patch


_CHECKS: dict[str, Callable[[SemVer, _Constraint], bool]] = {
    "": _equal_or_tilde, "=": _equal_or_tilde, "!=": _not_equal, ">": _greater, "<": _less,
    ">=": _greater_or_equal, "=>": _greater_or_equal, "<=": _less_or_equal, "=<": _less_or_equal,
    "~": _tilde, "~>": _tilde, "^": _caret,
}  # fmt: skip
