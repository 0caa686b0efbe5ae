"""`hpccompat doctor`: what is wrong with an installation, and what to do."""

from __future__ import annotations

import argparse
import importlib
import os
import stat
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from hpccompat import __version__
from hpccompat.cli.main import Context, printable
from hpccompat.diagnosis import Finding, Seen, diagnose
from hpccompat.errors import RecordError, SlurmError, StoreError
from hpccompat.nodes.indexing import status
from hpccompat.nodes.store import Store
from hpccompat.settings import Settings, load_settings
from hpccompat.slurm.inventory_cache import ask_by
from hpccompat.slurm.memory import recall
from hpccompat.slurm.site import read_site

_LIBRARIES = ("yaml", "re2", "oras.provider", "jsonschema", "tabulate", "archspec.cpu")
# Records that are read whole; of the others only the age is looked at.
_SAMPLE = 500


def run(arguments: Sequence[str], context: Context) -> int:
    options = _parser().parse_args(arguments)
    settings = load_settings(context.config, tolerant=True)
    findings = diagnose(look(settings))
    if context.output == "json":
        from hpccompat.cli.render import print_json

        print_json([asdict(each) for each in findings])
    else:
        _show(findings, options.quiet)
    levels = {each.level for each in findings}
    return 1 if "error" in levels or (options.strict and "warning" in levels) else 0


def look(settings: Settings) -> Seen:
    """Everything that is judged; whatever can't be looked at is a finding, not a failure."""
    seen = Seen(time.time(), settings, __version__, libraries=_libraries(settings))
    try:
        seen = replace(seen, site=read_site(), inventory=ask_by(settings.inventory)[0])
    except SlurmError as error:
        seen = replace(seen, slurm_error=str(error))
    seen = _look_at_store(seen, Store(settings.store))
    try:
        found = os.stat(settings.spool / "specs")
        seen = replace(seen, spool=(found.st_uid, found.st_mode))
    except OSError:
        pass
    try:
        memory = recall(settings.store)
        seen = replace(seen, published=memory.at, failed=memory.failed)
    except StoreError:
        pass
    return seen


def _look_at_store(seen: Seen, store: Store) -> Seen:
    try:
        found = os.stat(store.path / "nodes")
        names = store.names()
    except (OSError, StoreError) as error:
        return replace(seen, store_error=getattr(error, "strerror", None) or str(error))
    writable = [str(each) for each in (store.path, store.path / "nodes", store.path / "changed") if _open_to_all(each)]
    records: dict[str, float] = {}
    unreadable: dict[str, str] = {}
    failing: dict[str, list[str]] = {}
    collectors: dict[str, list[str]] = {}
    for number, name in enumerate(names):
        try:
            records[name] = store.seen(name)
            if number < _SAMPLE:
                record = store.read(name)
                collectors.setdefault(record.collector or "imported", []).append(name)
                for source in record.errors:
                    failing.setdefault(source, []).append(name)
        except (RecordError, StoreError, OSError) as error:
            unreadable[name] = str(error)
    seen = replace(
        seen, store=(found.st_uid, found.st_mode), writable=writable, records=records, unreadable=unreadable,
        failing=failing, collectors={key: of for key, of in collectors.items() if key != "imported"},
    )  # fmt: skip
    if not (store.path / "index.sqlite").exists():
        return seen
    try:
        return replace(seen, index=status(store))
    except StoreError as error:
        return replace(seen, index_error=str(error))


def _open_to_all(path: Path) -> bool:
    try:
        return bool(os.stat(path).st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    except OSError:
        return False


def _libraries(settings: Settings) -> dict[str, str]:
    found = {}
    for name in (*_LIBRARIES, *(["pyslurm"] if settings.inventory == "pyslurm" else [])):
        try:
            importlib.import_module(name)
            found[name] = ""
        except Exception as error:  # a library of another Slurm, or of another Python, may fail in any way
            found[name] = f"{type(error).__name__}: {error}"
    return found


def _show(findings: Sequence[Finding], quiet: bool) -> None:
    marks = {"ok": "ok", "note": "note", "warning": "WARN", "error": "ERROR"}
    for each in findings:
        if quiet and each.level == "ok":
            continue
        print(f"{marks[each.level]:<6}{each.about:<10}{printable(each.text)}")
        if each.help:
            print(f"{'':<16}-> {printable(each.help)}")
    counts = [(level, sum(each.level == level for each in findings)) for level in ("error", "warning")]
    print(", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpccompat doctor",
        description="Looks at settings, Slurm, the store, coverage, the index, labels, clocks and libraries, and says "
        "what is wrong and what to do. Changes nothing. Run it on a login host as a user, and on the publisher's host.",
        epilog="exit status: 0 nothing that is an error (with --strict: nor a warning), 1 otherwise",
        allow_abbrev=False,
    )
    parser.add_argument("--strict", action="store_true", help="warnings count, too")
    parser.add_argument("--quiet", action="store_true", help="leave out what is well")
    return parser
