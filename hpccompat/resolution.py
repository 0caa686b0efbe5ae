"""From what a job says it needs to the spec that this leads to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hpccompat.demand import Demand
from hpccompat.errors import ImageUnknown, RegistryError, SpecError
from hpccompat.reference import ImageReference, parse_reference
from hpccompat.spec.decode import load_spec
from hpccompat.spec.model import CompatibilitySpec


@dataclass(frozen=True)
class Resolved:
    """`image` is the digest of the image, "" for a spec from a file."""

    spec: CompatibilitySpec
    image: str
    found_at: str


def resolve(demand: Demand, deadline: float, plain_http: tuple[str, ...]) -> Resolved | None:
    """The spec that the demand leads to; None for an image without one. `deadline`: seconds for a lookup in a registry;
    `plain_http`: registries spoken to without TLS.

    Raises ImageUnknown, InvalidReference, RegistryError, SpecError."""
    if demand.unknown:
        raise ImageUnknown(f"{demand.origin} {demand.unknown}")
    if demand.kind == "spec":
        return Resolved(_load(_spec_file(demand.name), demand.tags), "", demand.name)
    reference = parse_reference(demand.name)
    if not isinstance(reference, ImageReference):
        if not demand.named_to_us:
            raise ImageUnknown(f"{demand.origin} {demand.name}: no image of a registry")
        raise RegistryError(f"{demand.name}: specs of images other than docker:// are not looked up by this version")
    from hpccompat.artifact.registry import Access, find_spec

    lookup = find_spec(reference, Access(deadline, plain_http))
    if lookup.artifact is None:
        return None
    try:
        return Resolved(_load(lookup.artifact.data, demand.tags), lookup.image, lookup.artifact.found_at)
    except SpecError as error:
        raise SpecError(
            error.kind, f"{error.text} (in {lookup.artifact.found_at})", error.path, error.line, error.column
        ) from error


def _spec_file(name: str) -> bytes:
    try:
        with Path(name).open("rb") as opened:
            return opened.read(1024 * 1024 + 1)
    except (OSError, ValueError) as error:
        raise SpecError("yaml-syntax", f"spec file {name}: {getattr(error, 'strerror', None) or error}") from error


def _load(text: bytes, tags: Collection[str]) -> CompatibilitySpec:
    """The spec, if it has a set to evaluate. Raises SpecError."""
    spec = load_spec(text)
    if not spec.compatibilities:
        raise SpecError("spec-type", "is empty", "compatibilities")
    if tags and not any(each.tag in tags for each in spec.compatibilities):
        known = ", ".join(sorted(spec.tags())) or "none"
        raise SpecError("spec-type", f"no set has the tag {' or '.join(tags)} (there are {known})", "compatibilities")
    return spec
