"""Two specs as one: a node must satisfy a set of each (pure)."""

from __future__ import annotations

from hpccompat.errors import SpecError
from hpccompat.spec.model import CompatibilitySet, CompatibilitySpec

# Of the product: each set is evaluated on every kind of node.
_SETS = 256


def conjoined(first: CompatibilitySpec, second: CompatibilitySpec) -> CompatibilitySpec:
    """Every set of the one with every set of the other, the heaviest first: the rules of both, and the sum of their
    weights. The tag is the second one's, where it has one. Raises SpecError where there are too many."""
    count = len(first.compatibilities) * len(second.compatibilities)
    if count > _SETS:
        raise SpecError("limit", f"two specs have {count} sets together, more than {_SETS}", "compatibilities")
    sets = [
        CompatibilitySet(
            (*one.rules, *other.rules),
            one.weight + other.weight,
            other.tag or one.tag,
            ", ".join(filter(None, (other.description, one.description))),
        )
        for one in first.compatibilities
        for other in second.compatibilities
    ]
    return CompatibilitySpec(tuple(sorted(sets, key=lambda each: -each.weight)), first.version)
