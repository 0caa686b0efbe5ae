"""`hpccompat spec attach|list|fetch|remove|show`: specs in the registries of their images."""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from hpccompat.artifact.access import Access
from hpccompat.artifact.registry import Listed, fetch_spec, find_spec, list_specs
from hpccompat.cli.main import Context, printable
from hpccompat.errors import RegistryError, SpecError, Unavailable, UsageError
from hpccompat.judging import search_of
from hpccompat.reference import ImageReference, parse_reference
from hpccompat.settings import Settings, load_settings

# Seconds at least for what writes: uploads take longer than lookups, and writers wait for each other.
_WRITING = 60.0
_SIZE = 1024 * 1024


def run(arguments: Sequence[str], context: Context) -> int:
    options = _parser().parse_args(arguments)
    settings = load_settings(context.config)
    if options.action == "show":
        return _show(options, context, settings)
    reference = parse_reference(options.image)
    if not isinstance(reference, ImageReference):
        raise UsageError(f"{options.image} is no image of a registry; for files see hpccompat spec embed --help")
    access = search_of(settings).access
    if options.action == "attach":
        return _attach(options, context, reference, access)
    if options.action == "list":
        return _list(context, reference, access)
    if options.action == "fetch":
        return _fetch(options, reference, access)
    return _remove(options, context, reference, access)


def _attach(options: argparse.Namespace, context: Context, reference: ImageReference, access: Access) -> int:
    from hpccompat.artifact.attachment import attach
    from hpccompat.cli.render import print_json

    text = _read(options.spec)
    _refuse_invalid(text, options.spec)
    annotations = {}
    for each in options.annotation:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise UsageError(f"--annotation takes NAME=VALUE, not {each!r}")
        annotations[name] = value
    system, _, architecture = options.platform.partition("/")
    if options.platform and (system != "linux" or not architecture):
        raise UsageError(f"--platform takes linux/ARCHITECTURE, not {options.platform!r}")
    created = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    access = replace(access, deadline=max(access.deadline, _WRITING))
    done = attach(
        reference, text, created, access, annotations, architecture, _lock(reference), options.dry_run
    )  # fmt: skip
    if context.output == "json":
        print_json({"digest": done.digest, "subject": done.subject, "listed": done.listed})
        return 0
    where = f"{reference.host}/{reference.repository}"
    if options.dry_run:
        print(f"would attach {where}@{done.digest}\n  to {where}@{done.subject}\n{done.manifest.decode()}")
        return 0
    print(f"attached {where}@{done.digest}\n  to {where}@{done.subject}")
    if done.listed == "tag":
        print(
            "hpccompat: this registry has no Referrers API, so a tag lists what is attached; attach one spec at a "
            "time: a writer on another host may undo it (hpccompat spec list shows what is there)",
            file=sys.stderr,
        )
    return 0


def _list(context: Context, reference: ImageReference, access: Access) -> int:
    from hpccompat.cli.render import print_json, table

    found = list_specs(reference, access)
    if context.output == "json":
        print_json([_row(each) for each in found])
        return 0
    rows = []
    for each in found:
        row = _row(each)
        notes = " ".join(f"{name}={value}" for name, value in row["annotations"].items())  # type: ignore[attr-defined]
        rows.append(("*" if each.counts else "", row["age"], each.descriptor.digest, each.where, printable(notes)))
    if rows:
        print(table(rows, ("counts", "age", "digest", "in", "annotations")))
    else:
        print(f"no spec is attached to {reference}", file=sys.stderr)
    return 0 if rows else 1


def _row(each: Listed) -> dict[str, object]:
    from hpccompat.artifact.referrers import CREATED, created

    annotations = {name: value for name, value in each.descriptor.annotations.items() if name != CREATED}
    at = created(each.descriptor)
    known = at.year > 1
    return {
        "counts": each.counts,
        "created": at.strftime("%Y-%m-%dT%H:%M:%SZ") if known else "",
        "age": _age(datetime.datetime.now(datetime.timezone.utc) - at) if known else "unknown",
        "digest": each.descriptor.digest,
        "subject": each.subject,
        "in": each.where,
        "annotations": annotations,
    }


def _age(since: datetime.timedelta) -> str:
    seconds = since.total_seconds()
    for name, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"


def _fetch(options: argparse.Namespace, reference: ImageReference, access: Access) -> int:
    if options.digest:
        data = fetch_spec(reference, _one(list_specs(reference, access), options.digest, reference), access).data
    else:
        artifact = find_spec(reference, access).artifact
        if artifact is None:
            raise Unavailable(f"image {reference} has no compatibility spec in its registry")
        data = artifact.data
        print(f"hpccompat: {printable(artifact.found_at)}", file=sys.stderr)
    if options.file:
        try:
            options.file.write_bytes(data)
        except OSError as error:
            raise UsageError(f"{options.file}: {error.strerror}") from error
    elif sys.stdout.isatty():
        print(printable(data.decode("utf-8", "replace")))
    else:
        sys.stdout.buffer.write(data)
    return 0


def _remove(options: argparse.Namespace, context: Context, reference: ImageReference, access: Access) -> int:
    from hpccompat.artifact.attachment import remove
    from hpccompat.cli.render import print_json

    if bool(options.digest) == options.all:
        raise UsageError("say which: a DIGEST of hpccompat spec list, or --all")
    access = replace(access, deadline=max(access.deadline, _WRITING))
    listed = list_specs(reference, access)
    chosen = listed if options.all else (_one(listed, options.digest, reference),)
    if not chosen:
        raise Unavailable(f"no spec is attached to {reference}")
    done = []
    for each in chosen:
        host, _, repository = each.where.partition("/")
        place = ImageReference(host, repository)
        if not options.dry_run:
            removal = remove(place, each.subject, each.descriptor.digest, access, _lock(place))
            done.append(asdict(removal))
            remark = "" if removal.deleted else " from the list; the registry does not delete, and keeps its content"
        if context.output != "json":
            what = "would remove" if options.dry_run else "removed"
            print(f"{what} {each.where}@{each.descriptor.digest}{'' if options.dry_run else remark}")
    if context.output == "json":
        print_json(done)
    return 0


def _show(options: argparse.Namespace, context: Context, settings: Settings) -> int:
    from hpccompat.cli.render import print_json
    from hpccompat.demand import Demand
    from hpccompat.resolution import resolve
    from hpccompat.spec.encode import dump_spec

    kind = (
        "spec" if os.path.isfile(options.image) and not options.image.endswith((".sif", ".sqsh", ".img")) else "image"
    )
    resolved = resolve(Demand(kind, options.image, f"--{kind}"), search_of(settings))
    if resolved is None:
        raise Unavailable(f"image {options.image} has no compatibility spec")
    import json

    data = json.loads(dump_spec(resolved.spec))
    if context.output == "json":
        print_json({"image": resolved.image, "foundAt": resolved.found_at, "spec": data})
        return 0
    import yaml

    print(f"# {printable(resolved.found_at)}")
    print(printable(yaml.safe_dump(data, sort_keys=False, width=120)), end="")
    return 0


def _one(listed: Sequence[Listed], digest: str, reference: ImageReference) -> Listed:
    """The one whose digest begins so, with or without `sha256:`."""
    wanted = digest.removeprefix("sha256:")
    found = [each for each in listed if each.descriptor.digest.removeprefix("sha256:").startswith(wanted)]
    if len(found) != 1 or len(wanted) < 6:
        what = "none" if not found else f"{len(found)}" if len(found) > 1 else "too short"
        raise RegistryError(f"{digest} stands for one spec attached to {reference}, it should: {what} found")
    return found[0]


def _refuse_invalid(text: bytes, name: str) -> None:
    from hpccompat.spec.validate import validate

    wrong = [each for each in validate(text) if each.level == "error"]
    if wrong:
        shown = "; ".join(f"line {each.line}: {each.path}: {each.text}" for each in wrong[:3])
        raise SpecError("spec-type", f"{name} is not attached, since it is invalid: {shown} (hpccompat spec validate)")


def _read(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(_SIZE + 1)
        with Path(name).open("rb") as opened:
            return opened.read(_SIZE + 1)
    except (OSError, ValueError) as error:
        raise SpecError("yaml-syntax", f"{name}: {getattr(error, 'strerror', None) or error}") from error


def _lock(reference: ImageReference) -> Path | None:
    """What writers of this repository wait for on this host; anybody's own without a cache of theirs."""
    home = os.environ.get("HOME", "")
    base = os.environ.get("XDG_CACHE_HOME") or (os.path.join(home, ".cache") if home else "")
    if not os.path.isabs(base):
        return None
    name = hashlib.sha256(f"{reference.host}/{reference.repository}".encode()).hexdigest()[:16]
    return Path(base) / "hpccompat" / "locks" / name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hpccompat spec", allow_abbrev=False, description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)

    def action(name: str, summary: str, epilog: str = "") -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=summary, description=summary, epilog=epilog, allow_abbrev=False)
        made.add_argument("image", metavar="IMAGE", help="as docker pull takes it: registry.example.org/hpc/solver:1.0")
        return made

    attaching = action(
        "attach",
        "Attaches a spec to an image, as NFD's client and oras discover find it. An invalid spec is refused.",
        "exit status: 0 attached, 2 the spec is invalid, 3 the registry can't be reached or does not let us",
    )
    attaching.add_argument("spec", metavar="SPEC", help="a file, - for stdin")
    attaching.add_argument(
        "--platform",
        default="",
        metavar="linux/ARCH",
        help="to the manifest of this architecture, not to the whole image",
    )
    attaching.add_argument("--annotation", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
    attaching.add_argument("--dry-run", action="store_true", help="show the manifest, write nothing")
    action(
        "list",
        "Lists the specs that are attached to an image; the first one counts.",
        "exit status: 0, or 1 where there is none",
    )
    fetching = action("fetch", "Prints the text of the spec that counts, or of another one.")
    fetching.add_argument("--digest", default="", metavar="DIGEST", help="one of hpccompat spec list, or its beginning")
    fetching.add_argument("-o", dest="file", type=Path, metavar="FILE", help="write it there")
    removing = action(
        "remove",
        "Takes a spec off its image: deletes the artifact, and repairs the tag that lists it.",
    )
    removing.add_argument("digest", nargs="?", default="", metavar="DIGEST", help="one of hpccompat spec list")
    removing.add_argument("--all", action="store_true", help="all that are attached")
    removing.add_argument("--dry-run", action="store_true", help="show what would go")
    action("show", "Shows the spec of an image, or of a file, as hpccompat reads it.")
    return parser
