"""What a template reads: the elements that a rule's terms matched, in Go's shapes.

Domains   map[string]Features_   domain of a feature name -> the rest of it -> its matched elements
Element   map[string]string      {Name}, {Name, Value}, or an instance's attributes
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias


class Element(dict[str, str]):
    pass


class FeatureElements(dict[str, list[Element]]):
    pass


class Domains(dict[str, FeatureElements]):
    pass


Value: TypeAlias = "str | int | Element | FeatureElements | Domains | list[Element] | None"


def zero_of_values(container: Element | FeatureElements | Domains) -> Value:
    """What Go's index yields for a key that the map lacks: the zero value of the map's values."""
    if isinstance(container, Domains):
        return FeatureElements()
    return [] if isinstance(container, FeatureElements) else ""


def template_data(terms: Iterable[tuple[str, Iterable[Mapping[str, str]]]]) -> Domains:
    """Of (feature name as the spec writes it, matched elements); equal names append."""
    data = Domains()
    for feature, elements in terms:
        domain, _, rest = feature.partition(".")
        data.setdefault(domain, FeatureElements()).setdefault(rest, []).extend(Element(each) for each in elements)
    return data


def is_true(value: Value) -> bool:
    """text/template's truth: not the zero value, not empty."""
    return bool(value)


def printed(value: Value) -> str:
    """As Go's fmt prints it with %v."""
    if value is None:
        return "<no value>"
    if isinstance(value, (Element, FeatureElements, Domains)):
        return f"map[{' '.join(f'{key}:{printed(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(printed(each) for each in value)}]"
    return str(value)
