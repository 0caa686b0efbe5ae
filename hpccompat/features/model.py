"""Features of one node, in NFD's three kinds (Features of NFD's API, nfd.k8s-sigs.io/v1alpha1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Features:
    """Feature set name -> its elements, for each of NFD's kinds.

    * flags: names alone (`cpu.cpuid`: AVX2)
    * attributes: name -> value (`kernel.version`: major -> 5)
    * instances: a list of attribute mappings, one for each device (`pci.device`)

    Flags and attributes of `None` are Go's nil map: the feature set exists, but nothing is evaluated on
    it. A feature set may be of several kinds at once.
    """

    flags: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    instances: Mapping[str, tuple[Mapping[str, str], ...]] = field(default_factory=dict)

    def names(self) -> set[str]:
        """The feature sets that this node reports, of whatever kind."""
        return {*self.flags, *self.attributes, *self.instances}

    def only(self, names: Collection[str]) -> Features:
        """The same node seen through these feature sets alone."""
        return Features(
            {name: value for name, value in self.flags.items() if name in names},
            {name: value for name, value in self.attributes.items() if name in names},
            {name: value for name, value in self.instances.items() if name in names},
        )


def merge(parts: Collection[Features]) -> Features:
    """One node's features out of its sources'; a later part's feature set replaces an earlier one's."""
    flags: dict[str, frozenset[str] | None] = {}
    attributes: dict[str, Mapping[str, str] | None] = {}
    instances: dict[str, tuple[Mapping[str, str], ...]] = {}
    for part in parts:
        flags |= part.flags
        attributes |= part.attributes
        instances |= part.instances
    return Features(flags, attributes, instances)
