"""A rule's `varsTemplate` to variables: lines of NAME=VALUE. The door of `rules/template`, which is only imported
where there is a template."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from hpccompat.errors import EvaluationError

if TYPE_CHECKING:
    from hpccompat.rules.template.tree import Template

# NFD's limit, in bytes of the template's text.
TEXT_LIMIT = 65536
# Go's TrimSpace: Unicode's White_Space, which lacks what Python strips besides (U+001C to U+001F).
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# A feature set as the spec writes it, and its elements that matched.
Matching: TypeAlias = "tuple[str, Collection[Mapping[str, str]]]"


@dataclass(frozen=True)
class VarsTemplate:
    """The template of a rule."""

    text: str

    @property
    def too_large(self) -> bool:
        return len(self.text.encode("utf-8", "surrogatepass")) > TEXT_LIMIT

    @cached_property
    def _parsed(self) -> tuple[Template | None, str, str]:
        """The template; or None, and why Go can't parse it, or why this version refuses it."""
        # All that evaluation needs later on, since then Python's own files may be out of reach.
        import hpccompat.rules.template.execute  # noqa: F401
        from hpccompat.rules.template.parser import parse_template
        from hpccompat.rules.template.refused import TemplateSyntaxError, UnsupportedTemplate

        try:
            return parse_template(self.text), "", ""
        except TemplateSyntaxError as error:
            return None, str(error), ""
        except UnsupportedTemplate as error:
            return None, "", str(error)

    @property
    def unsupported(self) -> str:
        """What of it this version can't evaluate, "" if nothing; loading a spec asks for it."""
        return "" if self.too_large else self._parsed[2]

    @property
    def wrong(self) -> str:
        """Why nothing at all can come of it, "" if something may. NFD only notices where the rule matches."""
        if self.too_large:
            return f"has more than {TEXT_LIMIT} bytes"
        return self._parsed[1] and f"can't be parsed: {self._parsed[1]}"

    def variables(self, terms: Iterable[Matching], spent: int = 0) -> tuple[dict[str, str], int]:
        """The variables, and the steps that templates have taken up to now, `spent` before this one.

        Raises EvaluationError of kind `template-size`, `template-parse`, `template-exec`, `template-line` or `limit`.
        """
        if self.too_large:
            raise EvaluationError("template-size", f"varsTemplate {self.wrong}")
        template = self._parsed[0]
        if template is None:
            raise EvaluationError("template-parse", f"varsTemplate {self.wrong or self.unsupported}")
        from hpccompat.rules.template.execute import execute
        from hpccompat.rules.template.limits import Limits
        from hpccompat.rules.template.values import runes, template_data

        limits = Limits(spent)
        try:
            written = runes(execute(template, template_data(limits, terms), limits))
        except RecursionError as error:
            raise EvaluationError("limit", "varsTemplate nests too deep") from error
        return _lines(written), spent + limits.taken


def _lines(text: str) -> dict[str, str]:
    found = {}
    for line in text.split("\n"):
        name, equals, value = line.strip(WHITE_SPACE).partition("=")
        if not equals and name:
            raise EvaluationError("template-line", f"varsTemplate writes a line without '=': {name[:200]!r}")
        if equals:
            found[name] = value
    return found
