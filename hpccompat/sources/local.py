"""NFD's domain `local`: feature and label (attributes), from files that an admin or another program writes.

The format is that of NFD's `features.d` ("Feature files"): lines NAME or NAME=VALUE, comments, and the directives
`# +expiry-time=RFC 3339`, `# +no-feature`, `# +no-label`. NFD's hooks, which run code, are not read.
"""

from __future__ import annotations

import time

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_FOLDER = "etc/kubernetes/node-feature-discovery/features.d"
_SIZE_LIMIT = 65536
_DIRECTIVE = "# +"


def read(host: Host, now: float | None = None) -> Features:
    """`now`: seconds since the epoch, for the files' expiry times."""
    features: dict[str, str] = {}
    labels: dict[str, str] = {}
    for name in host.entries(_FOLDER):
        if name.startswith("."):
            continue
        try:
            data = host.data(f"{_FOLDER}/{name}")
        except OSError as error:
            host.remarks.append(f"/{_FOLDER}/{name} is left out: {error.strerror}")
            continue
        if data is None:
            continue
        if len(data) > _SIZE_LIMIT:
            host.remarks.append(f"/{_FOLDER}/{name} is left out: more than {_SIZE_LIMIT} bytes")
            continue
        found = _parse(data.decode("utf-8", "replace"), time.time() if now is None else now)
        features |= found[0]
        labels |= found[1]
        host.remarks += [f"/{_FOLDER}/{name}: {remark}" for remark in found[2]]
    return Features(attributes={"local.feature": features, "local.label": labels})


def _parse(text: str, now: float) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """The file's features, its labels, and what can't be understood. An expiry time is for all lines after it, the
    other directives are for the next line alone."""
    features: dict[str, str] = {}
    labels: dict[str, str] = {}
    remarks = []
    expiry = now
    skipped: set[str] = set()
    for line in map(str.strip, text.split("\n")):
        if line.startswith("#"):
            name, equals, value = line.removeprefix(_DIRECTIVE).partition("=")
            if not line.startswith(_DIRECTIVE):
                continue
            if name == "expiry-time" and equals:
                try:
                    expiry = _seconds(value.strip())
                except ValueError:
                    remarks.append(f"{value.strip()!r} is no time (RFC 3339, as 2030-01-31T00:00:00Z)")
            elif name in ("no-feature", "no-label"):
                skipped.add(name)
            else:
                remarks.append(f"unknown directive {line!r}")
        elif line and expiry >= now:
            name, equals, value = line.partition("=")
            for directive, kept in (("no-feature", features), ("no-label", labels)):
                if directive in skipped:
                    kept.pop(name, None)
                else:
                    kept[name] = value if equals else "true"
            skipped.clear()
    return features, labels, remarks


def _seconds(text: str) -> float:
    """RFC 3339 to seconds since the epoch. Raises ValueError."""
    import datetime

    moment = datetime.datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    if moment.tzinfo is None or "T" not in text.upper():
        raise ValueError(text)
    return moment.timestamp()
