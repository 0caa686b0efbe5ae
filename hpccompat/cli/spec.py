"""`hpccompat spec validate|generate`: a spec judged by itself, or made of what is known of a Spack binary."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hpccompat.cli.main import Context
from hpccompat.errors import SpecError
from hpccompat.spec.validate import validate


def run(arguments: Sequence[str], context: Context) -> int:
    if arguments[:1] == ["generate"]:
        from hpccompat.cli.generate import run as generate

        return generate(arguments[1:], context)
    from hpccompat.cli.main import printable
    from hpccompat.cli.render import print_json

    options = _parser().parse_args(arguments)
    status = 0
    reports = []
    for file in options.files:
        try:
            # One byte over the limit is enough for the loader to say so.
            text = sys.stdin.buffer.read(1024 * 1024 + 1) if str(file) == "-" else file.read_bytes()
        except OSError as error:
            raise SpecError("yaml-syntax", f"{file}: {error.strerror}") from error
        remarks = validate(text)
        worst = {each.level for each in remarks}
        if "error" in worst or (options.strict and worst):
            status = SpecError.exit_code
        reports.append({"file": str(file), "remarks": [asdict(each) for each in remarks]})
        if context.output == "table":
            for each in remarks:
                where = f"{file}:{each.line}:{each.column}" if each.line else str(file)
                path = f"{each.path}: " if each.path else ""
                print(printable(f"{where}: {each.level}: {path}{each.text}"))
            if not remarks:
                print(printable(f"{file}: no remarks"))
    if context.output == "json":
        print_json(reports)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hpccompat spec", allow_abbrev=False, description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="validate|generate")
    validating = actions.add_parser(
        "validate",
        help="errors and doubts, with line and column",
        description="Judges specs by JSON Schema and lint: errors, and warnings of what is legal but surely wrong.",
        epilog="exit status: 0 no errors, 2 errors (with --strict also warnings)",
    )
    actions.add_parser("generate", help="write the spec of a Spack binary", add_help=False)
    validating.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a spec as YAML or JSON; - for stdin")
    validating.add_argument("--strict", action="store_true", help="fail on warnings, too")
    return parser
