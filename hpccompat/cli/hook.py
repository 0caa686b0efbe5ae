"""`hpccompat hook cli-filter FILE`: what Slurm's cli_filter plugin asks for one component of a job; `hook job-start`:
the prolog's last look."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence

from hpccompat.cli.main import Context, printable
from hpccompat.decision_log import log_decision
from hpccompat.errors import HpccompatError, SettingsError, SlurmError, StoreError, UsageError
from hpccompat.plan_cache import folder_of, put
from hpccompat.runtimes.plugin_options import PLUGIN_OPTIONS
from hpccompat.settings import Settings, files, load_settings, variables
from hpccompat.slurm.cli_filter import KEPT, Asked, decode_fields, encode_fields, read_question
from hpccompat.slurm.inventory_cache import own_cache

HELP = """usage: hpccompat hook cli-filter FILE
       hpccompat hook job-start --node NAME

cli-filter answers the question that slurm/cli_filter.lua left in FILE. job-start looks, in a prolog, whether the node
still fits the job that starts there. For slurm/cli_filter.lua and slurm/prolog.d/50-hpccompat alone."""
_LIMIT = 16 * 1024 * 1024
# Of a file that a kept plan hangs on.
_FILE_LIMIT = 256 * 1024
# Of an image: a SIF file's header and its first descriptors.
_HEAD = 32 * 1024
_KEY = re.compile(r"plugin-[0-9a-f]{16}", re.ASCII)


def run(arguments: Sequence[str], context: Context) -> int:
    if len(arguments) == 3 and arguments[:2] == ["job-start", "--node"]:
        return _job_start(arguments[2], context)
    if len(arguments) != 2 or arguments[0] != "cli-filter":
        print(HELP)
        return 0 if list(arguments) in (["-h"], ["--help"]) else UsageError.exit_code
    try:
        with open(arguments[1], "rb") as opened:
            question = opened.read(_LIMIT)
    except OSError as error:
        raise UsageError(f"{arguments[1]}: {error.strerror}") from error
    asked = read_question(question)
    try:
        settings = load_settings(context.config, tolerant=True)
    except SettingsError as error:
        return _broken(error, Settings())
    try:
        answer = _answer(asked, question, context, settings)
    except Exception as error:  # whatever breaks in us must not stop the job, unless the site wants it so
        return _broken(error, settings)
    sys.stdout.buffer.write(answer)
    return 0


def _job_start(node: str, context: Context) -> int:
    """Status 0 in every case: a prolog must not fail."""
    from hpccompat.nodes.record import node_name
    from hpccompat.nodes.store import Store
    from hpccompat.slurm.job_start import Check, complain, look
    from hpccompat.slurm.spool import Spool

    settings = load_settings(context.config, tolerant=True)
    if settings.disabled or settings.start_check == "off":
        return 0
    # Observing means: look, log, and leave the job alone.
    mode = "warn" if settings.mode == "observe" else settings.start_check
    check = Check(mode, settings.start_tries, settings.start_interactive, settings.collect_timeout)
    try:
        outcome = look(os.environ, node_name(node), Store(settings.store), Spool(settings.spool), check)
    except (StoreError, SlurmError) as error:
        outcome = complain(error, os.environ)
    if outcome is None:
        return 0
    decision = {"event": "start", "job": os.environ.get("SLURM_JOB_ID", ""), "node": node}
    log_decision(settings.log, {**decision, "outcome": outcome.action, "text": outcome.text})
    if outcome.action != "fits":
        print(printable(outcome.text), file=sys.stderr)
    return 0


def _answer(asked: Asked, question: bytes, context: Context, settings: Settings) -> bytes:
    from hpccompat.cli.image_files import image_files
    from hpccompat.cli.render import show_reasons, shown
    from hpccompat.job_plan import Submission, decision
    from hpccompat.workflow import announce, plan_submission

    made_of = _made_of(asked, context, settings)
    unread = [
        f"the script's line {each!r} is not understood (#COMPAT image=REF, spec=FILE, spack=SPEC, tag=T)"
        for each in asked.unread
    ]
    submission = Submission(
        (asked.request,),
        asked.command,
        misplaced=tuple(unread if asked.offset == 0 else ()),
        script=asked.script,
        script_name=asked.script_name,
        command_words=(asked.words,),
    )
    plan = plan_submission(submission, settings, os.environ, own_cache())
    remarks = announce(plan, settings)
    log_decision(settings.log, decision(plan, asked.command))
    said = [("say", shown(each)) for each in (*plan.messages, *remarks) if each.level != "info" or not asked.quiet]
    fields = [("outcome", plan.outcome), *said]
    if plan.outcome == "refused":
        for _, text in said:
            print(text, file=sys.stderr)
        for component in plan.components:
            show_reasons(component.reasons, sys.stderr)
        return encode_fields([("outcome", "refused"), ("end", "")])
    for rewrite in plan.rewrites:
        values = {name: getattr(rewrite, name) for name in ("constraint", "prefer", "exclude", "comment")}
        fields += [(name, value) for name, value in values.items() if value is not None]
    if not remarks and plan.until and made_of is not None:
        images = image_files(plan.components[0])
        if images is not None:
            _keep(question, plan.until, made_of, images, fields)
    return encode_fields([*fields, ("end", "")])


def _made_of(asked: Asked, context: Context, settings: Settings) -> dict[str, bytes | None] | None:
    """The files that the plan hangs on, and what is in them before they are read for it; None where that can't be
    told."""
    request = asked.request
    named = [each for each in (request.exclude, request.nodelist) if "/" in each]
    named += [request.nodefile] if request.nodefile else []
    named += list(request.compat.get("spec", ()))
    if any(not os.path.isabs(each) for each in named):
        return None  # the plugin does not know its working directory
    paths = [*map(str, files(context.config, os.environ)), str(settings.store / "generation"), *named]
    return _contents(map(os.path.abspath, paths))


def _contents(paths: Iterable[str]) -> dict[str, bytes | None] | None:
    """What is in small files, None for one that is not there; None where that can't be told."""
    found: dict[str, bytes | None] = {}
    for path in dict.fromkeys(paths):
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
                content = opened.read(_FILE_LIMIT + 1)
        except (FileNotFoundError, NotADirectoryError):
            found[path] = None
            continue
        except OSError:
            return None
        if len(content) > _FILE_LIMIT or "\n" in path:
            return None
        found[path] = content
    return found


def _keep(
    question: bytes,
    until: float,
    made_of: dict[str, bytes | None],
    images: tuple[list[str], list[str]],
    answer: Sequence[tuple[str, str]],
) -> None:
    """For the plugin, which reads it without starting us: for some seconds, and while all that it hangs on is as it
    was."""
    *asked, (name, key) = decode_fields(question)
    folder = folder_of(os.environ)
    if name != "keep" or not _KEY.fullmatch(key) or not folder:
        return
    own = [each for row in PLUGIN_OPTIONS for each in row.variables]
    slurms = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_CONF_SERVER")
    names = {*variables(os.environ), *own, *slurms, "HPCCOMPAT_IMAGE", "PATH", "XDG_CACHE_HOME"}
    fields = [(KEPT, ""), ("until", repr(until)), ("question", _text(encode_fields(asked)))]
    for each in sorted(names):
        fields.append(("variable", f"{each}={os.environ[each]}" if each in os.environ else f"{each}?"))
    for path in images[0]:
        head = _head(path)
        if head is None:
            return
        fields.append(("head", head))
    sidecars = _contents(images[1])
    if sidecars is None:
        return
    made_of = made_of | sidecars
    for path, content in made_of.items():
        fields.append(("absent", path) if content is None else ("file", f"{path}\n{_text(content)}"))
    put(folder, key, encode_fields([*fields, *answer, ("end", "")]))


def _head(path: str) -> str | None:
    """What the plugin, which can ask for no inode, can tell of an image: its size, and how it begins. Whatever is
    embedded in a SIF file changes its header."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            return f"{path}\n{size}\n{_text(opened.read(_HEAD))}" if "\n" not in path else None
    except OSError:
        return None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _broken(error: Exception, settings: Settings) -> int:
    what = str(error) if isinstance(error, HpccompatError) else f"{type(error).__name__}: {error}"
    denied = settings.policy.broken == "deny" and settings.mode != "observe"
    fields = [("outcome", "refused" if denied else "unchanged")]
    if denied:
        print(f"hpccompat: error: hpccompat failed, the job is refused: {ascii(what)[1:-1]}", file=sys.stderr)
    elif settings.policy.broken != "allow":
        text = f"hpccompat: warning: hpccompat failed, the job is submitted as it is: {ascii(what)[1:-1]}"
        fields.append(("say", text))
    sys.stdout.buffer.write(encode_fields([*fields, ("end", "")]))
    return 0
