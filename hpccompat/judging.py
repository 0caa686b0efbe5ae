"""What nodes are judged by, and how: records, specs, labels; without a job."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpccompat.artifact.access import Access
from hpccompat.artifact.cache import SpecCache
from hpccompat.document.tree import as_data
from hpccompat.errors import (
    DocumentError,
    RecordError,
    StoreError,
)
from hpccompat.features.model import Features
from hpccompat.nodes.hostlist import expand
from hpccompat.nodes.index import open_index
from hpccompat.nodes.record import SIZE_LIMIT, NodeRecord, load_record
from hpccompat.nodes.store import Store
from hpccompat.nodes.table import NodeTable
from hpccompat.plan.requirement import load_requirement
from hpccompat.plan.selection import NodeVerdict, Selection, Verdict, judge, select, together
from hpccompat.resolution import Resolved, Search
from hpccompat.settings import Settings
from hpccompat.slurm.inventory import read_inventory
from hpccompat.slurm.labels import FRESH as LABELS_FRESH
from hpccompat.slurm.labels import Published, load_published
from hpccompat.slurm.spool import Spool
from hpccompat.spec.encode import dump_spec


def read_published(settings: Settings) -> Published:
    """What the publisher last said; nothing where that can't be read."""
    try:
        with open(settings.store / "published.json", "rb") as file:
            return load_published(file.read(1024 * 1024))
    except OSError:
        return Published()


def published_labels(settings: Settings) -> Mapping[str, str]:
    """Label -> requirement, of a publisher that is alive; nothing else."""
    found = read_published(settings)
    return found.labels if abs(time.time() - found.at) < LABELS_FRESH else {}


def images_of_requirement(id: str, spool: Spool, settings: Settings) -> tuple[str, ...]:
    """The images, with their digests, that led to a requirement's spec, as far as the caches remember them."""
    search = search_of(settings)
    texts = set()
    for entry in spool.names():
        if entry.id == id:
            try:
                texts.add(dump_spec(load_requirement(spool.read(entry), id).spec))
            except (StoreError, DocumentError):
                continue
    kept = search.cache.entries() if search.cache else ()
    return tuple(sorted({entry.name.split()[0] for _, entry in kept if entry.kind == "spec" and entry.text in texts}))


def select_recorded(
    resolved: Sequence[Resolved], hostlist: str | None, tags: Collection[str], settings: Settings
) -> Selection:
    """The verdicts of recorded nodes: those of the hostlist, or all; of several specs a node must satisfy each. Raises
    StoreError, UsageError."""
    nodes = recorded_nodes(settings, None if hostlist is None else expand(hostlist))
    return together([select(each.spec, nodes, tags) for each in resolved])


@dataclass(frozen=True)
class PartitionCount:
    """Of a partition: all its nodes, those that are compatible, and how many of these are idle now."""

    name: str
    nodes: int
    eligible: int
    idle: int


def by_partition(selection: Selection) -> tuple[PartitionCount, ...]:
    """What Slurm's partitions have of the compatible nodes. Raises SlurmError."""
    inventory = read_inventory()
    compatible = selection.nodes(Verdict.COMPATIBLE)
    found = []
    for name, nodes in sorted(inventory.partitions.items()):
        eligible = nodes & compatible
        found.append(PartitionCount(name, len(nodes), len(eligible), sum(map(inventory.is_idle, eligible))))
    return tuple(found)


def recorded_nodes(settings: Settings, names: Collection[str] | None) -> NodeTable:
    """What these nodes have reported, None for all that have: by the index, or by the records where there is none.
    Raises StoreError."""
    store = Store(settings.store)
    index = open_index(store)
    if index is not None:
        return index if names is None else index.table(names)
    recorded = store.names()
    return store.table(recorded if names is None else sorted(names))


def read_features(file: Path) -> NodeRecord:
    """A node record, or NFD features, from a file of JSON or YAML. Raises RecordError."""
    try:
        text = file.read_bytes()
        return load_record(text if text.lstrip().startswith(b"{") else _as_json(text))
    except DocumentError as error:
        raise RecordError(error.kind, f"{error.text} ({file})", error.path, error.line, error.column) from error
    except OSError as error:
        raise RecordError("yaml-syntax", f"{file}: {error.strerror}") from error


def _as_json(text: bytes) -> str:
    """A feature file in YAML as NFD would read it. Raises DocumentError."""
    # Imported here: jobs whose spec was looked up before need no YAML.
    from hpccompat.document.yaml import Limits, parse

    return json.dumps(as_data(parse(text, Limits(size=SIZE_LIMIT, nodes=500_000))))


def judge_features(
    resolved: Resolved, features: Features, errors: Mapping[str, str], tags: Collection[str]
) -> NodeVerdict:
    """`errors`: the sources that failed on this host."""
    return judge(resolved.spec, features, errors, tags)


def search_of(settings: Settings) -> Search:
    """How specs are looked up: with the user's own cache, and the site's."""
    home = os.environ.get("HOME", "")
    base = os.environ.get("XDG_CACHE_HOME") or (os.path.join(home, ".cache") if home else "")
    folders = [Path(base) / "hpccompat" / "specs"] if os.path.isabs(base) else []
    folders += [Path(settings.cache)] if settings.cache else []
    access = Access(
        settings.deadline,
        settings.plain_http,
        settings.registries,
        settings.ca_bundle,
        settings.spec_map,
        # As Go names it; of others the name is the same.
        {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
    )
    cache = SpecCache(tuple(folders), settings.offline) if folders else None
    return Search(access, cache, settings.offline, settings.spack_mirrors)
