"""What an image on a file system says about its spec."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LocalSpec:
    """`data`: the spec's bytes, None where the image carries none. `found_at`: where the bytes are, or where `origin`
    is recorded; for people. `digest`: that of the image's manifest or index, "" where it isn't known.

    `origin`: without a spec, the name of the image that this one was made from, for `parse_reference`; or ""."""

    data: bytes | None
    found_at: str
    digest: str = ""
    origin: str = ""
