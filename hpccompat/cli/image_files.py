"""The files on which a plan hangs because an image of the job lies there."""

from __future__ import annotations

import os

from hpccompat.artifact.sidecar import SUFFIXES
from hpccompat.errors import InvalidReference
from hpccompat.job_plan import Component
from hpccompat.reference import LayoutReference, PathReference, parse_reference


def image_files(component: Component) -> tuple[list[str], list[str]] | None:
    """The images of a component that are files, and where sidecars of them would lie; None where one is no file, so
    that a look at it can't tell whether it has changed."""
    images: list[str] = []
    sidecars: list[str] = []
    for demand in (*component.demands, *(each.demand for each in component.guesses)):
        if demand.kind != "image" or demand.unknown:
            continue
        try:
            reference = parse_reference(demand.name)
        except InvalidReference:
            continue
        if not isinstance(reference, PathReference | LayoutReference):
            continue
        path = os.path.abspath(reference.path)
        if not os.path.isfile(path):
            return None
        images.append(path)
        sidecars += [f"{name}{suffix}" for name in dict.fromkeys((path, os.path.realpath(path))) for suffix in SUFFIXES]
    return images, sidecars
