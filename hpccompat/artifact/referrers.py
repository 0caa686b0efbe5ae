"""Which of an image's referrers holds the compatibility spec that counts (pure)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable

from hpccompat.artifact.manifest import OCI_EMPTY, Descriptor

# NFD, image compatibility: the type of the artifact that is attached to an image.
ARTIFACT_TYPE = "application/vnd.nfd.image-compatibility.v1alpha1"
CREATED = "org.opencontainers.image.created"
SPEC_TYPE = "application/vnd.nfd.image-compatibility.spec.v1alpha1+yaml"

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def fallback_tag(digest: str) -> str:
    """The tag that lists a subject's referrers where the registry has no API for them (distribution-spec 1.1,
    "Referrers Tag Schema")."""
    return digest.replace(":", "-")


def is_unknown(descriptor: Descriptor) -> bool:
    """Whether a list says nothing of what an entry is: then its manifest does. go-containerregistry's registry gives
    the type of the empty config in its place."""
    return descriptor.artifact_type in ("", OCI_EMPTY)


def newest(referrers: Iterable[Descriptor]) -> Descriptor | None:
    """The spec that NFD's client takes: the newest by its annotation; one without a readable time is the
    oldest, and among equals the greater digest wins."""
    return next(iter(in_order(referrers)), None)


def in_order(referrers: Iterable[Descriptor]) -> list[Descriptor]:
    """The specs among them, the one that counts first."""
    specs = {each.digest: each for each in referrers if each.artifact_type == ARTIFACT_TYPE}
    return sorted(specs.values(), key=lambda each: (created(each), each.digest), reverse=True)


def created(descriptor: Descriptor) -> datetime.datetime:
    """The creation time, of RFC 3339; the beginning of time where it is missing or wrong."""
    oldest = datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)
    match = _TIMESTAMP.fullmatch(descriptor.annotations.get(CREATED, ""))
    if match is None:
        return oldest
    date, time, fraction, zone = match.groups()
    micros = (fraction or "0")[:6].ljust(6, "0")
    try:
        moment = datetime.datetime.fromisoformat(f"{date}T{time}.{micros}{'+00:00' if zone in 'Zz' else zone}")
        return moment.astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        return oldest
