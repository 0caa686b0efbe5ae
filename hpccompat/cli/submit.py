"""`hpccompat sbatch|srun|salloc`: the wrapper. A job goes through unchanged if hpccompat itself breaks."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from hpccompat.cli.main import Context
from hpccompat.errors import HpccompatError, Refused, SlurmError, UsageError
from hpccompat.settings import Settings, load_settings
from hpccompat.slurm.command import PATIENCE, ask, guard
from hpccompat.slurm.inventory_cache import own_cache
from hpccompat.slurm.options import OURS, CommandLine, Unknown
from hpccompat.slurm.script import read_script, script_from_stdin
from hpccompat.slurm.submission import read_command_line, read_requests
from hpccompat.slurm.submit import become, hand_over, submit

if TYPE_CHECKING:
    from hpccompat.workflow import Plan, Submission


def run(arguments: Sequence[str], context: Context) -> int:
    guard()
    line = read_command_line(arguments, context.command)
    if isinstance(line, Unknown):
        return _unread(line, arguments, context)
    if line.information:
        return become(context.command, arguments)
    if in_job(context.command) or line.has("jobid"):
        # Steps of a job that has its nodes are never touched.
        return become(context.command, line.arguments())
    stdin = script_from_stdin(line)
    settings = Settings()
    try:
        from hpccompat.cli.render import show_messages, show_reasons
        from hpccompat.workflow import announce, plan_submission

        settings = load_settings(context.config, tolerant=True)
        submission = submission_of(line, stdin)
        plan = plan_submission(submission, settings, os.environ, own_cache())
    except UsageError:
        raise
    except Exception as error:  # whatever breaks in us must not stop the job, unless the site wants it so
        return _broken(error, line, stdin, settings)

    def say(plan: Plan) -> None:
        show_messages(each for each in plan.messages if each.level != "info" or not line.quiet)

    say(plan)
    if plan.outcome == "refused":
        for component in plan.components:
            show_reasons(component.reasons, sys.stderr)
        return Refused.exit_code
    show_messages(announce(plan, settings))
    done = submit(line, plan.rewrites, stdin)
    what = done.out_of_date(plan.rewrites)
    if what:
        plan = plan_submission(submission, settings, os.environ, own_cache(), again=what)
        if plan.outcome == "refused":
            say(plan)
            return Refused.exit_code
        done = submit(line, plan.rewrites, stdin)
    sys.stderr.write(done.complaint)
    return done.status


def in_job(command: str) -> bool:
    """Whether srun would start a step of the job that we are in."""
    return command == "srun" and ("SLURM_JOB_ID" in os.environ or "SLURM_JOBID" in os.environ)


def submission_of(line: CommandLine, stdin: str | None) -> Submission:
    """What the command line, the script and the environment ask for."""
    from hpccompat.workflow import Submission

    unreadable = ""
    try:
        script = read_script(line) if stdin is None else stdin
    except SlurmError as error:
        script, unreadable = "", str(error)
    requests = read_requests(line, script, os.environ)
    misplaced = [
        f"the script's line {each!r} is not understood (#COMPAT image=REF, spec=FILE, tag=T)"
        for each in requests.unread
    ]
    misplaced += [
        f"{word} stands after the script's name, and goes to the script"
        for word in line.script[1:]
        if word.partition("=")[0] in OURS
    ]
    return Submission(
        requests.components,
        tuple(each.ours for each in line.components),
        doubts=requests.doubts,
        misplaced=tuple(misplaced),
        unreadable=unreadable,
    )


def _unread(line: Unknown, arguments: Sequence[str], context: Context) -> int:
    """A command line that we can't take apart: Slurm will say what is wrong with it, or the job goes
    unplanned, which is no news to keep."""
    if in_job(context.command):
        return become(context.command, line.words)
    what = f"the option --{line.name} is unknown or ambiguous" if line.name != ":" else "what a ':' parts is ambiguous"
    required = "--compat=require" in arguments or ("--compat", "require") in pairwise(arguments)
    if required or load_settings(context.config, tolerant=True).policy.unavailable == "deny":
        if context.command == "sbatch":
            answer = ask(("sbatch", "--test-only", *line.words), PATIENCE)
            if answer.status != 0:
                sys.stderr.write(answer.stderr)
                return answer.status
        raise Refused(f"{what} to hpccompat, the job can't be planned")
    status = hand_over(context.command, line.words).status
    if status == 0:
        print(f"hpccompat: warning: the job was not planned; {what} to us", file=sys.stderr)
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
    if denied:
        return Refused.exit_code
    done = submit(line, (), stdin)
    sys.stderr.write(done.complaint)
    return done.status
