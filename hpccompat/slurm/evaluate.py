"""Evaluating what users have written: in a child process without rights, whose time and memory are bounded.

The child opens the spool's files and the store, and answers with one line of JSON for each requirement. One that
hangs, or kills the child, costs its own answer alone: another child goes on with the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from select import select as readable

from hpccompat.errors import DocumentError, HpccompatError, StoreError
from hpccompat.features.model import Features
from hpccompat.nodes.index import open_index
from hpccompat.nodes.store import Store
from hpccompat.nodes.table import NodeTable
from hpccompat.plan.requirement import SIZE_LIMIT, Requirement, load_requirement, requirement
from hpccompat.plan.selection import Verdict, judge, select
from hpccompat.slurm.spool import Entry, Spool
from hpccompat.spec.decode import load_spec

MEMORY = 2 * 2**30
# Bytes of an answer: the names of a hundred thousand nodes are far fewer.
_ANSWER = 32 * 2**20
# Seconds until the child has the store open.
_START = 20.0
# Files that are tried for one requirement; anybody may leave worthless ones of its name.
_TRIED = 20
# Loads what evaluation imports late (decoders too), while the child may still read where Python is installed.
_WARMING = (
    rb"""compatibilities: [{rules: [{name: n, varsTemplate: "{{range .a.b}}c={{upper .Name}}{{end}}", matchFeatures: [
        {feature: a.b, matchExpressions: {c: {op: InRegexp, value: ['(?i)[\p{Greek}d]']}}}]}]}]""",
    b"compatibilities: [{rules: [{matchFeatures: [{feature: a.b, matchName: {op: InRegexp, value: ['(']}}]}]}]",
    b"- [",
)


@dataclass(frozen=True)
class Task:
    """A requirement: the files of the spool that claim to hold it, or else a spec's file, taken without tags.
    `reasons`: those are wanted, too."""

    id: str = ""
    entries: tuple[Entry, ...] = ()
    spec: str = ""
    reasons: bool = False

    @property
    def name(self) -> str:
        return self.spec or self.id


@dataclass(frozen=True)
class Answer:
    """`nodes`: those whose verdict is compatible. `error`: why there is no answer. `bad`: it took too much, and had
    better not be tried again soon. `unclear`: that was not its own fault. `verdict` and `why`: of the one node that was
    asked for. `reasons`: where they are asked for, (verdict, text, nodes) of all that are not compatible."""

    id: str
    nodes: frozenset[str] = field(default_factory=frozenset)
    error: str = ""
    bad: bool = False
    unclear: bool = False
    verdict: str = ""
    why: str = ""
    reasons: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Limits:
    """Seconds: of one requirement, and of all together."""

    each: float = 5.0
    together: float = 30.0


def evaluate(tasks: Sequence[Task], store: Store, spool: Spool, limits: Limits, node: str = "") -> list[Answer]:
    """One answer for each task. `node`: only this one is looked at, by its record. Raises StoreError where the store
    can't be opened: that is never "no node"."""
    answers: list[Answer] = []
    end = time.monotonic() + limits.together
    while len(answers) < len(tasks):
        with _Child(tasks[len(answers) :], store, spool, limits, node) as child:
            for line in child.lines(limits.each):
                answers.append(_read(tasks[len(answers)], line))
                if len(answers) == len(tasks) or time.monotonic() > end:
                    break
        if child.failed:
            answers.append(Answer(tasks[len(answers)].id, error=child.failed, bad=True))
        if time.monotonic() > end:
            late = f"not reached within {limits.together:g} s"
            answers += [Answer(each.id, error=late, unclear=True) for each in tasks[len(answers) :]]
    return answers


def _read(task: Task, line: bytes) -> Answer:
    """What the child says; it may have come under a user's control."""
    try:
        said = json.loads(line)
        if said["error"]:
            return Answer(task.id, error=str(said["error"])[:500], unclear=said.get("unclear") is True)
        id, nodes = task.id or str(said["id"]), frozenset(map(str, said["nodes"]))
        verdict, why = str(said.get("verdict", "")), str(said.get("why", ""))[:500]
        reasons = tuple((str(kind), str(text), tuple(map(str, of))) for kind, text, of in said.get("reasons", ()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Answer(task.id, error="evaluating it went wrong", bad=True)
    return Answer(id, nodes, verdict=verdict, why=why, reasons=reasons)


class _Child:
    """`failed`: why it did not get to its end; "" if it did, or was not waited for."""

    def __init__(self, tasks: Sequence[Task], store: Store, spool: Spool, limits: Limits, node: str) -> None:
        self.failed = ""
        self._rest = b""
        self.reader, writer = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            status = 1
            try:
                os.close(self.reader)
                _work(tasks, store, spool, limits, node, writer)
                status = 0
            finally:
                # Nothing of the parent's may run here: no handlers, no buffers.
                os._exit(status)
        os.close(writer)

    def __enter__(self) -> _Child:
        return self

    def lines(self, seconds: float) -> Iterator[bytes]:
        """The answers, as long as each comes within the time. Raises StoreError where there is no beginning."""
        opened = self._line(_START)
        if opened is None:
            raise StoreError(f"the process that evaluates specs did not start: {self.failed}")
        if opened:
            raise StoreError(opened.decode("utf-8", "replace"))
        while (line := self._line(seconds)) is not None:
            yield line

    def _line(self, seconds: float) -> bytes | None:
        end = time.monotonic() + seconds
        while b"\n" not in self._rest:
            ready, _, _ = readable([self.reader], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                self.failed = f"evaluating it took more than {seconds:g} s"
                return None
            data = os.read(self.reader, 2**16)
            if not data or len(self._rest) > _ANSWER:
                self.failed = "evaluating it ended the process (out of memory or time?)"
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def __exit__(self, *_: object) -> None:
        os.close(self.reader)
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


# -- in the child


def warm() -> None:
    """Evaluates something of each kind, for what that imports."""
    for text in _WARMING:
        with contextlib.suppress(DocumentError):
            found = requirement(load_spec(text))
            judge(found.narrowed(), Features(attributes={"a.b": {"c": "d"}}), {}, ())
            load_requirement(found.dump().encode(), found.id)


def _work(tasks: Sequence[Task], store: Store, spool: Spool, limits: Limits, node: str, writer: int) -> None:
    warm()
    _confine(writer, limits)
    try:
        # One node's record is read itself: it has just been written.
        index = None if node else open_index(store)
        table: NodeTable = store.table([node] if node else store.names()) if index is None else index
    except StoreError as error:
        _write(writer, str(error).replace("\n", " ").encode("utf-8", "replace") + b"\n")
        return
    _write(writer, b"\n")
    for task in tasks:
        try:
            found = _requirement(task, spool)
            selection = select(found.narrowed(), table, found.tags)
            said: dict[str, object] = {
                "id": found.id,
                "nodes": sorted(selection.nodes(Verdict.COMPATIBLE)),
                "error": "",
            }
            if task.reasons:
                said["reasons"] = [(each.verdict.value, each.text, each.nodes) for each in selection.reasons]
            if node:
                said |= {
                    "verdict": selection.verdicts[node].value,
                    "why": "; ".join(each.text for each in selection.reasons),
                }
        except StoreError as error:
            said = {"error": str(error), "unclear": True}
        except HpccompatError as error:
            said = {"error": str(error) or "it can't be evaluated"}
        except Exception as error:  # whatever a hostile spec finds: its answer, and nobody else's
            said = {"error": f"it can't be evaluated: {type(error).__name__}"}
        _write(writer, json.dumps(said).encode() + b"\n")


def _write(writer: int, data: bytes) -> None:
    while data:
        data = data[os.write(writer, data) :]


def _requirement(task: Task, spool: Spool) -> Requirement:
    """Raises SpecError, DocumentError."""
    if task.spec:
        try:
            with Path(task.spec).open("rb") as opened:
                return requirement(load_spec(opened.read(SIZE_LIMIT + 1)))
        except OSError as error:
            raise DocumentError("spec-type", f"{task.spec} can't be read by nobody: {error.strerror}") from error
    why = "the spool has no file of it"
    for entry in _fairly(task.entries)[:_TRIED]:
        try:
            return load_requirement(spool.read(entry), task.id)
        except (StoreError, DocumentError) as error:
            why = f"{entry.name[:8]}…: {error}"
    raise DocumentError("spec-type", why)


def _fairly(entries: Sequence[Entry]) -> list[Entry]:
    """The newest of each owner before the others: nobody hides another's file behind many of his own."""
    first = list({each.uid: each for each in reversed(entries)}.values())
    return first + [each for each in entries if each not in first]


def _confine(writer: int, limits: Limits) -> None:
    """From here on: no rights, no files but this one, bounded memory and time."""
    import pwd

    null = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(null, each)
    for each in map(int, os.listdir("/proc/self/fd")):
        if each > 2 and each != writer:
            with contextlib.suppress(OSError):  # that of the listing itself
                os.close(each)
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(each, signal.SIG_DFL)
    seconds = int(limits.together + limits.each) + 2
    bounds = {
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
    }
    for limit, value in bounds.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    signal.alarm(seconds)  # also where nobody is left who would kill it
    if os.getuid() == 0:
        try:
            nobody = pwd.getpwnam("nobody")
            uid, gid = nobody.pw_uid, nobody.pw_gid
        except KeyError:
            uid = gid = 65534
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    os.chdir("/")
