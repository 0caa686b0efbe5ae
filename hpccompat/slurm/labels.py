"""Labels: Slurm features on exactly the nodes that satisfy a requirement; and the token in a job's comment (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LABEL = re.compile(r"hc_[0-9a-f]{10}")
_ID = re.compile(r"[0-9a-f]{64}")
_TOKEN = re.compile(r"(?:^|(?<=\s))hpccompat=([0-9a-f]{64}(?:,[0-9a-f]{64})*)$")
# Slurm takes no more bytes of a constraint, a preference, or a comment.
TEXT_LIMIT = 1024
# Seconds; the publisher's heartbeat must be younger, by the clock of who reads it.
FRESH = 60.0


def label_of(id: str) -> str:
    """The label of a requirement."""
    return f"hc_{id[:10]}"


def token_of(comment: str) -> tuple[str, ...]:
    """The ids of the requirements that a job's comment names at its end; none without our token."""
    match = _TOKEN.search(comment)
    return tuple(match.group(1).split(",")) if match else ()


def without_token(comment: str) -> str:
    return _TOKEN.sub("", comment).rstrip() if token_of(comment) else comment


def with_token(comment: str, ids: Sequence[str]) -> str | None:
    """The user's comment and our token; None where both don't fit."""
    own = without_token(comment)
    text = f"{own} hpccompat={','.join(ids)}" if own else f"hpccompat={','.join(ids)}"
    return text if len(text.encode("utf-8", "surrogateescape")) <= TEXT_LIMIT else None


@dataclass(frozen=True)
class Published:
    """What the publisher last said. `labels`: label -> its requirement's whole id. `at`: seconds since the epoch."""

    at: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)

    def labels_for(self, ids: Sequence[str], now: float) -> tuple[str, ...] | None:
        """The labels of these requirements, where all of them are on the nodes, and the publisher is alive."""
        if not -FRESH < now - self.at < FRESH:
            return None
        if any(self.labels.get(label_of(each)) != each for each in ids):
            return None
        return tuple(dict.fromkeys(map(label_of, ids)))


def load_published(text: bytes) -> Published:
    """Of `<store>/published.json`; what can't be read says that nothing is published."""
    try:
        top = json.loads(text)
        labels = {
            str(label): str(id)
            for label, id in top["labels"].items()
            if LABEL.fullmatch(label) and _ID.fullmatch(id) and label == label_of(id)
        }
        return Published(float(top["published"]), labels)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Published()
