"""`hpccompat features show|diff|import|prune`: the records of nodes, for admins."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from hpccompat.cli.main import printable
from hpccompat.cli.render import print_json, show_records, table
from hpccompat.errors import RecordError, UsageError
from hpccompat.features.model import Features, merge
from hpccompat.nodes.hostlist import expand
from hpccompat.nodes.interchange import load_exports
from hpccompat.nodes.record import NodeRecord, dump_record, node_name
from hpccompat.nodes.store import Store
from hpccompat.settings import Settings
from hpccompat.sources.derived import completed
from hpccompat.sources.discover import discover

_UNITS = {"d": 86400, "h": 3600, "m": 60}


def run(options: argparse.Namespace, settings: Settings, output: str) -> int:
    store = Store(settings.store)
    if options.action == "show" and options.node:
        print_json(json.loads(dump_record(store.read(options.node))))
        return 0
    if options.action == "show":
        return show_records(store, output)
    if options.action == "diff":
        return _diff(store, options, output)
    if options.action == "import":
        return _import(options, store, settings)
    return _prune(store, options)


def _diff(store: Store, options: argparse.Namespace, output: str) -> int:
    first = _features(store, options.first)
    if options.second is None:
        second = discover("/", "" if _is_file(options.first) else options.first).features
    else:
        second = _features(store, options.second)
    rows = list(differences(first, second))
    names = (options.first, options.second or "this host")
    if output == "json":
        print_json([dict(zip(("set", "element", "first", "second"), row, strict=True)) for row in rows])
    elif rows:
        print(table([[printable(each or "-") for each in row] for row in rows], ("set", "element", *names)))
    return 1 if rows else 0


def differences(first: Features, second: Features) -> Iterator[tuple[str, str, str | None, str | None]]:
    """(feature set, element, value here, value there), None where it is missing; instances are compared as
    wholes, by how many there are of each."""
    for name in sorted(first.names() | second.names()):
        ours, theirs = _elements(first, name), _elements(second, name)
        for element in sorted(ours.keys() | theirs.keys()):
            if ours.get(element) != theirs.get(element):
                yield name, element, ours.get(element), theirs.get(element)


def _elements(features: Features, name: str) -> Mapping[str, str]:
    found = dict.fromkeys(features.flags.get(name) or (), "there")
    found |= features.attributes.get(name) or {}
    for instance in features.instances.get(name, ()):
        text = " ".join(f"{key}={value}" for key, value in sorted(instance.items()))
        found[text] = str(int(found.get(text, "0")) + 1)
    return found


def _features(store: Store, name: str) -> Features:
    """Of a recorded node, or of a file."""
    if _is_file(name):
        return merge([each.features for each in _exports(name)])
    return store.read(name).features


def _is_file(name: str) -> bool:
    return "/" in name or name.endswith((".json", ".yaml", ".yml"))


def _exports(file: str) -> tuple[NodeRecord, ...]:
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    try:
        return load_exports(text)
    except RecordError as error:
        raise RecordError(error.kind, f"{file}: {error}") from error


def _import(options: argparse.Namespace, store: Store, settings: Settings) -> int:
    parts: dict[str, list[NodeRecord]] = {}
    for file in options.files:
        for record in _exports(file):
            if not options.node and not record.node:
                raise UsageError(f"{file} doesn't tell whose features these are: give --node NAME")
            parts.setdefault(node_name(options.node or record.node), []).append(record)
    from hpccompat.cli.features import become

    owner = become(settings.store_user)
    for name, records in parts.items():
        features = completed(merge([each.features for each in records]))
        errors = {source: text for each in records for source, text in each.errors.items()}
        collected = max(each.collected for each in records) or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        replaced = Store(store.path, owner).write(NodeRecord(name, features, errors, collected, "", "import"))
        print(f"{name}: {'record written' if replaced else 'nothing new'}", file=sys.stderr)
    return 0


def _prune(store: Store, options: argparse.Namespace) -> int:
    if not options.nodes and options.older is None:
        raise UsageError("say which records: NODES, or --older AGE (30d)")
    oldest = time.time() - _seconds(options.older) if options.older else None
    names = set(store.names())
    if options.nodes:
        named = {name for each in options.nodes for name in expand(each)}
        if missing := named - names:
            raise UsageError(f"no record of {', '.join(sorted(missing))}")
        names &= named
    if oldest is not None:
        names = {name for name in names if store.seen(name) < oldest}
    for name in sorted(names):
        print(f"{name}: {'would be removed' if options.dry_run else 'removed'}")
        if not options.dry_run:
            store.remove(name)
    leftovers = store.leftovers()
    for file in leftovers:
        if not options.dry_run:
            file.unlink(missing_ok=True)
    print(f"{len(names)} records, {len(leftovers)} files of killed collectors", file=sys.stderr)
    return 0


def _seconds(age: str) -> float:
    match = re.fullmatch(r"([0-9]+)([dhm])", age)
    if not match:
        raise UsageError(f"--older {age!r}: a number and d, h or m, as 30d")
    return int(match[1]) * _UNITS[match[2]]
