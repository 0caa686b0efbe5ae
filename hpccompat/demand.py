"""What a component of a job says it needs, and where it says so (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpccompat.runtimes.mentions import mentions
from hpccompat.runtimes.plugin_options import images_of_options
from hpccompat.slurm.request import JobRequest

KINDS = ("image", "spec", "spack")
Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Demand:
    """The name of an image, of a spec file, or of a Spack binary. `origin`: where it was named. `named_to_us`: by its
    user, for hpccompat; else another tool's option names it. `unknown`: why its name can't be known. `guessed`: a
    command of the job seems to use it, in this `line` of the script; 0 for the job's command line."""

    kind: str
    name: str
    origin: str
    tags: tuple[str, ...] = ()
    named_to_us: bool = True
    unknown: str = ""
    guessed: bool = False
    line: int = 0


def find_demands(ours: Values, request: JobRequest, environment: Mapping[str, str]) -> tuple[Demand, ...]:
    """The images and specs that a node must satisfy: of our options, #COMPAT lines, the environment, and the options of
    container plugins the first that names any; all that this one names. `ours`: option -> its values."""
    tags = _tags(ours, request)
    variable = environment.get("HPCCOMPAT_IMAGE", "")
    places: tuple[tuple[str, Values], ...] = (
        ("--compat-{}", {kind: ours.get(f"--compat-{kind}", ()) for kind in KINDS}),
        ("#COMPAT {}=", request.compat),
        ("HPCCOMPAT_IMAGE", {"image": (variable,) if variable else ()}),
    )
    for origin, values in places:
        named = [(kind, name) for kind in KINDS for name in values.get(kind, ())]
        if named:
            return tuple(Demand(kind, name, origin.format(kind), tags) for kind, name in dict.fromkeys(named))
    given = {**request.plugin_options, "container": request.container}
    return tuple(
        Demand("image", each.image.name, each.origin, tags, named_to_us=False, unknown=each.image.unknown)
        for each in images_of_options(given, environment)
    )


def guess_demands(
    request: JobRequest, script: str, argv: Sequence[str], name: str = "the script", ours: Values | None = None
) -> tuple[Demand, ...]:
    """The images that the commands of a job script seem to use, or the command that srun or salloc is given; in their
    order, one as often as it is named. `name`: of the script, for people."""
    of_words = any(map(mentions, argv))
    if not of_words and not mentions(script):
        return ()
    from hpccompat.runtimes.commands import guess_images, guess_words

    guesses = guess_words(argv) if of_words else guess_images(script)
    tags = _tags(ours or {}, request)
    return tuple(
        Demand(
            each.image.kind,
            each.image.name,
            f"{name} line {each.line}: {each.command}" if each.line else each.command,
            tags,
            named_to_us=False,
            unknown=each.image.unknown,
            guessed=True,
            line=each.line,
        )
        for each in guesses
    )


def _tags(ours: Values, request: JobRequest) -> tuple[str, ...]:
    texts = ours.get("--compat-tag") or request.compat.get("tag", ())
    return tuple(tag.strip() for text in texts for tag in text.split(",") if tag.strip())
