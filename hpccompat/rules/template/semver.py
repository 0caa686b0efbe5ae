"""Semantic versions (sprig, "Semantic Version Functions", from the library Masterminds/semver)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from hpccompat.rules.template.limits import Limits, failed
from hpccompat.rules.template.row import Row, row
from hpccompat.rules.template.values import SemVer, Uint64, Value

_PART = rb"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rb"v?([0-9]{1,20})(?:\.([0-9]{1,20}))?(?:\.([0-9]{1,20}))?(?:-(" + _PART + rb"))?(?:\+(" + _PART + rb"))?"
)
_MOST = 256


def parse(text: bytes) -> SemVer:
    """One to three numbers, pre-release and metadata."""
    found = _VERSION.fullmatch(text) if len(text) <= _MOST else None
    if found is None:
        raise failed("invalid semantic version")
    major, minor, patch = (int(each or b"0") for each in found.groups()[:3])
    pre, metadata = found.group(4) or b"", found.group(5) or b""
    if max(major, minor, patch) >= 2**64:
        raise failed("error parsing version segment")
    _check(pre)
    return SemVer(major, minor, patch, pre, metadata, text)


def _check(pre: bytes) -> None:
    if any(len(each) > 1 and each.isdigit() and each.startswith(b"0") for each in pre.split(b".")):
        raise failed("version segment starts with 0")


def comparison(first: SemVer, second: SemVer) -> int:
    """-1, 0 or 1. Metadata don't count; a pre-release comes before its release."""
    mine, other = (first.major, first.minor, first.patch), (second.major, second.minor, second.patch)
    if mine != other:
        return 1 if mine > other else -1
    if not first.pre or not second.pre:
        return bool(second.pre) - bool(first.pre)
    return compare_pre(first.pre, second.pre)


def compare_pre(first: bytes, second: bytes) -> int:
    mine, other = first.split(b"."), second.split(b".")
    for position in range(max(len(mine), len(other))):
        a = mine[position] if position < len(mine) else b""
        b = other[position] if position < len(other) else b""
        if a != b:
            return _compared_part(a, b)
    return 0


def _compared_part(first: bytes, second: bytes) -> int:
    """Numbers come before texts, and nothing before both."""
    if not first or not second:
        return 1 if first else -1
    mine, other = _number(first), _number(second)
    if mine is None and other is None:
        return 1 if first > second else -1
    if mine is None or other is None:
        return 1 if mine is None else -1
    return 1 if mine > other else -1


def _number(text: bytes) -> int | None:
    return int(text) if text.isdigit() and len(text) <= 20 and int(text) < 2**64 else None


@dataclass(frozen=True)
class Method:
    """`of_pointers`: a version that is no pointer lacks it."""

    row: Row
    of_pointers: bool = False


def _prefixed(version: SemVer, made: SemVer) -> SemVer:
    return replace(made, original=(b"v" if version.original[:1] == b"v" else b"") + made.text, pointer=False)


def _next_patch(limits: Limits, version: SemVer) -> SemVer:
    patch = version.patch if version.pre else (version.patch + 1) % 2**64
    return _prefixed(version, SemVer(version.major, version.minor, patch))


def _next_minor(limits: Limits, version: SemVer) -> SemVer:
    return _prefixed(version, SemVer(version.major, (version.minor + 1) % 2**64, 0))


def _next_major(limits: Limits, version: SemVer) -> SemVer:
    return _prefixed(version, SemVer((version.major + 1) % 2**64, 0, 0))


def _with_pre(limits: Limits, version: SemVer, pre: bytes) -> SemVer:
    if pre and not re.fullmatch(_PART, pre):
        raise failed("invalid prerelease string")
    _check(pre)
    return _prefixed(version, replace(version, pre=pre))


def _with_metadata(limits: Limits, version: SemVer, metadata: bytes) -> SemVer:
    if metadata and not re.fullmatch(_PART, metadata):
        raise failed("invalid metadata string")
    return _prefixed(version, replace(version, metadata=metadata))


def _get(attribute: Callable[[SemVer], Value]) -> Method:
    return Method(row(lambda limits, version: attribute(version)))


def _compared(answer: Callable[[int], Value]) -> Method:
    def call(limits: Limits, version: SemVer, other: SemVer | None) -> Value:
        if other is None:
            raise failed("nil pointer dereference")
        return answer(comparison(version, other))

    return Method(row(call, "version"), of_pointers=True)


METHODS = {
    b"Major": _get(lambda version: Uint64(version.major)),
    b"Minor": _get(lambda version: Uint64(version.minor)),
    b"Patch": _get(lambda version: Uint64(version.patch)),
    b"Prerelease": _get(lambda version: version.pre),
    b"Metadata": _get(lambda version: version.metadata),
    b"String": _get(lambda version: version.text),
    b"Original": Method(row(lambda limits, version: version.original), of_pointers=True),
    b"IncPatch": Method(row(_next_patch)),
    b"IncMinor": Method(row(_next_minor)),
    b"IncMajor": Method(row(_next_major)),
    b"SetPrerelease": Method(row(_with_pre, "string")),
    b"SetMetadata": Method(row(_with_metadata, "string")),
    b"Compare": _compared(lambda order: order),
    b"Equal": _compared(lambda order: order == 0),
    b"LessThan": _compared(lambda order: order < 0),
    b"LessThanEqual": _compared(lambda order: order <= 0),
    b"GreaterThan": _compared(lambda order: order > 0),
    b"GreaterThanEqual": _compared(lambda order: order >= 0),
}
