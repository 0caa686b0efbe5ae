"""All that can be said of a spec without a node: syntax, schema, lint; each with its place (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from hpccompat.document.tree import Path, as_data, at, shown
from hpccompat.document.yaml import parse
from hpccompat.errors import DocumentError, SpecError
from hpccompat.spec.decode import load_spec
from hpccompat.spec.lint import lint, unquoted
from hpccompat.spec.schema import violations


@dataclass(frozen=True)
class Remark:
    """`level`: error or warning. `line` and `column` count from 1."""

    level: str
    line: int
    column: int
    path: str
    text: str


def validate(text: str | bytes) -> tuple[Remark, ...]:
    """In the order of their places; nothing for a spec that is as it should be."""
    try:
        tree = parse(text)
        spec = load_spec(text)
    except (SpecError, DocumentError) as error:
        return (Remark("error", error.line, error.column, error.path, error.text),)
    found: dict[tuple[Path, str], str] = {}
    for finding in (*lint(spec), *unquoted(tree)):
        found.setdefault((finding.path, finding.text), finding.level)
    # What lint explains at a place, the schema need not say again.
    explained = {path for (path, _), level in found.items() if level == "error"}
    for path, problem in violations(as_data(tree)):
        if path not in explained:
            found.setdefault((path, problem), "error")
    remarks = []
    for (path, problem), level in found.items():
        node = at(tree, path)
        remarks.append(Remark(level, node.line, node.column, shown(path), problem))
    return tuple(sorted(remarks, key=lambda each: (each.line, each.column, each.text)))
