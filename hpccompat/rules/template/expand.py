"""A rule's `varsTemplate` to variables: lines of NAME=VALUE."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hpccompat.errors import EvaluationError
from hpccompat.rules.template.execute import execute
from hpccompat.rules.template.parser import parse_template
from hpccompat.rules.template.tree import Node
from hpccompat.rules.template.values import Domains

# NFD's limit, in bytes of the template's text.
TEXT_LIMIT = 65536


@dataclass(frozen=True)
class VarsTemplate:
    """The template of a rule."""

    text: str

    @property
    def too_large(self) -> bool:
        return len(self.text.encode("utf-8", "surrogatepass")) > TEXT_LIMIT

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Raises UnsupportedTemplate for what this version can't evaluate; loading a spec asks for it."""
        return () if self.too_large else parse_template(self.text)

    def variables(self, data: Domains) -> dict[str, str]:
        """Raises EvaluationError of kind `template-size`, `template-exec` or `template-line`."""
        if self.too_large:
            raise EvaluationError("template-size", f"varsTemplate has more than {TEXT_LIMIT} bytes")
        found = {}
        for line in execute(self.nodes, data).split("\n"):
            name, equals, value = _trimmed(line).partition("=")
            if not equals and name:
                raise EvaluationError("template-line", f"varsTemplate writes a line without '=': {name!r}")
            if equals:
                found[name] = value
        return found


def _trimmed(line: str) -> str:
    """Go's TrimSpace: Unicode's White_Space, which lacks what Python strips besides (U+001C to U+001F)."""
    return line.strip("\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
                      "\u2028\u2029\u202f\u205f\u3000")  # fmt: skip
