"""How registries may be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hpccompat.errors import RegistryError


@dataclass(frozen=True)
class Access:
    """`deadline`: seconds for a whole lookup. `plain_http`: hosts spoken to without TLS, besides loopback.
    `registries`: the hosts that may be asked, none for any. `ca_bundle`: a file of certificates instead of the
    system's. `spec_map`: `HOST` or `HOST/REPOSITORY` of images -> `HOST/REPOSITORY` of the site that holds specs for
    them. `architecture`: the host's, as Go names it."""

    deadline: float
    plain_http: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    ca_bundle: str = ""
    spec_map: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"

    def check(self, host: str) -> None:
        """Raises RegistryError for a registry that may not be asked."""
        if self.registries and host not in self.registries:
            allowed = ", ".join(self.registries)
            raise RegistryError(
                f"registry {host} is not among those that may be asked ({allowed}: the setting registries)"
            )
