"""What other tools write of nodes: NFD's exports and NodeFeature objects, in JSON or YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hpccompat.document.tree import as_data
from hpccompat.document.yaml import Limits, parse
from hpccompat.errors import DocumentError, RecordError
from hpccompat.nodes.record import SIZE_LIMIT, NodeRecord, record_of

# A node has some 10,000 elements, most of them of kernel.config; a list has many nodes.
_LIMITS = Limits(size=SIZE_LIMIT, nodes=2_000_000)
# Of NodeFeature objects (NFD, "NodeFeature custom resource").
_NODE_LABEL = "nfd.node.kubernetes.io/node-name"


def load_exports(text: bytes) -> tuple[NodeRecord, ...]:
    """One record for each object: NFD Features (without a name), NodeFeature, a list of these, a node record.

    Raises RecordError.
    """
    data = _decoded(text)
    if not isinstance(data, Mapping):
        raise RecordError("spec-type", f"neither features nor an object of Kubernetes, but a {type(data).__name__}")
    kind = data.get("kind")
    if isinstance(kind, str) and kind.endswith("List"):
        items = data.get("items")
        if not isinstance(items, list):
            raise RecordError("spec-type", f"a {kind} without items", "items")
        return tuple(_object(each, f"items[{position}]") for position, each in enumerate(items))
    return (_object(data, ""),)


def _decoded(text: bytes) -> object:
    if len(text) > SIZE_LIMIT:
        raise RecordError("limit", f"more than {SIZE_LIMIT} bytes")
    if text.lstrip()[:1] == b"{":  # far faster than as YAML
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass  # YAML's flow style looks like it, too
    try:
        return as_data(parse(text, _LIMITS))
    except DocumentError as error:
        raise RecordError(error.kind, error.text, error.path, error.line, error.column) from error


def _object(data: object, path: str) -> NodeRecord:
    if not isinstance(data, Mapping):
        raise RecordError("spec-type", "not an object", path)
    name = ""
    if data.get("kind") == "NodeFeature":
        metadata = data.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        labels = metadata.get("labels")
        found = (labels.get(_NODE_LABEL) if isinstance(labels, Mapping) else None) or metadata.get("name")
        name = found if isinstance(found, str) else ""
    elif isinstance(data.get("node"), str):
        name = str(data["node"])
    return record_of(data, name)
