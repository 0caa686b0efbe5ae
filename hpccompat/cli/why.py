"""`hpccompat why JOBID`: a job of ours explained, pending, held, running or requeued."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hpccompat.cli.main import Context, printable
from hpccompat.judging import images_of_requirement, published_labels
from hpccompat.nodes.hostlist import fold
from hpccompat.nodes.store import Store
from hpccompat.settings import Settings, load_settings
from hpccompat.slurm.evaluate import Limits, Task, evaluate
from hpccompat.slurm.explanation import Explanation, Situation, explain
from hpccompat.slurm.inventory_cache import ask_by
from hpccompat.slurm.job import Job, admin_comment, read_job
from hpccompat.slurm.job_start import required_ids
from hpccompat.slurm.labels import without_token
from hpccompat.slurm.spool import Spool


def run(arguments: Sequence[str], context: Context) -> int:
    options = _parser().parse_args(arguments)
    settings = load_settings(context.config)
    job = read_job(options.job)
    spool = Spool(settings.spool)
    named = {"SLURM_JOB_COMMENT": job.comment, "SLURM_JOB_CONSTRAINTS": job.fields.get("Features", "")}
    ids = required_ids(named, spool)
    if not ids:
        print(
            f"job {job.id} carries nothing of hpccompat: it names no requirement in its comment, and no label in its "
            "constraint. Jobs whose site keeps no spool have none either; hpccompat plan SCRIPT tells what holds now"
        )
        return 1
    entries = spool.names()
    tasks = [Task(id, tuple(each for each in entries if each.id == id), reasons=True) for id in ids]
    answers = evaluate(tasks, Store(settings.store), spool, Limits())
    inventory, _ = ask_by(settings.inventory)
    note = admin_comment(job.id)
    labels = published_labels(settings)
    explained = explain(Situation(job, answers, inventory, labels, note))
    images = {id: images_of_requirement(id, spool, settings) for id in ids}
    if context.output == "json":
        _print_json(job, explained, ids, images, note)
    else:
        _show(job, explained, ids, images, note, settings)
    return 0


def _show(
    job: Job,
    explained: Explanation,
    ids: Sequence[str],
    images: dict[str, tuple[str, ...]],
    note: str,
    settings: Settings,
) -> None:
    from hpccompat.cli.render import table

    state = f"{job.state.lower()}{f' ({job.reason})' if job.reason not in ('', 'None') else ''}"
    where = f" on {fold(job.nodes)}" if job.nodes else ""
    requeued = f", requeued {_many(job.restarts, 'time')}" if job.restarts else ""
    rows = [("job", f"{job.id}: {state}{where}{requeued}")]
    for id in ids:
        rows.append(("requires", f"{id[:10]}…{''.join(f', {each}' for each in images[id])}"))
    if own := without_token(job.comment):
        rows.append(("comment", own))
    constraint = job.fields.get("Features", "")
    rows.append(("carrier", "a label, in its constraint: it follows the nodes" if explained.carrier == "label" else
                 "the excluded nodes, as they were at submission"))  # fmt: skip
    if constraint:
        rows.append(("constraint", constraint))
    if job.excluded:
        rows.append(("excluded", f"{_many(len(job.excluded), 'node')}: {fold(job.excluded)}"))
    if explained.unknown:
        rows += [("not known", each) for each in explained.unknown]
    else:
        rows.append(("eligible now", _nodes(explained.eligible)))
        rows.append(("idle of them", _nodes(explained.idle)))
    if note:
        rows.append(("last look", note.removeprefix("hpccompat: ")))
    rows += [("what helps", each) for each in explained.help]
    for name, text in rows:
        print(f"{name:<13}{printable(text)}")
    if explained.reasons:
        shown = [(len(nodes), fold(nodes), verdict, printable(text)) for verdict, text, nodes in explained.reasons[:10]]
        print()
        print(table(shown, ("nodes", "which", "verdict", "why")))
        if len(explained.reasons) > 10:
            print(f"and {len(explained.reasons) - 10} more reasons")


def _nodes(nodes: frozenset[str]) -> str:
    return f"{_many(len(nodes), 'node')}: {fold(nodes)}" if nodes else "none"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _print_json(
    job: Job, explained: Explanation, ids: Sequence[str], images: dict[str, tuple[str, ...]], note: str
) -> None:
    from hpccompat.cli.render import print_json

    print_json(
        {
            "job": job.id,
            "state": job.state,
            "reason": job.reason,
            "restarts": job.restarts,
            "nodes": fold(job.nodes),
            "requirements": [{"id": id, "images": list(images[id])} for id in ids],
            "carrier": explained.carrier,
            "constraint": job.fields.get("Features", ""),
            "exclude": fold(job.excluded),
            "eligible": fold(explained.eligible),
            "idle": fold(explained.idle),
            "reasons": [
                {"verdict": verdict, "nodes": fold(nodes), "text": text} for verdict, text, nodes in explained.reasons
            ],
            "unknown": list(explained.unknown),
            "lastLook": note,
            "help": list(explained.help),
        }
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpccompat why",
        description="Explains a job that hpccompat has planned: what it requires, how that is carried, which nodes fit "
        "now, why the others don't, and what would help.",
        epilog="exit status: 0 explained, 1 the job is not one of ours, 3 Slurm or the store can't be asked",
        allow_abbrev=False,
    )
    parser.add_argument("job", metavar="JOBID", help="as 1234, 1234_5 (of an array) or 1234+1 (a component)")
    return parser
