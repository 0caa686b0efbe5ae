"""`hpccompat sbatch|srun|salloc`: the wrapper. A job goes through unchanged if hpccompat itself breaks."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from hpccompat.cli.main import Context
from hpccompat.errors import HpccompatError, Refused, SettingsError, UsageError
from hpccompat.settings import Settings, load_settings
from hpccompat.slurm.command import PATIENCE, ask
from hpccompat.slurm.options import CommandLine, Unknown
from hpccompat.slurm.plan import Rewrite
from hpccompat.slurm.probe import read_command_line
from hpccompat.slurm.script import script_from_stdin
from hpccompat.slurm.submit import become, hand_over, submit


def run(arguments: Sequence[str], context: Context) -> int:
    if context.command != "sbatch":
        # Job steps are never touched, and allocations are not planned: Slurm's own, to the last word.
        return become(context.command, arguments)
    line = read_command_line(arguments)
    if isinstance(line, Unknown):
        return _unread(line, context)
    stdin = script_from_stdin(line)
    settings = Settings()
    try:
        from hpccompat.cli.render import printable, show_messages, show_reasons
        from hpccompat.workflow import plan_submission

        settings = load_settings(context.config)
        plan = plan_submission(line, settings, os.environ, stdin)
    except UsageError:
        raise
    except Exception as error:  # whatever breaks in us must not stop the job, unless the site wants it so
        return _broken(error, line, stdin, settings, context)

    show_messages(each for each in plan.messages if each.level != "info" or not line.quiet)
    if plan.rejection is not None and plan.outcome == "refused":
        sys.stderr.write(plan.rejection.stderr)
        return plan.rejection.status or Refused.exit_code
    if plan.outcome == "refused":
        for component in plan.components:
            show_reasons(component.reasons, sys.stderr)
        return Refused.exit_code
    status = submit(plan.line, plan.rewrite, plan.stdin, wait=plan.rejection is not None)
    if plan.rejection is not None and status == 0:
        said = printable(plan.rejection.stderr.strip().rpartition("\n")[2]) or "nothing"
        print(
            f"hpccompat: warning: the job was not planned; sbatch -v --test-only said: {said}",
            file=sys.stderr,
        )
    return status


def _unread(line: Unknown, context: Context) -> int:
    """A command line that we can't take apart: sbatch will say what is wrong with it, or the job goes
    unplanned, which is no news to keep."""
    if load_settings(context.config).policy.unavailable == "deny":
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


def _broken(error: Exception, line: CommandLine, stdin: str | None, settings: Settings, context: Context) -> int:
    if isinstance(error, SettingsError):
        settings = _site_settings(context)
    what = str(error) if isinstance(error, HpccompatError) else f"{type(error).__name__}: {error}"
    denied = settings.policy.broken == "deny"
    if settings.policy.broken != "allow":
        level, outcome = ("error", "refused") if denied else ("warning", "submitted as it is")
        print(
            f"hpccompat: {level}: hpccompat failed, the job is {outcome}: {ascii(what)[1:-1]}",
            file=sys.stderr,
        )
    return Refused.exit_code if denied else submit(line, Rewrite(""), stdin, wait=False)


def _site_settings(context: Context) -> Settings:
    """The settings without the user's part, which may be what is wrong."""
    try:
        return load_settings(context.config, as_root=True)
    except SettingsError:
        return Settings()
