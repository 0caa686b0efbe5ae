"""`hpccompat spec generate`: what is known of a Spack binary, written as a compatibility spec."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

from hpccompat.cli.main import Context, printable
from hpccompat.reference import parse_spack
from hpccompat.resolution import files_at_hand, resolve_binary
from hpccompat.settings import load_settings
from hpccompat.spack.facts import Facts
from hpccompat.spack.fetch import Access
from hpccompat.spack.find import find_binary
from hpccompat.spec.encode import dump_spec
from hpccompat.spec.model import CompatibilitySpec

# The order in which people read them.
_ORDER = (
    "version compatibilities tag weight description rules name matchFeatures matchAny feature matchExpressions".split()
)


def run(arguments: Sequence[str], context: Context) -> int:
    options = _parser().parse_args(arguments[1:])
    settings = load_settings(context.config)
    settings = replace(settings, spack_mirrors=(*options.mirror, *settings.spack_mirrors))
    binary = find_binary(
        parse_spack(options.spack), settings.spack_mirrors, Access(settings.deadline, settings.plain_http)
    )
    files = files_at_hand(binary, settings.deadline, settings.plain_http, options.download)
    resolved = resolve_binary(binary, files=files)
    assert resolved.facts is not None
    if context.output == "table":
        print(as_yaml(resolved.spec, resolved.facts, resolved.found_at), end="")
    else:
        print(dump_spec(resolved.spec))
    return 0


def as_yaml(spec: CompatibilitySpec, facts: Facts, found_at: str) -> str:
    """The spec as people would write it, under what is noted of the binary."""
    import yaml

    notes = [
        f"{facts.name}, from {found_at}",
        *facts.notes,
        *(f"needs on each node {each}" for each in facts.externals),
    ]
    comments = "".join(f"# {printable(note).splitlines()[0]}\n" for note in notes)
    data = _ordered(json.loads(dump_spec(spec)))
    return comments + yaml.safe_dump(data, sort_keys=False, width=120, allow_unicode=True)


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (_ORDER.index(key) if key in _ORDER else len(_ORDER), key))
        return {key: _ordered(value[key]) for key in keys}
    return [_ordered(each) for each in value] if isinstance(value, list) else value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpccompat spec generate",
        description="Writes the compatibility spec of a Spack binary , as YAML or (--output json) as one line.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--spack",
        required=True,
        metavar="SPEC",
        help="[MIRROR#]name@version…, [MIRROR#]/HASH, or a path (check --help)",
    )
    parser.add_argument("--mirror", metavar="URL", action="append", default=[], help="where it is looked up")
    parser.add_argument("--download", action="store_true", help="fetch its tarballs, and look into them, too")
    return parser
