"""`hpccompat plan [sbatch] ARGS…`: what the wrapper would do."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hpccompat.cli.main import Context
from hpccompat.errors import Refused, SlurmError, UsageError
from hpccompat.settings import load_settings
from hpccompat.slurm.options import Unknown
from hpccompat.slurm.probe import read_command_line
from hpccompat.slurm.script import script_from_stdin

HELP = """usage: hpccompat [--output table|json] plan [sbatch] [SBATCH OPTIONS] [SCRIPT [ARGS…]]

Shows what `hpccompat sbatch` would submit with the same arguments, and why. Submits nothing.

options of ours, among sbatch's:
  --compat-image REF   the job's image; otherwise a #COMPAT image= line of the script, or HPCCOMPAT_IMAGE
  --compat-spec FILE   a compatibility spec instead of an image's
  --compat-tag T,…     only the spec's sets with one of these tags
  --compat off|warn|require
                       leave this job alone; never refuse it; refuse it unless all is known and well

exit status: 0, or 4 where the job would be refused"""


def run(arguments: Sequence[str], context: Context) -> int:
    if arguments and arguments[0] in ("srun", "salloc"):
        raise UsageError(f"plan takes the arguments of sbatch; {arguments[0]} goes to Slurm as it is")
    words = arguments[1:] if arguments and arguments[0] == "sbatch" else arguments
    if not words or words[0] in ("-h", "--help"):
        print(HELP)
        return 0 if words else UsageError.exit_code
    line = read_command_line(words)
    if isinstance(line, Unknown):
        raise UsageError(f"--{line.name} is no option of sbatch, or stands for several")

    from hpccompat.cli.render import plan_json, print_json, show_plan
    from hpccompat.workflow import plan_submission

    plan = plan_submission(line, load_settings(context.config), os.environ, script_from_stdin(line))
    if plan.rejection is not None:
        raise SlurmError(f"Slurm does not take this job: {plan.rejection.stderr.strip()}")
    argv = ["sbatch", *plan.rewrite.arguments(plan.line)]
    if context.output == "json":
        print_json(plan_json(plan, argv))
    else:
        show_plan(plan, argv)
    return Refused.exit_code if plan.outcome == "refused" else 0
