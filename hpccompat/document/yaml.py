"""Text to a tree: the first document of a YAML stream (JSON is read as the YAML that it is).

The tree is built from the parser's events, without recursion, so that a hostile document costs no more
than its limits allow.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from hpccompat.document.scalar import as_key, plain
from hpccompat.document.tree import Mapping, Node, Scalar, Sequence
from hpccompat.errors import DocumentError

_PREFIX = "tag:yaml.org,2002:"
_CORE_TAGS = {_PREFIX + name for name in ("str", "int", "float", "bool", "null", "seq", "map", "merge", "timestamp")}
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Limits:
    """What one document may hold; an alias counts as the nodes that it stands for."""

    size: int = 1024 * 1024
    depth: int = 64
    nodes: int = 10_000
    aliases: int = 100


@dataclass
class _Open:
    """A collection that is still being read."""

    kind: type[Sequence] | type[Mapping]
    line: int
    column: int
    anchor: str | None
    items: list[Node]
    weight: int = 1


def parse(text: str | bytes, limits: Limits = Limits()) -> Node:
    """Raises DocumentError of kind `yaml-syntax` or `limit`, with line and column."""
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > limits.size:
        raise DocumentError("limit", f"the document has {size} bytes, more than {limits.size}")
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return _Builder(limits).build(decoded)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(
            "yaml-syntax",
            " ".join(filter(None, (error.context, error.problem))) or "not YAML",
            line=mark.line + 1 if mark else 0,
            column=mark.column + 1 if mark else 0,
        ) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise DocumentError("yaml-syntax", str(error).splitlines()[0]) from error


class _Builder:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.nodes = 0
        self.aliases = 0
        self.anchors: dict[str, tuple[Node, int]] = {}

    def build(self, text: str) -> Node:
        stack: list[_Open] = []
        for event in yaml.parse(text, Loader=_Loader):
            mark = event.start_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            if isinstance(event, yaml.DocumentStartEvent) and event.version not in (None, (1, 1)):
                raise DocumentError("yaml-syntax", "only YAML 1.1 documents are read", "", line, column)
            if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                if len(stack) >= self.limits.depth:
                    raise DocumentError("limit", f"nested more than {self.limits.depth} deep", "", line, column)
                self._check_tag(event.tag, line, column)
                self._count(1, line, column)
                kind = Sequence if isinstance(event, yaml.SequenceStartEvent) else Mapping
                stack.append(_Open(kind, line, column, event.anchor, []))
                continue
            if isinstance(event, yaml.ScalarEvent):
                node: Node = self._scalar(event, line, column)
                weight, anchor = 1, event.anchor
            elif isinstance(event, yaml.AliasEvent):
                node, weight = self._alias(event.anchor or "", line, column)
                anchor = None
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                opened = stack.pop()
                node, weight, anchor = _close(opened), opened.weight, opened.anchor
            elif isinstance(event, yaml.DocumentEndEvent):
                break
            else:
                continue
            if not isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                self._count(weight, line, column)
            if anchor:
                self.anchors[anchor] = (node, weight)
            if not stack:
                return node
            stack[-1].items.append(node)
            stack[-1].weight += weight
        return Scalar(None, 1, 1)

    def _count(self, weight: int, line: int, column: int) -> None:
        self.nodes += weight
        if self.nodes > self.limits.nodes:
            raise DocumentError("limit", f"more than {self.limits.nodes} values", "", line, column)

    def _alias(self, anchor: str, line: int, column: int) -> tuple[Node, int]:
        self.aliases += 1
        if self.aliases > self.limits.aliases:
            raise DocumentError("limit", f"more than {self.limits.aliases} aliases", "", line, column)
        if anchor not in self.anchors:
            raise DocumentError("yaml-syntax", f"unknown anchor {anchor!r}", "", line, column)
        return self.anchors[anchor]

    def _scalar(self, event: yaml.ScalarEvent, line: int, column: int) -> Scalar:
        self._check_tag(event.tag, line, column)
        tagged = event.tag.removeprefix(_PREFIX) if event.tag and event.tag != "!" else None
        if tagged == "str" or (tagged is None and not event.implicit[0]) or _is_local(event.tag):
            return Scalar(event.value, line, column, event.value, quoted=True)
        value = plain(event.value)
        accepted = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}
        if tagged in accepted and not isinstance(value, accepted[tagged]):  # type: ignore[arg-type]
            raise DocumentError("yaml-syntax", f"{event.value!r} is no {tagged}", "", line, column)
        return Scalar(value, line, column, event.value)

    @staticmethod
    def _check_tag(tag: str | None, line: int, column: int) -> None:
        if tag not in (None, "!") and tag not in _CORE_TAGS and not _is_local(tag):
            raise DocumentError("yaml-syntax", f"tag {tag!r} is not one of YAML's core tags", "", line, column)


def _is_local(tag: str | None) -> bool:
    """Tags like !x, which mean nothing here: go-yaml takes such a scalar as text, a collection as it is."""
    return tag is not None and tag.startswith("!") and tag != "!"


def _close(opened: _Open) -> Node:
    if opened.kind is Sequence:
        return Sequence(tuple(opened.items), opened.line, opened.column)
    entries: dict[str, Node] = {}
    for key, value in zip(opened.items[::2], opened.items[1::2], strict=True):
        if not isinstance(key, Scalar) or key.value is None:
            raise DocumentError("yaml-syntax", f"{key.noun()} can't be a key", "", key.line, key.column)
        if isinstance(key.value, int) and key.value >= 2**63:
            raise DocumentError("yaml-syntax", f"{key.value} is too large for a key", "", key.line, key.column)
        if key.value == "<<" and not key.quoted:
            entries |= _merged(value)
        else:
            entries[as_key(key.value)] = value
    return Mapping(entries, opened.line, opened.column)


def _merged(value: Node) -> dict[str, Node]:
    """What a merge key brings: of several mappings the earlier one wins."""
    parts = value.items if isinstance(value, Sequence) else (value,)
    merged: dict[str, Node] = {}
    for part in reversed(parts):
        if not isinstance(part, Mapping):
            raise DocumentError("yaml-syntax", "a merge needs a mapping, or a list of them", "", part.line, part.column)
        merged |= part.entries
    return merged
