"""`hpccompat spec embed`: a spec becomes an object in a SIF file, through apptainer."""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hpccompat.artifact.regular import RegularFile
from hpccompat.artifact.sidecar import sidecar_name
from hpccompat.artifact.sif import SPEC_NAMES, Sif, embedded_spec, read_sif
from hpccompat.cli.main import Context, printable
from hpccompat.errors import ImageError, Refused, SpecError, Unavailable

# `apptainer sif add --help`: "6-GenericJSON".
_DATA_TYPE = "6"
_LIMIT = 1024 * 1024


def run(arguments: Sequence[str], context: Context) -> int:
    options = _parser().parse_args(arguments[1:])
    image: str = options.image
    spec = _normal_form(options.spec)
    sif, present = _read(image)
    if present == spec:
        _report(context, image, [], f"{image} holds this spec already")
        return 0
    if sif.signed:
        raise Refused(
            f"{image} is signed, and `apptainer verify` would fail once something is added; put the spec beside it "
            f"({sidecar_name(image)}), attach it to the image in its registry, or embed it before signing"
        )
    if sif.specs and not options.replace:
        raise Refused(
            f"{image} holds another spec already (object {sif.specs[-1].id}); --replace puts this one in its place"
        )
    program = options.apptainer or next(filter(shutil.which, ("apptainer", "singularity")), "apptainer")
    if options.dry_run:
        planned = commands(program, image, sif, SPEC_NAMES[0])
        text = f"{image}: nothing was changed; without --dry-run this would run, on the spec in its normal form:"
        _report(context, image, planned, text)
        return 0
    # In a folder of its own: apptainer is told a name, and nobody else may put something else there.
    with tempfile.TemporaryDirectory(prefix="hpccompat-") as folder:
        file = Path(folder) / SPEC_NAMES[0]
        file.write_bytes(spec)
        done = commands(program, image, sif, str(file))
        for command in done:
            _call(command)
    if _read(image)[1] != spec:
        raise ImageError(f"{image}: {program} reported success, but the file does not hold the spec")
    _report(context, image, done, f"{image} holds the spec, {len(spec)} bytes")
    return 0


def commands(program: str, image: str, sif: Sif, file: str) -> list[list[str]]:
    """What puts the spec in a file into the image. The new object comes before the old ones go, so that the image is at
    no time without.

    An object without a group makes `apptainer verify` fail for good, and so does one in a group that was signed before;
    of an image signed afterwards it is covered by the signature."""
    group = 1 if 1 in sif.groups or not sif.groups else min(sif.groups)
    name = SPEC_NAMES[0]
    options = ["--datatype", _DATA_TYPE, "--groupid", str(group), "--filename", name]
    # A path that begins with a dash is no option.
    image = f"./{image}" if image.startswith("-") else image
    added = [program, "sif", "add", *options, image, file]
    return [added, *([program, "sif", "del", str(each.id), image] for each in sif.specs)]


def _call(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} is not there; name it by --apptainer, or use a sidecar file") from error
    except OSError as error:
        raise Unavailable(f"{command[0]} can't be run: {error.strerror}") from error
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if line.strip()), "it says nothing")
        raise Unavailable(f"{shlex.join(command)}: exit status {done.returncode}: {said}")


def _read(image: str) -> tuple[Sif, bytes | None]:
    with RegularFile(image) as file:
        sif = read_sif(file)
        return sif, embedded_spec(file, sif)


def _normal_form(path: Path) -> bytes:
    """The one text for what the spec means, if nothing in it is wrong. Raises SpecError."""
    from hpccompat.spec.decode import load_spec
    from hpccompat.spec.encode import dump_spec
    from hpccompat.spec.validate import validate

    try:
        # One byte over the limit is enough for the loader to say so.
        if str(path) == "-":
            text = sys.stdin.buffer.read(_LIMIT + 1)
        else:
            with path.open("rb") as opened:
                text = opened.read(_LIMIT + 1)
    except OSError as error:
        raise SpecError("yaml-syntax", f"{path}: {error.strerror}") from error
    remarks = validate(text)
    for each in remarks:
        where = f"{path}:{each.line}:{each.column}" if each.line else str(path)
        place = f"{each.path}: " if each.path else ""
        print(printable(f"{where}: {each.level}: {place}{each.text}"), file=sys.stderr)
    if any(each.level == "error" for each in remarks):
        raise SpecError("spec-type", f"{path} has errors, and is not embedded")
    return dump_spec(load_spec(text)).encode()


def _report(context: Context, image: str, done: list[list[str]], text: str) -> None:
    from hpccompat.cli.render import print_json

    if context.output == "json":
        print_json({"image": image, "commands": done})
    else:
        print(printable("\n".join([text, *(shlex.join(each) for each in done)])))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpccompat spec embed",
        allow_abbrev=False,
        description="Puts a compatibility spec into a SIF file, in its one normal form as JSON. The image still runs; "
        "its digest changes. Sign it afterwards: the signature then covers the spec.",
        epilog="exit status: 0 the image holds the spec, 2 the spec has errors, 3 the image or apptainer can't be "
        "used, 4 the image is signed, or holds another spec",
    )
    parser.add_argument("image", metavar="IMAGE.sif")
    parser.add_argument("spec", type=Path, metavar="SPEC", help="as YAML or JSON; - for stdin")
    parser.add_argument("--replace", action="store_true", help="in place of a spec that the image holds")
    parser.add_argument("--dry-run", action="store_true", help="show the commands, change nothing")
    parser.add_argument("--apptainer", metavar="PROGRAM", help="apptainer, or singularity (the first on PATH)")
    return parser
