"""Random requests for nodes, and what they mean: an evaluator that shares nothing with hpccompat's.

A constraint is made as a tree, printed for Slurm, and judged by its tree.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Set
from dataclasses import dataclass

# Node -> its Slurm features: the bits of its number, its own name, and one that all have.
NODES: Mapping[str, tuple[str, ...]] = {
    f"f{number}": (*(bit for position, bit in enumerate("abcd") if number >> position & 1), "base", f"n{number}")
    for number in range(16)
}
NAMES = (*"abcd" * 24, *("base",) * 8, *(f"n{number}" for number in range(16)))


@dataclass(frozen=True)
class Name:
    name: str

    def __str__(self) -> str:
        return self.name

    def holds(self, node: str) -> bool:
        return self.name in NODES[node]


@dataclass(frozen=True)
class Chain:
    """Terms from left to right, without precedence; `signs` has one less."""

    terms: tuple[Name | Parentheses, ...]
    signs: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f"{sign}{term}" for sign, term in zip(("", *self.signs), self.terms, strict=True))

    def holds(self, node: str, before: bool = False, sign: str = "|") -> bool:
        """`before` and `sign`: of what stands left of it."""
        for each, term in zip((sign, *self.signs), self.terms, strict=True):
            here = term.holds(node)
            before = before or here if each == "|" else before and here
        return before


@dataclass(frozen=True)
class Parentheses:
    inside: Chain

    def __str__(self) -> str:
        return f"({self.inside})"

    def holds(self, node: str) -> bool:
        return self.inside.holds(node)


@dataclass(frozen=True)
class Plain:
    """Every node satisfies it."""

    chain: Chain

    def __str__(self) -> str:
        return str(self.chain)

    def choices(self) -> list[Set[str]]:
        return [{node for node in NODES if self.chain.holds(node)}]

    def satisfied(self, nodes: Set[str], version: tuple[int, int]) -> bool:
        return any(nodes <= choice for choice in self.choices())


@dataclass(frozen=True)
class Alternatives:
    """`left & [x|y] & right`: all nodes satisfy it with the same one of the alternatives."""

    alternatives: tuple[Name | Parentheses, ...]
    left: Chain | None = None
    right: Chain | None = None

    def __str__(self) -> str:
        left = f"{self.left}&" if self.left else ""
        right = f"&{self.right}" if self.right else ""
        return f"{left}[{'|'.join(map(str, self.alternatives))}]{right}"

    def choices(self) -> list[Set[str]]:
        return [{node for node in NODES if self._holds(node, each)} for each in self.alternatives]

    def _holds(self, node: str, alternative: Name | Parentheses) -> bool:
        found = alternative.holds(node) and (self.left is None or self.left.holds(node))
        return self.right.holds(node, found, "&") if self.right else found

    def satisfied(self, nodes: Set[str], version: tuple[int, int]) -> bool:
        # Before 23.02 Slurm lets go of what stands left of such brackets, and asks the rest.
        if version < (23, 2) and any(isinstance(each, Parentheses) for each in self.alternatives):
            return True
        return any(nodes <= choice for choice in self.choices())


@dataclass(frozen=True)
class Counted:
    """`a*2`, `[a*2&b*1]`: so many nodes satisfy each; what stands beside (`aside`) Slurm ignores, or rejects."""

    counts: tuple[tuple[Name | Parentheses, int], ...]
    brackets: bool
    aside: str = ""

    def __str__(self) -> str:
        text = "&".join(f"{term}*{count}" for term, count in self.counts)
        return (f"[{text}]" if self.brackets else text) + self.aside

    def choices(self) -> list[Set[str]]:
        return []

    def satisfied(self, nodes: Set[str], version: tuple[int, int]) -> bool:
        wanted = [term for term, count in self.counts for _ in range(count)]
        return any(
            all(term.holds(node) for term, node in zip(wanted, order, strict=True))
            for order in itertools.permutations(nodes, len(wanted))
        )


@dataclass(frozen=True)
class Odd:
    """What some release of Slurm takes and another rejects, or all reject; what it means is for Slurm to say."""

    text: str

    def __str__(self) -> str:
        return self.text

    def choices(self) -> list[Set[str]]:
        return []

    def satisfied(self, nodes: Set[str], version: tuple[int, int]) -> bool:
        return True


ODD = ("(a|b)c", "([a|b])", "((a|b)&c)", "(a|(b&c))", "a&&b", "a|nosuch", "[a&b]", "[a|b]&[c|d]", "[a*1|b*2]", "(a|b")


@dataclass(frozen=True)
class Request:
    """What a user asks for. `constraint_text` is how it was typed."""

    nodes: int
    constraint: Plain | Alternatives | Counted | Odd | None
    prefer: Plain | None
    exclude: frozenset[str]
    nodelist: frozenset[str]
    constraint_text: str

    def satisfied(self, nodes: Set[str], version: tuple[int, int]) -> bool:
        """Whether Slurm, by its documentation and its measured faults, may give these nodes; `prefer` overrides
        `constraint`."""
        if len(nodes) != self.nodes or nodes & self.exclude or not self.nodelist <= nodes:
            return False
        kinds = [each for each in (self.constraint, self.prefer) if each]
        if self.constraint is None:
            return True
        return any(each.satisfied(nodes, version) for each in kinds)

    @property
    def doubtful(self) -> bool:
        """Whether Slurm may reject it though there are nodes: `prefer` may ask for too much, and with an `|` right of
        brackets Slurm takes no more than a part of what the evaluator would."""
        if isinstance(self.constraint, Alternatives):
            return self.prefer is not None or bool(self.constraint.right and "|" in self.constraint.right.signs)
        return self.prefer is not None or isinstance(self.constraint, (Counted, Odd))

    def must_start(self, compatible: Set[str]) -> bool:
        """Whether there are enough nodes, beyond doubt."""
        if self.doubtful:
            return False
        usable = compatible - self.exclude
        choices = self.constraint.choices() if self.constraint else [set(NODES)]
        return any(len(usable & choice) >= self.nodes and self.nodelist <= usable & choice for choice in choices)


def chain(dice: random.Random, parentheses: bool, longest: int = 4) -> Chain:
    terms = tuple(
        Parentheses(chain(dice, False, 3)) if parentheses and dice.random() < 0.5 else Name(dice.choice(NAMES))
        for _ in range(dice.randint(1, longest))
    )
    return Chain(terms, tuple(dice.choice("&|") for _ in terms[1:]))


def some(dice: random.Random, most: int) -> frozenset[str]:
    return frozenset(dice.sample(list(NODES), dice.randint(1, most)))


def alternatives(dice: random.Random) -> Alternatives:
    deep = dice.random() < 0.25
    terms: list[Name | Parentheses] = [
        Parentheses(chain(dice, False, 3)) if deep else Name(dice.choice(NAMES)) for _ in range(dice.randint(1, 3))
    ]
    left = chain(dice, dice.random() < 0.5, 3) if dice.random() < 0.5 else None
    right = chain(dice, dice.random() < 0.5, 3) if dice.random() < 0.5 else None
    return Alternatives(tuple(terms), left, right)


def counted(dice: random.Random, nodes: int) -> Counted:
    term = Parentheses(chain(dice, False, 2)) if dice.random() < 0.3 else Name(dice.choice("abcd"))
    aside = dice.choice(["", "", "&b", "&(c|d)"])
    if dice.random() < 0.5 or nodes < 2:
        return Counted(((term, dice.randint(1, nodes)),), False, aside)
    first = dice.randint(1, nodes - 1)
    return Counted(((term, first), (Name(dice.choice("abcd")), nodes - first)), True, aside)


# How often of each.
KINDS = {"none": 10, "flat": 30, "parentheses": 25, "alternatives": 20, "counts": 15, "odd": 5}


def request(dice: random.Random) -> Request:
    nodes = dice.choice([1, 1, 2, 2, 3, 4])
    kind = dice.choices(list(KINDS), list(KINDS.values()))[0]
    constraint: Plain | Alternatives | Counted | Odd | None = None
    if kind in ("flat", "parentheses"):
        constraint = Plain(chain(dice, kind == "parentheses"))
    elif kind == "alternatives":
        constraint = alternatives(dice)
    elif kind == "counts":
        constraint = counted(dice, nodes)
    elif kind == "odd":
        constraint = Odd(dice.choice(ODD))
    text = str(constraint or "")
    if text and dice.random() < 0.2:
        text = text.replace("&", ",")
    if isinstance(constraint, Plain) and dice.random() < 0.1:
        text += dice.choice("&|,")
    return Request(
        nodes,
        constraint,
        Plain(chain(dice, dice.random() < 0.5, 3)) if dice.random() < 0.2 else None,
        some(dice, 5) if dice.random() < 0.3 else frozenset(),
        some(dice, min(nodes, 2)) if dice.random() < 0.15 else frozenset(),
        text,
    )


def case(dice: random.Random) -> tuple[Request, list[frozenset[str]]]:
    """A request, and the compatible nodes of each of its images; for most there are nodes where it can start."""
    while True:
        user = request(dice)
        sets = [frozenset(dice.sample(list(NODES), dice.randint(4, 14))) for _ in range(dice.choice([1, 1, 1, 2]))]
        both = frozenset.intersection(*sets)
        if both and (user.doubtful or user.must_start(both) or dice.random() < 0.1):
            return user, sets
