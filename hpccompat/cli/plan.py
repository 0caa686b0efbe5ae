"""`hpccompat plan [sbatch|srun|salloc] ARGS…`: what the wrapper would do."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hpccompat.cli.main import Context
from hpccompat.cli.submit import submission_of
from hpccompat.errors import Refused, UsageError
from hpccompat.settings import load_settings
from hpccompat.slurm.inventory_cache import own_cache
from hpccompat.slurm.options import COMMANDS, Unknown
from hpccompat.slurm.script import script_from_stdin
from hpccompat.slurm.submission import read_command_line

HELP = """usage: hpccompat [--output table|json] plan [sbatch|srun|salloc] [SLURM'S OPTIONS] [SCRIPT [ARGS…]]

Shows what `hpccompat sbatch` (or srun, salloc) would submit with the same arguments, and why. Submits nothing.

options of ours, among Slurm's:
  --compat-image REF   the job's image; otherwise a #COMPAT image= line of the script, or HPCCOMPAT_IMAGE
  --compat-spec FILE   a compatibility spec instead of an image's
    --compat-spack SPEC  a Spack binary: [MIRROR#]SPEC, [MIRROR#]/HASH, or the path of an install or spack.lock
  --compat-tag T,…       only the spec's sets with one of these tags
  --compat off|warn|require
                       leave this job alone; never refuse it; refuse it unless all is known and well

exit status: 0, or 4 where the job would be refused"""


def run(arguments: Sequence[str], context: Context) -> int:
    named = bool(arguments) and arguments[0] in COMMANDS
    command, words = (arguments[0], arguments[1:]) if named else ("sbatch", arguments)
    if not words or words[0] in ("-h", "--help"):
        print(HELP)
        return 0 if words else UsageError.exit_code
    line = read_command_line(words, command)
    if isinstance(line, Unknown):
        if line.name == ":":
            raise UsageError(f"it can't be told what {command} makes of a ':' in these arguments")
        raise UsageError(f"--{line.name} is no option of {command}, or stands for several")

    from hpccompat.cli.render import plan_json, print_json, show_plan
    from hpccompat.workflow import plan_submission

    submission = submission_of(line, script_from_stdin(line))
    plan = plan_submission(submission, load_settings(context.config), os.environ, own_cache())
    argv = [command, *line.arguments([each.options() for each in plan.rewrites])]
    if context.output == "json":
        print_json(plan_json(plan, argv))
    else:
        show_plan(plan, argv)
    return Refused.exit_code if plan.outcome == "refused" else 0
