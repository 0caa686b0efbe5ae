"""Slurm's `--constraint` (and `--prefer`) as a tree, and how labels are put into one (pure).

Slurm reads it strictly from left to right, without precedence: `a|b&c` is `(a|b)&c`. That is why a label that comes
last binds the whole of it. What parse() refuses is refused by every release of Slurm, or by some, or read differently
by them; a job with such a constraint gets its nodes by `--exclude`, which works with everything.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from hpccompat.errors import UsageError
from hpccompat.slurm.labels import TEXT_LIMIT

_TOKEN = re.compile(r"[^,&|*()\[\]]+|.", re.DOTALL)
_COUNT = re.compile(r"[0-9]{1,9}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CLOSING = {"(": ")", "[": "]"}
# Of a constraint in a message.
_SHOWN = 80


@dataclass(frozen=True)
class Feature:
    """The name of a Slurm feature. `count`: of how many nodes it is asked (`name*2`); 0 is of all."""

    name: str
    count: int = 0

    def __str__(self) -> str:
        return f"{self.name}*{self.count}" if self.count else self.name


@dataclass(frozen=True)
class Group:
    """`(…)`, or with `brackets` `[…]`: all nodes of the job have the same one of the alternatives."""

    inside: Constraint
    brackets: bool = False
    count: int = 0

    def __str__(self) -> str:
        text = f"[{self.inside}]" if self.brackets else f"({self.inside})"
        return f"{text}*{self.count}" if self.count else text


@dataclass(frozen=True)
class Constraint:
    """Operands, and between them `&` or `|`, one less; none of either where nothing is asked."""

    operands: tuple[Feature | Group, ...] = ()
    operators: tuple[str, ...] = ()

    def __str__(self) -> str:
        signs = ("", *self.operators)
        return "".join(f"{sign}{operand}" for sign, operand in zip(signs, self.operands, strict=bool(self.operands)))

    def _walk(self) -> Iterator[Feature | Group]:
        for operand in self.operands:
            yield operand
            if isinstance(operand, Group):
                yield from operand.inside._walk()

    def features(self) -> frozenset[str]:
        """The names of all Slurm features in it."""
        return frozenset(each.name for each in self._walk() if isinstance(each, Feature))

    @property
    def has_counts(self) -> bool:
        return any(each.count for each in self._walk())

    @property
    def has_brackets(self) -> bool:
        return any(isinstance(each, Group) and each.brackets for each in self._walk())

    @property
    def has_parentheses(self) -> bool:
        return any(isinstance(each, Group) and not each.brackets for each in self._walk())


def parse(text: str) -> Constraint:
    """The tree of a constraint; `,` is `&`, and an operator at the end is dropped, as Slurm does. Raises UsageError."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _TOKEN.findall(text)
        self.at = 0
        self.seen_brackets = False

    def read(self) -> Constraint:
        for at, token in enumerate(self.tokens):
            if _CONTROL.search(token):
                self.at = at
                raise self.wrong("a control character in the name")
        return self.chain("", "") if self.tokens else Constraint()

    @property
    def token(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def wrong(self, what: str) -> UsageError:
        place = sum(map(len, self.tokens[: self.at])) + 1
        shown = self.text if len(self.text) <= _SHOWN else self.text[:_SHOWN] + "…"
        return UsageError(f"the constraint {shown!r} can't be read: {what} at character {place}")

    def chain(self, opening: str, closing: str) -> Constraint:
        operands, operators = [self.operand(opening)], []
        while self.token != closing:
            if not self.token:
                raise self.wrong(f"{closing!r} is missing")
            if self.token not in "&,|":
                raise self.wrong(f"{self.token!r} without an operator before it")
            operator = "&" if self.token == "," else self.token
            self.at += 1
            if not self.token and not closing:
                break
            operators.append(operator)
            operands.append(self.operand(opening))
        if opening == "[" and "|" in operators and any(operand.count for operand in operands):
            raise self.wrong("counts of alternatives")
        return Constraint(tuple(operands), tuple(operators))

    def operand(self, opening: str) -> Feature | Group:
        start = self.token
        if start in _CLOSING:
            if opening in ("(", start):
                raise self.wrong(f"{start!r} inside of {opening!r}")
            if start == "[" and self.seen_brackets:
                raise self.wrong("a second '['")
            self.seen_brackets = self.seen_brackets or start == "["
            self.at += 1
            inside = self.chain(start, _CLOSING[start])
            self.at += 1
            return Group(inside, start == "[", self.count())
        if not start or start in ",&|*)]":
            raise self.wrong("the name of a feature is missing")
        self.at += 1
        return Feature(start, self.count())

    def count(self) -> int:
        if self.token != "*":
            return 0
        self.at += 1
        if not _COUNT.fullmatch(self.token) or not int(self.token):
            raise self.wrong("a count above zero is missing")
        self.at += 1
        return int(self.tokens[self.at - 1])


def may_use(constraint: Constraint, features: Collection[str]) -> bool:
    """Whether a job with this constraint could be given a node that has these active features.

    Never too narrow: beside counted features Slurm takes any node (`a*2` of four nodes), and whatever alternative of
    `[…]` the job takes is not known. Not for features that a reboot could change.
    """
    if not constraint.operands or constraint.has_counts:
        return True
    found = False
    for sign, operand in zip(("|", *constraint.operators), constraint.operands, strict=True):
        if isinstance(operand, Feature):
            here = operand.name in features
        elif operand.brackets:
            here = any(may_use(Constraint((each,)), features) for each in operand.inside.operands)
        else:
            here = may_use(operand.inside, features)
        found = found and here if sign == "&" else found or here
    return found


@dataclass(frozen=True)
class Combined:
    """`text` None: use `--exclude` instead; `reason` says why in words."""

    text: str | None
    reason: str = ""


def conjoin(user: str, labels: Sequence[str], changeable: bool = False) -> Combined:
    """The user's constraint, and all of the labels with it.

    `changeable`: the constraint names a feature that a reboot of the node changes (NodeFeaturesPlugins): Slurm
    then takes `&` before `|`, and reads each `|` as alternatives for the whole job.
    Done again with the same labels, it changes nothing.
    """
    try:
        constraint = parse(user)
    except UsageError as error:
        return Combined(None, str(error))
    reason = _unsafe(constraint)
    if changeable and constraint.operands:
        reason = "it names a feature that a reboot changes"
    if reason:
        return Combined(None, f"nothing can be added to the constraint: {reason}")
    own, ours = str(constraint), "&".join(labels)
    if not own or not ours or _ends_with(constraint, labels):
        # What the user wrote, but for an operator at the end, which would take in what comes after it.
        text = user.rstrip("&,|") or ours
    elif constraint.has_parentheses or constraint.has_brackets:
        text = f"{own}&{ours}"  # Slurm has no parentheses in parentheses.
    else:
        text = f"({own})&{ours}"
    if len(text.encode("utf-8", "replace")) > TEXT_LIMIT:
        return Combined(None, f"with the labels the constraint is over {TEXT_LIMIT} bytes long")
    return Combined(text)


def _unsafe(constraint: Constraint) -> str:
    """Why Slurm would ignore what is appended, or the user's own part; empty where it does not."""
    if constraint.has_counts:
        return "it counts nodes (*), and Slurm ignores what is not counted"
    for operand in constraint.operands:
        if isinstance(operand, Group) and operand.brackets:
            if operand.inside.has_parentheses:
                return "it has parentheses in brackets, which Slurm 22.05 reads wrong"
            if "&" in operand.inside.operators:
                return "it has '&' in brackets"
    return ""


def _ends_with(constraint: Constraint, labels: Sequence[str]) -> bool:
    """Whether the last operands are the labels, each bound by `&` to what stands before."""
    last = tuple(map(Feature, labels))
    signs = ("&", *constraint.operators)[-len(last) :]
    return constraint.operands[-len(last) :] == last and set(signs) == {"&"}
