"""`hpccompat sbatch|srun|salloc`: the wrapper. A job goes through unchanged if hpccompat itself breaks."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from hpccompat.cli.main import Context
from hpccompat.decision_log import log_decision
from hpccompat.errors import HpccompatError, Refused, SlurmError, UsageError
from hpccompat.plan_cache import CachedPlan, digest_of, keep
from hpccompat.settings import Settings, files, load_settings
from hpccompat.slurm.command import PATIENCE, ask, guard, program
from hpccompat.slurm.inventory_cache import own_cache
from hpccompat.slurm.options import OURS, CommandLine, Unknown
from hpccompat.slurm.script import places, read_script, script_from_stdin
from hpccompat.slurm.submission import read_command_line, read_requests
from hpccompat.slurm.submit import become, hand_over, submit

if TYPE_CHECKING:
    from hpccompat.job_plan import Component, Plan, Submission


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
        from hpccompat.cli.render import show_messages, show_reasons, shown
        from hpccompat.job_plan import decision
        from hpccompat.workflow import announce, plan_submission

        settings = load_settings(context.config, tolerant=True)
        begun = time.time()
        made_of = _made_of(line, context, settings)
        submission = submission_of(line, stdin)
        plan = plan_submission(submission, settings, os.environ, own_cache())
    except UsageError:
        raise
    except Exception as error:  # whatever breaks in us must not stop the job, unless the site wants it so
        return _broken(error, line, stdin, settings)

    audible = [each for each in plan.messages if each.level != "info" or not line.quiet]
    show_messages(audible)
    log_decision(settings.log, decision(plan, line.command))
    if plan.outcome == "refused":
        for component in plan.components:
            show_reasons(component.reasons, sys.stderr)
        return Refused.exit_code
    remarks = announce(plan, settings)
    show_messages(remarks)
    if stdin is None and not remarks:
        _keep(plan, line, arguments, context, made_of, begun, [shown(each) for each in audible])
    done = submit(line, plan.rewrites, stdin)
    what = done.out_of_date(plan.rewrites)
    if what:
        plan = plan_submission(submission, settings, os.environ, own_cache(), again=what)
        if plan.outcome == "refused":
            show_messages(plan.messages)
            return Refused.exit_code
        done = submit(line, plan.rewrites, stdin)
    sys.stderr.write(done.complaint)
    return done.status


def _made_of(line: CommandLine, context: Context, settings: Settings) -> dict[str, str]:
    """The files that a plan hangs on, and what is in them, before they are read for it: what changes meanwhile is then
    noticed."""
    values = [each.values for each in line.components]
    named = [each.get(option, "") for each in values for option in ("exclude", "nodelist", "nodefile")]
    named = [name for name in named if "/" in name] + [each["nodefile"] for each in values if each.get("nodefile")]
    named += [name for each in line.components for name in each.ours.get("--compat-spec", ())]
    store = [settings.store / name for name in ("generation", "nodes", "changed")]
    paths = [*map(str, (*files(context.config, os.environ), *store)), *places(line), *named]
    return {path: digest_of(path) for path in dict.fromkeys(os.path.abspath(each) for each in paths)}


def _keep(
    plan: Plan,
    line: CommandLine,
    arguments: Sequence[str],
    context: Context,
    made_of: dict[str, str],
    begun: float,
    said: list[str],
) -> None:
    """Keeps the plan for the next submission that differs in nothing but in what the script gets."""
    from hpccompat.cli.image_files import image_files

    in_script = {each for component in plan.components for each in _files_of(component)}
    if line.has("wait") or any(each.needs_file for each in plan.rewrites) or not in_script <= made_of.keys():
        return
    for component in plan.components:
        found = image_files(component)
        # One that changed while it was read may have been read before that.
        if found is None or any(os.stat(each).st_ctime >= begun - 1 for each in found[0]):
            return
        made_of = made_of | {path: digest_of(path) for paths in found for path in paths}
    # A command's own words may name an image.
    behind = max(len(line.script) - 1, 0) if line.command == "sbatch" else 0
    words = line.arguments([each.options() for each in plan.rewrites])
    cached = CachedPlan("", program(line.command), list(words[: len(words) - behind]), said)
    config = str(context.config or "")
    asked = list(arguments[: len(arguments) - behind])
    keep(line.command, config, asked, os.environ, plan.until, made_of, cached)


def _files_of(component: Component) -> list[str]:
    """The files that a component of the job names, wherever it does."""
    request = component.request
    named = [each for each in (request.exclude, request.nodelist) if "/" in each]
    named += [request.nodefile] if request.nodefile else []
    named += [each.name for each in component.demands if each.kind == "spec"]
    return [os.path.abspath(each) for each in named]


def in_job(command: str) -> bool:
    """Whether srun would start a step of the job that we are in."""
    return command == "srun" and ("SLURM_JOB_ID" in os.environ or "SLURM_JOBID" in os.environ)


def submission_of(line: CommandLine, stdin: str | None) -> Submission:
    """What the command line, the script and the environment ask for."""
    from hpccompat.job_plan import Submission

    unreadable = ""
    try:
        script = read_script(line) if stdin is None else stdin
    except SlurmError as error:
        script, unreadable = "", str(error)
    requests = read_requests(line, script, os.environ)
    misplaced = [
        f"the script's line {each!r} is not understood (#COMPAT image=REF, spec=FILE, spack=SPEC, tag=T)"
        for each in requests.unread
    ]
    misplaced += [
        f"{word} stands after the script's name, and goes to the script"
        for word in line.script[1:]
        if word.partition("=")[0] in OURS
    ]
    wrapped = line.components[-1].values.get("wrap", "")
    return Submission(
        requests.components,
        line.command,
        tuple(each.ours for each in line.components),
        doubts=requests.doubts,
        misplaced=tuple(misplaced),
        unreadable=unreadable,
        script=wrapped if line.wrap else script,
        script_name="--wrap" if line.wrap else os.path.basename(line.script[0]) if line.script else "standard input",
        command_words=_command_words(line),
    )


def _command_words(line: CommandLine) -> tuple[tuple[str, ...], ...]:
    """What each component of srun runs; what salloc runs, which is no component's if there are several."""
    if line.command == "sbatch" or (line.command == "salloc" and len(line.components) > 1):
        return ()
    earlier = [each.tail[1:] if each.tail[:1] == ("--",) else each.tail for each in line.components[:-1]]
    return (*earlier, line.script)


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
