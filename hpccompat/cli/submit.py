"""`hpccompat sbatch|srun|salloc`: the wrapper. A job goes through unchanged if hpccompat itself breaks."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise

from hpccompat.cli.main import Context
from hpccompat.errors import HpccompatError, Refused, UsageError
from hpccompat.settings import Settings, load_settings
from hpccompat.slurm.command import PATIENCE, ask, guard
from hpccompat.slurm.options import CommandLine, Unknown
from hpccompat.slurm.plan import Rewrite
from hpccompat.slurm.probe import read_command_line
from hpccompat.slurm.script import script_from_stdin
from hpccompat.slurm.submit import become, hand_over, label_was_gone, submit


def run(arguments: Sequence[str], context: Context) -> int:
    if context.command != "sbatch":
        # Job steps are never touched, and allocations are not planned: Slurm's own, to the last word.
        return become(context.command, arguments)
    guard()
    line = read_command_line(arguments)
    if isinstance(line, Unknown):
        return _unread(line, arguments, context)
    if line.information:
        return become("sbatch", arguments)
    stdin = script_from_stdin(line)
    settings = Settings()
    try:
        from hpccompat.cli.main import printable
        from hpccompat.cli.render import show_messages, show_reasons
        from hpccompat.workflow import announce, plan_submission

        settings = load_settings(context.config, tolerant=True)
        plan = plan_submission(line, settings, os.environ, stdin)
    except UsageError:
        raise
    except Exception as error:  # whatever breaks in us must not stop the job, unless the site wants it so
        return _broken(error, line, stdin, settings)

    show_messages(each for each in plan.messages if each.level != "info" or not line.quiet)
    if plan.rejection is not None and plan.outcome == "refused":
        sys.stderr.write(plan.rejection.stderr)
        return plan.rejection.status or Refused.exit_code
    if plan.outcome == "refused":
        for component in plan.components:
            show_reasons(component.reasons, sys.stderr)
        return Refused.exit_code
    show_messages(announce(plan, settings))
    if plan.rewrite.carrier == "label":
        gone, status = label_was_gone(plan.line, plan.rewrite, plan.stdin)
        if not gone:
            return status
        plan = plan_submission(line, settings, os.environ, stdin, label_is_gone=True)
        if plan.outcome == "refused":
            show_messages(plan.messages)
            return Refused.exit_code
    status = submit(plan.line, plan.rewrite, plan.stdin, wait=plan.rejection is not None)
    if plan.rejection is not None and status == 0:
        said = printable(plan.rejection.stderr.strip().rpartition("\n")[2]) or "nothing"
        print(
            f"hpccompat: warning: the job was not planned; sbatch -v --test-only said: {said}",
            file=sys.stderr,
        )
    return status


def _unread(line: Unknown, arguments: Sequence[str], context: Context) -> int:
    """A command line that we can't take apart: sbatch will say what is wrong with it, or the job goes
    unplanned, which is no news to keep."""
    required = "--compat=require" in arguments or ("--compat", "require") in pairwise(arguments)
    if required or load_settings(context.config, tolerant=True).policy.unavailable == "deny":
        answer = ask(("sbatch", "--test-only", *line.words), PATIENCE)
        if answer.status == 0:
            raise Refused(f"the option --{line.name} is unknown or ambiguous to hpccompat, the job can't be planned")
        sys.stderr.write(answer.stderr)
        return answer.status
    status = hand_over(line.words)
    if status == 0:
        print(
            f"hpccompat: warning: the job was not planned; the option --{line.name} is unknown or ambiguous to us",
            file=sys.stderr,
        )
    return status


def _broken(error: Exception, line: CommandLine, stdin: str | None, settings: Settings) -> int:
    what = str(error) if isinstance(error, HpccompatError) else f"{type(error).__name__}: {error}"
    compat = line.our("--compat")
    denied = settings.policy.broken == "deny" or compat == "require"
    if settings.mode == "observe" or (settings.mode != "enforce" and compat in ("off", "warn")):
        denied = False
    if denied or settings.policy.broken != "allow":
        level, outcome = ("error", "refused") if denied else ("warning", "submitted as it is")
        print(
            f"hpccompat: {level}: hpccompat failed, the job is {outcome}: {ascii(what)[1:-1]}",
            file=sys.stderr,
        )
    return Refused.exit_code if denied else submit(line, Rewrite(), stdin, wait=False)
