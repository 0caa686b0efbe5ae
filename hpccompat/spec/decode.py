"""The text of a spec to a CompatibilitySpec. What NFD accepts is accepted, within limits."""

from __future__ import annotations

from collections.abc import Callable

from hpccompat.document import fields, json
from hpccompat.document.tree import Node
from hpccompat.errors import DocumentError, SpecError
from hpccompat.rules.model import MatchExpression, Rule, Term
from hpccompat.rules.vars_template import VarsTemplate
from hpccompat.spec.model import CompatibilitySet, CompatibilitySpec


def load_spec(text: str | bytes) -> CompatibilitySpec:
    """Reads YAML or JSON.

    Raises SpecError of kind `yaml-syntax`, `spec-type` (a wrong type; names the path), `limit`, or
    `unsupported-template` (a template uses what this version can't evaluate; names it).
    """
    # Imported here: specs that were read once are kept as JSON.
    from hpccompat.document.yaml import parse

    return _load(parse, text)


def load_normalised(text: str | bytes) -> CompatibilitySpec:
    """Reads what `dump_spec` wrote. Raises SpecError."""
    return _load(json.parse, text)


def _load(parse: Callable[[str | bytes], Node], text: str | bytes) -> CompatibilitySpec:
    try:
        top = fields.mapping(parse(text), "") or {}
        return CompatibilitySpec(
            fields.sequence(fields.field(top, "compatibilities"), "compatibilities", _set) or (),
            fields.string(fields.field(top, "version"), "version"),
        )
    except SpecError:
        raise
    except DocumentError as error:
        raise SpecError(error.kind, error.text, error.path, error.line, error.column) from error


def _set(node: Node, path: str) -> CompatibilitySet:
    entries = fields.mapping(node, path) or {}
    return CompatibilitySet(
        fields.sequence(fields.field(entries, "rules"), f"{path}.rules", _rule) or (),
        fields.integer(fields.field(entries, "weight"), f"{path}.weight"),
        fields.string(fields.field(entries, "tag"), f"{path}.tag"),
        fields.string(fields.field(entries, "description"), f"{path}.description"),
    )


def _rule(node: Node, path: str) -> Rule:
    entries = fields.mapping(node, path) or {}
    name = fields.string(fields.field(entries, "name"), f"{path}.name")
    variables = fields.mapping(fields.field(entries, "vars"), f"{path}.vars") or {}
    return Rule(
        name,
        fields.sequence(fields.field(entries, "matchFeatures"), f"{path}.matchFeatures", _term) or (),
        fields.sequence(fields.field(entries, "matchAny"), f"{path}.matchAny", _alternative) or (),
        {key: fields.string(value, f"{path}.vars.{key}") for key, value in variables.items()},
        _template(fields.field(entries, "varsTemplate"), f"{path}.varsTemplate"),
    )


def _template(node: Node | None, path: str) -> VarsTemplate | None:
    text = fields.string(node, path)
    if node is None or not text:
        return None
    template = VarsTemplate(text)
    if template.unsupported:
        problem = f"this version of hpccompat can't evaluate the template: {template.unsupported}"
        raise SpecError("unsupported-template", problem, path, node.line, node.column)
    return template


def _alternative(node: Node, path: str) -> tuple[Term, ...]:
    entries = fields.mapping(node, path) or {}
    return fields.sequence(fields.field(entries, "matchFeatures"), f"{path}.matchFeatures", _term) or ()


def _term(node: Node, path: str) -> Term:
    entries = fields.mapping(node, path) or {}
    expressions = fields.mapping(fields.field(entries, "matchExpressions"), f"{path}.matchExpressions")
    return Term(
        fields.string(fields.field(entries, "feature"), f"{path}.feature"),
        None
        if expressions is None
        else {key: _expression(value, f"{path}.matchExpressions.{key}") for key, value in expressions.items()},
        _expression(fields.field(entries, "matchName"), f"{path}.matchName"),
    )


def _expression(node: Node | None, path: str) -> MatchExpression | None:
    entries = fields.mapping(node, path)
    if entries is None:
        return None
    return MatchExpression(
        fields.string(fields.field(entries, "op"), f"{path}.op"),
        fields.sequence(fields.field(entries, "value"), f"{path}.value", fields.string) or (),
        fields.string(fields.field(entries, "type"), f"{path}.type"),
    )
