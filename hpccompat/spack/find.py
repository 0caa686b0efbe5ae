"""From the name of a Spack binary to what it is, in the mirrors where it may be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from hpccompat.errors import BuildcacheError, SpackError
from hpccompat.reference import SpackReference
from hpccompat.spack.buildcache import load_path, open_mirror
from hpccompat.spack.fetch import Access
from hpccompat.spack.model import Concrete, Node
from hpccompat.spack.query import parse_query

_SHOWN = 8


def find_binary(reference: SpackReference, mirrors: Sequence[str], access: Access) -> Concrete:
    """The one binary that is meant. Raises BuildcacheError, also where there is none, and SpackError, also where there
    are several."""
    found = find_binaries(reference, mirrors, access)
    if len(found) > 1:
        nodes = [each.root_nodes()[0] for each in found]
        shown = ", ".join(f"{each} ({each.target.name}, {each.os})" for each in nodes[:_SHOWN])
        more = f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
        raise SpackError("spec-type", f"{reference} means {len(found)} binaries: {shown}{more}; name one by its /hash")
    return found[0]


def find_binaries(reference: SpackReference, mirrors: Sequence[str], access: Access) -> tuple[Concrete, ...]:
    """All that may be meant, by name, version and target; of one in several mirrors the first counts. A mirror that
    can't be read is an error only where no other has any. Raises BuildcacheError, also where there is none, and
    SpackError."""
    if reference.path:
        return (load_path(os.path.expanduser(reference.path), access),)
    query = parse_query(reference.query)
    places = [reference.mirror] if reference.mirror else list(mirrors)
    if not places:
        raise BuildcacheError(
            f"{reference or 'all binaries'}: in which mirror? Write MIRROR#SPEC, give --mirror, or set spack_mirrors; "
            "an install or a spack.lock is named by its path"
        )
    found: dict[str, tuple[Node, Concrete]] = {}
    failures: list[BuildcacheError] = []
    for place in places:
        try:
            mirror = open_mirror(os.path.expanduser(place), access)
            for node in mirror.find(query):
                if node.hash not in found:
                    found[node.hash] = node, replace(mirror.load(node), mirror=mirror.location)
        except BuildcacheError as error:
            failures.append(error)
    if not found:
        if failures:
            raise failures[0]
        raise BuildcacheError(f"no binary is meant by {str(reference)!r} in {', '.join(places)}")
    return tuple(concrete for _, concrete in found.values())
