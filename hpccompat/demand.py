"""What a component of a job says it needs, and where it says so (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpccompat.runtimes.plugin_options import images_of_options
from hpccompat.slurm.request import JobRequest

KINDS = ("image", "spec", "spack")
Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Demand:
    """The name of an image, of a spec file, or of a Spack binary. `origin`: where it was named. `named_to_us`: by its
    user, for hpccompat;
    else another tool's option names it. `unknown`: why its name can't be known."""

    kind: str
    name: str
    origin: str
    tags: tuple[str, ...] = ()
    named_to_us: bool = True
    unknown: str = ""


def find_demands(ours: Values, request: JobRequest, environment: Mapping[str, str]) -> tuple[Demand, ...]:
    """The images and specs that a node must satisfy: of our options, #COMPAT lines, the environment, and the options of
    container plugins the first that names any; all that this one names. `ours`: option -> its values."""
    tags = tuple(
        tag.strip()
        for text in ours.get("--compat-tag") or request.compat.get("tag", ())
        for tag in text.split(",")
        if tag.strip()
    )
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
