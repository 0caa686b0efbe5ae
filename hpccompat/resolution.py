"""From what a job says it needs to the spec that this leads to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hpccompat.artifact.access import Access
from hpccompat.artifact.cache import Entry, SpecCache
from hpccompat.demand import Demand
from hpccompat.errors import DocumentError, ImageUnknown, InvalidReference, RegistryDown, RegistryError, SpecError
from hpccompat.reference import (
    ImageReference,
    LayoutReference,
    PathReference,
    SpackReference,
    parse_reference,
    parse_spack,
)
from hpccompat.spec.conjoin import conjoined
from hpccompat.spec.decode import load_normalised, load_spec
from hpccompat.spec.encode import dump_spec
from hpccompat.spec.model import CompatibilitySpec

if TYPE_CHECKING:
    from hpccompat.spack.facts import Facts
    from hpccompat.spack.installed import Files
    from hpccompat.spack.model import Concrete

T = TypeVar("T")


@dataclass(frozen=True)
class Resolved:
    """`image` is the digest of the image, "" for a spec from a file. `facts`: what is known of a Spack binary."""

    spec: CompatibilitySpec
    image: str
    found_at: str
    facts: Facts | None = None


@dataclass(frozen=True)
class Search:
    """How specs are looked up. `cache`: None to ask anew each time. `offline`: only the cache is asked. `mirrors`:
    Spack's."""

    access: Access
    cache: SpecCache | None = None
    offline: bool = False
    mirrors: tuple[str, ...] = ()


def resolve(demand: Demand, search: Search) -> Resolved | None:
    """The spec that the demand leads to; None for an image without one.

    Raises ImageError, ImageUnknown, InvalidReference, RegistryError, SpecError; of a Spack binary BuildcacheError,
    SpackError."""
    if demand.unknown:
        raise ImageUnknown(f"{demand.origin} {demand.unknown}")
    if demand.kind == "spack":
        from hpccompat.spack.fetch import Access as MirrorAccess
        from hpccompat.spack.find import find_binary

        binary = find_binary(
            parse_spack(demand.name), search.mirrors, MirrorAccess(search.access.deadline, search.access.plain_http)
        )
        return with_attached(resolve_binary(binary), binary, demand.tags, search)
    if demand.kind == "spec":
        return Resolved(_load(_spec_file(demand.name), demand.tags), "", demand.name)
    reference = parse_reference(demand.name)
    if isinstance(reference, ImageReference):
        found = _of_registry(reference, search)
    elif isinstance(reference, PathReference | LayoutReference):
        found = _on_disk(reference, demand, search)
    else:
        raise ImageUnknown(f"{demand.origin} {demand.name}: images of this kind are not looked up")
    if found is None:
        return None
    return replace(found, spec=_with_sets(found.spec, demand.tags, found.found_at))


def _on_disk(reference: PathReference | LayoutReference, demand: Demand, search: Search) -> Resolved | None:
    """What the image carries itself, else the spec of the image that it was made from. Raises ImageError, ImageUnknown,
    SpecError."""
    from hpccompat.artifact.local import find_image

    if not demand.named_to_us and not os.path.lexists(reference.path):
        # Of a plugin's option: the nodes may have what this host hasn't got.
        raise ImageUnknown(f"{demand.origin} {reference}: {reference.path} is not on this host")
    local = find_image(reference, search.access.architecture)
    if local.data is not None:
        return Resolved(_decoded(local.data, local.found_at), local.digest, local.found_at)
    if not local.origin:
        return None
    try:
        origin = parse_reference(local.origin)
        found = _of_registry(origin, search) if isinstance(origin, ImageReference) else None
    except (InvalidReference, RegistryError) as error:
        # A name that a file has recorded some day: nobody has asked for it, and it need not be there any more.
        raise ImageUnknown(f"{local.found_at}, and has no spec of its own: {error}") from error
    return replace(found, image="", found_at=f"{found.found_at} ({local.found_at})") if found is not None else None


def _of_registry(reference: ImageReference, search: Search) -> Resolved | None:
    """By the cache, as far as that goes. Raises RegistryError, SpecError."""
    cache = search.cache
    search.access.check(reference.host)
    if cache is None and not search.offline:
        return _found(reference, search)
    cache = cache or SpecCache(())
    digest = _digest(reference, search, cache)
    name = _name(replace(reference, tag="", digest=digest), search.access)
    kept = cache.get("spec", name) or cache.get("none", name)
    if kept is not None and kept.kind == "none":
        return None
    if kept is not None:
        try:
            return Resolved(load_normalised(kept.text), kept.image, kept.found_at)
        except SpecError:
            pass  # written by another version
    if search.offline:
        raise RegistryError(f"the spec of {reference} is not in the cache, and nothing is asked for (offline)")
    found = _guarded(reference, cache, lambda: _found(replace(reference, digest=digest), search))
    now = time.time()
    if found is None:
        cache.put(Entry("none", name, "", now, digest))
    else:
        cache.put(Entry("spec", name, dump_spec(found.spec), now, found.image, found.found_at))
    return found


def _digest(reference: ImageReference, search: Search, cache: SpecCache) -> str:
    """What the reference stands for now. Raises RegistryError."""
    if reference.digest:
        return reference.digest
    kept = cache.get("tag", str(reference))
    if kept is not None:
        return kept.text
    if search.offline:
        raise RegistryError(f"which image {reference} is now is not in the cache, and nothing is asked for (offline)")
    # Imported here: the network costs more than all the rest, and only a lookup needs it.
    from hpccompat.artifact.registry import image_digest

    digest = _guarded(reference, cache, lambda: image_digest(reference, search.access))
    cache.put(Entry("tag", str(reference), digest, time.time(), digest))
    return digest


def _guarded(reference: ImageReference, cache: SpecCache, call: Callable[[], T]) -> T:
    """The call, unless the registry was dead a moment ago. Raises RegistryError."""
    dead = cache.get("dead", reference.endpoint)
    if dead is not None:
        seconds = max(time.time() - dead.at, 0)
        raise RegistryDown(f"{dead.text} ({seconds:.0f} s ago; it is asked again after a minute)")
    try:
        return call()
    except RegistryDown as error:
        cache.put(Entry("dead", reference.endpoint, str(error), time.time()))
        raise


def _found(reference: ImageReference, search: Search) -> Resolved | None:
    from hpccompat.artifact.registry import find_spec

    lookup = find_spec(reference, search.access)
    if lookup.artifact is None:
        return None
    return Resolved(_decoded(lookup.artifact.data, lookup.artifact.found_at), lookup.image, lookup.artifact.found_at)


def _name(reference: ImageReference, access: Access) -> str:
    """Of a cache's entry: all that decides what is found."""
    mapped = ",".join(f"{key}={value}" for key, value in sorted(access.spec_map.items()))
    return f"{reference} {access.architecture} {mapped}".rstrip()


def with_attached(found: Resolved, binary: Concrete, tags: Collection[str], search: Search) -> Resolved:
    """What is known of a binary, and what its author has attached to it in its registry: a node must satisfy both.
    Raises RegistryError, SpecError."""
    from hpccompat.spack.oci import image_of

    image = image_of(binary.mirror, binary.root_nodes()[0])
    plain = binary.mirror.startswith("oci+http://") and image is not None
    access = search.access
    if image is not None and plain:
        access = replace(access, plain_http=(*access.plain_http, image.host))
    attached = _of_registry(image, replace(search, access=access)) if image is not None else None
    if attached is None:
        return replace(found, spec=_with_sets(found.spec, tags, found.found_at))
    spec = conjoined(found.spec, attached.spec)
    where = f"{found.found_at}, and {attached.found_at}"
    return replace(found, spec=_with_sets(spec, tags, where), image=attached.image, found_at=where)


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


def _decoded(data: bytes, where: str) -> CompatibilitySpec:
    try:
        return load_spec(data)
    except DocumentError as error:
        raise _at(error, where) from error


def _at(error: DocumentError, where: str) -> SpecError:
    return SpecError(error.kind, f"{error.text} (in {where})", error.path, error.line, error.column)


def _with_sets(spec: CompatibilitySpec, tags: Collection[str], where: str) -> CompatibilitySpec:
    try:
        return _evaluable(spec, tags)
    except DocumentError as error:
        raise _at(error, where) from error


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
