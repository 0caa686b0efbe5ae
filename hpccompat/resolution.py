"""From what a job says it needs to the spec that this leads to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpccompat.demand import Demand
from hpccompat.errors import ImageUnknown, RegistryError, SpecError
from hpccompat.reference import ImageReference, SpackReference, parse_reference, parse_spack
from hpccompat.spec.decode import load_spec
from hpccompat.spec.model import CompatibilitySpec

if TYPE_CHECKING:
    from hpccompat.spack.facts import Facts
    from hpccompat.spack.installed import Files
    from hpccompat.spack.model import Concrete


@dataclass(frozen=True)
class Resolved:
    """`image` is the digest of the image, "" for a spec from a file. `facts`: what is known of a Spack binary."""

    spec: CompatibilitySpec
    image: str
    found_at: str
    facts: Facts | None = None


def resolve(
    demand: Demand, deadline: float, plain_http: tuple[str, ...], mirrors: tuple[str, ...] = ()
) -> Resolved | None:
    """The spec that the demand leads to; None for an image without one. `deadline`: seconds for a lookup in a registry;
    `plain_http`: registries spoken to without TLS; `mirrors`: Spack's.

    Raises ImageUnknown, InvalidReference, RegistryError, SpecError; of a Spack binary BuildcacheError, SpackError."""
    if demand.unknown:
        raise ImageUnknown(f"{demand.origin} {demand.unknown}")
    if demand.kind == "spack":
        from hpccompat.spack.fetch import Access as MirrorAccess
        from hpccompat.spack.find import find_binary

        binary = find_binary(parse_spack(demand.name), mirrors, MirrorAccess(deadline, plain_http))
        return resolve_binary(binary, demand.tags)
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


def resolve_binary(binary: Concrete, tags: Collection[str] = (), files: Files | None = None) -> Resolved:
    """The spec of a Spack binary; `files`: what its files say of themselves. Raises SpackError; SpecError where no set
    has one of the tags."""
    from hpccompat.spack.compatibility import compatibility_of
    from hpccompat.spack.facts import facts_of

    facts = facts_of(binary)
    if files is not None:
        from hpccompat.spack.installed import refined

        facts = refined(facts, files)
    return Resolved(_evaluable(compatibility_of(facts), tags), "", binary.found_at, facts)


def files_at_hand(binary: Concrete, deadline: float, plain_http: tuple[str, ...], download: bool = False) -> Files:
    """The files of a Spack binary: as far as it is installed here, or (`download`) from its mirror; both may take a
    while. Raises BuildcacheError, SpackError."""
    from hpccompat.spack.fetch import Access as MirrorAccess
    from hpccompat.spack.installed import files_of
    from hpccompat.spack.tarball import downloaded

    return downloaded(binary, MirrorAccess(deadline, plain_http)) if download else files_of(binary)


def resolve_binaries(
    reference: SpackReference, deadline: float, plain_http: tuple[str, ...], mirrors: tuple[str, ...]
) -> tuple[Concrete, ...]:
    """All Spack binaries that may be meant. Raises BuildcacheError, SpackError."""
    from hpccompat.spack.fetch import Access as MirrorAccess
    from hpccompat.spack.find import find_binaries

    return find_binaries(reference, mirrors, MirrorAccess(deadline, plain_http))


def _spec_file(name: str) -> bytes:
    try:
        with Path(name).open("rb") as opened:
            return opened.read(1024 * 1024 + 1)
    except (OSError, ValueError) as error:
        raise SpecError("yaml-syntax", f"spec file {name}: {getattr(error, 'strerror', None) or error}") from error


def _load(text: bytes, tags: Collection[str]) -> CompatibilitySpec:
    return _evaluable(load_spec(text), tags)


def _evaluable(spec: CompatibilitySpec, tags: Collection[str]) -> CompatibilitySpec:
    """The spec, if it has a set to evaluate. Raises SpecError."""
    if not spec.compatibilities:
        raise SpecError("spec-type", "is empty", "compatibilities")
    if tags and not any(each.tag in tags for each in spec.compatibilities):
        known = ", ".join(sorted(spec.tags())) or "none"
        raise SpecError("spec-type", f"no set has the tag {' or '.join(tags)} (there are {known})", "compatibilities")
    return spec
