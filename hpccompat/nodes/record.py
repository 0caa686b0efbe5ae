"""A node record: the features of one node, and when and how they were collected.

Standard library only, since the collector on every node writes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from hpccompat.errors import FeaturesError, RecordError
from hpccompat.features.codec import dump_features, load_features
from hpccompat.features.model import Features

API_VERSION = "hpccompat/v1"
KIND = "NodeRecord"
# In place of a digest: there is no record any more.
GONE = "gone"
SIZE_LIMIT = 16 * 1024 * 1024
_CONTENT = ("apiVersion", "kind", "node", "errors", "features")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", re.ASCII)


@dataclass(frozen=True)
class NodeRecord:
    """`errors`: source -> what went wrong; a failed source contributes none of its feature sets.

    `collected` (RFC 3339, UTC), `boot_id` and `collector` tell how; the content is node, errors, features.
    """

    node: str
    features: Features
    errors: Mapping[str, str] = field(default_factory=dict)
    collected: str = ""
    boot_id: str = ""
    collector: str = ""

    def same_content(self, text: bytes) -> bool:
        """Whether a written record says the same: node, errors and features count, not when and how they were
        collected. On the collector's path: nothing is decoded beyond JSON."""
        try:
            written = json.loads(text)
        except (ValueError, RecursionError):
            return False
        ours = json.loads(dump_record(self))
        return isinstance(written, dict) and all(written.get(key) == ours[key] for key in _CONTENT)


def node_name(text: str) -> str:
    """The name, if it may be a node's, and so a file's. Raises RecordError."""
    if not _NAME.fullmatch(text):
        raise RecordError(
            "spec-type",
            f"{text!r} can't be a node's name: letters, digits and . _ - only, at most 200, not beginning with . or -",
        )
    return text


def failed(feature_set: str, sources: Collection[str]) -> bool:
    """Whether this feature set would come from one of the sources: a source is named like the beginning of
    its feature sets (`cpu` writes `cpu.model`, `hpc.gpu` writes `hpc.gpu`)."""
    return any(feature_set == source or feature_set.startswith(f"{source}.") for source in sources)


def record_digest(record: NodeRecord) -> str:
    """What tells two contents of a node's record apart: 32 hexadecimal digits."""
    return digest_of(dump_record(record))


def digest_of(text: str | bytes) -> str:
    """The digest of a record as it is written; "" for what is none."""
    import hashlib

    try:
        content = json.loads(text)
        wanted = json.dumps([content[key] for key in _CONTENT], sort_keys=True, separators=(",", ":"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return hashlib.sha256(wanted.encode()).hexdigest()[:32]


def dump_record(record: NodeRecord) -> str:
    return (
        json.dumps(
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "node": record.node,
                "collected": record.collected,
                "bootID": record.boot_id,
                "collector": record.collector,
                "errors": dict(sorted(record.errors.items())),
                "features": dump_features(record.features),
            },
            separators=(",", ":"),
        )
        + "\n"
    )


def load_record(text: str | bytes, node: str = "") -> NodeRecord:
    """Reads a record, or what other tools write of a node: NFD Features alone, or a NodeFeature object.

    `node` is the name for those that carry none. Raises RecordError.
    """
    if len(text) > SIZE_LIMIT:
        raise RecordError("limit", f"more than {SIZE_LIMIT} bytes")
    try:
        top = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError("yaml-syntax", f"not JSON: {error}") from error
    if not isinstance(top, dict):
        raise RecordError("spec-type", "not a JSON object")
    return record_of(top, node)


def record_of(top: Mapping[str, object], node: str = "") -> NodeRecord:
    """The same from what has been decoded. Raises RecordError."""
    try:
        if top.get("kind") == KIND:
            return _record(top, node)
        if top.get("kind") == "NodeFeature":
            spec = top.get("spec")
            return NodeRecord(node, load_features(spec.get("features") if isinstance(spec, Mapping) else None))
        if not {key.lower() for key in top} & {"flags", "attributes", "instances"}:
            raise RecordError("spec-type", "neither a node record nor NFD Features (no flags, attributes, instances)")
        return NodeRecord(node, load_features(top))
    except FeaturesError as error:
        raise RecordError(error.kind, error.text, error.path) from error


def _record(top: Mapping[str, object], node: str) -> NodeRecord:
    if top.get("apiVersion") != API_VERSION:
        raise RecordError("spec-type", f"must be {API_VERSION!r}, not {top.get('apiVersion')!r}", "apiVersion")
    name = top.get("node")
    if not isinstance(name, str) or (node and name != node):
        raise RecordError("spec-type", f"is the record of {name!r}, not of {node!r}", "node")
    errors = top.get("errors")
    if errors is not None and not isinstance(errors, dict):
        raise RecordError("spec-type", "must be a mapping", "errors")
    if not isinstance(top.get("features"), dict):
        raise RecordError("spec-type", "is missing", "features")
    return NodeRecord(
        name,
        load_features(top["features"]),
        {str(source): str(text) for source, text in (errors or {}).items()},
        str(top.get("collected") or ""),
        str(top.get("bootID") or ""),
        str(top.get("collector") or ""),
    )
