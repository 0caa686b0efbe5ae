"""Go's values in Python, and what templates see of a node.

    bool, float64, complex128    bool, float, complex
    int                          int; the other kinds are its subclasses below
    string                       bytes, whether or not they are UTF-8
    nil                          None; also an interface that holds nil, and what Go calls an invalid value
    slices and maps              Slice and Map, which know the name of their type

Rules read   matchedFeatures        domain of a feature's name -> the rest of it -> its matched elements
             MatchedElement         {Name}, {Name, Value}, or an instance's attributes
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from hpccompat.rules.template.limits import Limits


class Int64(int):
    pass


class Uint64(int):
    pass


class Uint8(int):
    pass


LIST = "[]interface {}"
STRINGS = "[]string"
INTS = "[]int"
LISTS = "[][]interface {}"
DICT = "map[string]interface {}"
STRING_MAP = "map[string]string"
ELEMENT = "nodefeaturerule.MatchedElement"
ELEMENTS = "[]nodefeaturerule.MatchedElement"
DOMAIN = "nodefeaturerule.domainMatchedFeatures"
DOMAINS = "map[string]nodefeaturerule.domainMatchedFeatures"


@dataclass(eq=False)
class Slice:
    """`nil` tells Go's nil slice from an empty one. Go's sort works in place, hence a list."""

    items: list[Value]
    type: str = LIST
    nil: bool = False


@dataclass(eq=False)
class Map:
    """A reference, like Go's: `set` changes what every variable that holds it sees."""

    items: dict[bytes, Value] = field(default_factory=dict)
    type: str = DICT
    nil: bool = False


@dataclass(frozen=True)
class SemVer:
    """`pointer` tells Go's *semver.Version, which `semver` returns, from a semver.Version, which IncMajor returns."""

    major: int
    minor: int
    patch: int
    pre: bytes = b""
    metadata: bytes = b""
    original: bytes = b""
    pointer: bool = True

    @property
    def text(self) -> bytes:
        numbers = b"%d.%d.%d" % (self.major, self.minor, self.patch)
        return numbers + (b"-" + self.pre if self.pre else b"") + (b"+" + self.metadata if self.metadata else b"")


Value: TypeAlias = "bool | int | float | complex | bytes | Slice | Map | SemVer | None"

_TYPES: Mapping[type, str] = {
    bool: "bool", int: "int", Int64: "int64", Uint64: "uint64", Uint8: "uint8", float: "float64",
    complex: "complex128", bytes: "string", type(None): "<nil>",
}  # fmt: skip


def type_name(value: Value) -> str:
    """What Go's %T prints."""
    if isinstance(value, (Slice, Map)):
        return value.type
    if isinstance(value, SemVer):
        return "*semver.Version" if value.pointer else "semver.Version"
    return _TYPES[type(value)]


def kind_name(value: Value) -> str:
    """reflect.Kind's name."""
    if isinstance(value, SemVer):
        return "ptr" if value.pointer else "struct"
    if value is None:
        return "invalid"
    return "slice" if isinstance(value, Slice) else "map" if isinstance(value, Map) else _TYPES[type(value)]


def zero_of_values(container: Map) -> Value:
    """What Go's index yields for a key that the map lacks: the zero value of the map's values."""
    if container.type == DOMAINS:
        return Map(type=DOMAIN, nil=True)
    if container.type == DOMAIN:
        return Slice([], ELEMENTS, nil=True)
    return b"" if container.type in (STRING_MAP, ELEMENT) else None


def truth(value: Value) -> bool:
    """text/template's isTrue: not the zero value, not empty. A struct or pointer is always true."""
    if isinstance(value, (Slice, Map)):
        return bool(value.items)
    return bool(value)


def template_data(limits: Limits, terms: Iterable[tuple[str, Collection[Mapping[str, str]]]]) -> Map:
    """Of (feature name as the spec writes it, matched elements); equal names append."""
    data = Map(type=DOMAINS)
    for feature, elements in terms:
        limits.step(1 + len(elements))
        domain, _, rest = feature.partition(".")
        features = data.items.setdefault(go_string(domain), Map(type=DOMAIN))
        assert isinstance(features, Map)
        found = features.items.setdefault(go_string(rest), Slice([], ELEMENTS))
        assert isinstance(found, Slice)
        found.items += [
            Map({go_string(key): go_string(value) for key, value in each.items()}, ELEMENT) for each in elements
        ]
    return data


def go_string(text: str) -> bytes:
    """Bytes of a text; what is no character becomes U+FFFD, as where Go decodes JSON."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in text).encode()


def runes(text: bytes) -> str:
    """Go's []rune(text): each byte that is not part of a character is one U+FFFD."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        decoded = text.decode("utf-8", "surrogateescape")
        return "".join("\ufffd" if "\udc80" <= each <= "\udcff" else each for each in decoded)


def wrapped(number: int) -> int:
    """A number in 64 bits, signed, as Go's integers overflow."""
    return (number + 2**63) % 2**64 - 2**63
