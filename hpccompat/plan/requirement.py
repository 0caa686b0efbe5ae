"""A requirement: a spec, the tags that a job is content with, and the one set that all its nodes get (pure).

The spool, the comment of a job, a label and the prolog all speak of requirements, by their id.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass, replace

from hpccompat.errors import DocumentError, SpecError
from hpccompat.spec.decode import load_spec
from hpccompat.spec.encode import dump_spec
from hpccompat.spec.model import CompatibilitySpec

# Of a requirement as a file.
SIZE_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Requirement:
    """`tags`: sorted, each once; none for all sets. `chosen`: the number of the one set that counts, None for any."""

    spec: CompatibilitySpec
    tags: tuple[str, ...] = ()
    chosen: int | None = None

    @functools.cached_property
    def id(self) -> str:
        """64 hexadecimal digits: the sha256 of `{"set", "spec", "tags"}` as JSON without blanks, keys sorted, in which
        the spec stands as the sha256 of its normalised text."""
        return _id(hashlib.sha256(self._text.encode()).hexdigest(), self.tags, self.chosen)

    @functools.cached_property
    def _text(self) -> str:
        return dump_spec(self.spec)

    def narrowed(self) -> CompatibilitySpec:
        """The spec with the one set alone, where one was chosen."""
        if self.chosen is None:
            return self.spec
        return replace(self.spec, compatibilities=(self.spec.compatibilities[self.chosen],))

    def dump(self) -> str:
        """As a file of the spool: the parts of the id, and the spec itself."""
        return f'{{"set":{json.dumps(self.chosen)},"tags":{json.dumps(self.tags)},"spec":{self._text}}}\n'


def requirement(spec: CompatibilitySpec, tags: tuple[str, ...] = (), chosen: int | None = None) -> Requirement:
    return Requirement(spec, tuple(sorted(set(tags))), chosen)


def load_requirement(text: bytes, id: str) -> Requirement:
    """Reads a file of the spool, which anybody may have written. Raises SpecError, also where it is not what the id
    stands for."""
    if len(text) > SIZE_LIMIT:
        raise SpecError("limit", f"a requirement has more than {SIZE_LIMIT} bytes")
    try:
        top = json.loads(text)
        tags, chosen = top["tags"], top["set"]
        if not isinstance(tags, list) or not all(isinstance(each, str) for each in tags):
            raise TypeError("tags")
        if chosen is not None and (type(chosen) is not int or chosen < 0):
            raise TypeError("set")
        found = Requirement(load_spec(json.dumps(top["spec"])), tuple(tags), chosen)
    except DocumentError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SpecError("spec-type", f"not a requirement: {error}") from error
    if found.id != id:
        raise SpecError("spec-type", f"the content is not that of requirement {id}")
    if chosen is not None and chosen >= len(found.spec.compatibilities):
        raise SpecError("spec-type", f"there is no set {chosen}")
    return found


def _id(spec: str, tags: tuple[str, ...], chosen: int | None) -> str:
    parts = {"set": chosen, "spec": spec, "tags": list(tags)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
