"""`hpccompat spec ACTION …`: what authors do to specs."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from hpccompat.cli.main import Context
from hpccompat.errors import UsageError

# Action -> the module whose `run(arguments, context)` does it, and what it is for.
ACTIONS = {
    "validate": ("validation", "errors and doubts of a spec, with line and column"),
    "show": ("attachments", "an image's spec, or a file's, as hpccompat reads it"),
    "attach": ("attachments", "attach a spec to an image in its registry"),
    "list": ("attachments", "the specs attached to an image, and which one counts"),
    "fetch": ("attachments", "the text of an attached spec"),
    "embed": ("embed", "put a spec into a SIF file"),
    "generate": ("generate", "write the spec of a Spack binary"),
    "remove": ("attachments", "take an attached spec off again"),
}


def run(arguments: Sequence[str], context: Context) -> int:
    listed = "\n".join(f"  {name:<10} {summary}" for name, (_, summary) in ACTIONS.items())
    usage = f"usage: hpccompat spec ACTION …\n\n{listed}\n\nhpccompat spec ACTION --help tells more."
    if arguments[:1] in (["-h"], ["--help"]):
        print(usage)
        return 0
    if not arguments or arguments[0] not in ACTIONS:
        named = f"{arguments[0]!r} is none of {', '.join(ACTIONS)}" if arguments else "say what to do"
        raise UsageError(f"hpccompat spec: {named} (hpccompat spec --help)")
    module = importlib.import_module(f"hpccompat.cli.{ACTIONS[arguments[0]][0]}")
    status: int = module.run(arguments, context)
    return status
