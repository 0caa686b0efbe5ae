"""What the publisher remembers from run to run: published.json, which readers take as its heartbeat, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hpccompat.errors import StoreError
from hpccompat.slurm.labels import LABEL, load_published

FILE = "published.json"


@dataclass(frozen=True)
class Memory:
    """What published.json says. `known`: labels that may stand on nodes, and are ours. `bad`: requirement -> until when
    it is not evaluated again. `released`: job -> when."""

    at: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    bad: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    released: Mapping[str, float] = field(default_factory=dict)

    def dump(self) -> str:
        top = {
            "version": 1,
            "published": self.at,
            "labels": dict(sorted(self.labels.items())),
            "known": sorted(self.known),
            "failed": dict(sorted(self.failed.items())),
            "bad": dict(sorted(self.bad.items())),
            "released": dict(self.released),
        }
        return json.dumps(top, indent=1) + "\n"


def recall(store: Path) -> Memory:
    """What was published; nothing where that can't be read: the labels on the nodes are then no more ours."""
    try:
        text = (store / FILE).read_bytes()
    except FileNotFoundError:
        return Memory()
    except OSError as error:
        raise StoreError(f"{store / FILE} can't be read: {error.strerror}") from error
    published = load_published(text)
    try:
        top = json.loads(text)
        known = frozenset(each for each in top["known"] if LABEL.fullmatch(each))
        bad, released = ({str(key): float(at) for key, at in top[each].items()} for each in ("bad", "released"))
        failed = {str(key): str(why) for key, why in top["failed"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Memory()
    return Memory(published.at, published.labels, known, bad, failed, released)
