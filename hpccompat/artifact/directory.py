"""Images unpacked into a directory: OCI bundles, and sandboxes of apptainer."""

from __future__ import annotations

import os
import re

from hpccompat.artifact.found import LocalSpec
from hpccompat.artifact.label import LABEL, member, parse_json, spec_in
from hpccompat.artifact.origin import origin_in
from hpccompat.artifact.regular import is_there, read_if_there

_LIMIT = 1024 * 1024
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


def find_in_bundle(path: str) -> LocalSpec:
    """An OCI bundle (runtime-spec, "Filesystem Bundle"), as Slurm's --container takes: labels are annotations there
    (image-spec, "Conversion to OCI Runtime Configuration"). One of umoci's also knows the image's digest.

    Raises ImageError."""
    name = os.path.join(path, "config.json")
    data = read_if_there(name, _LIMIT)
    spec = spec_in(member(parse_json(data, name), "annotations")) if data is not None else None
    where = f"{name}, annotation {LABEL}" if spec is not None else path
    return LocalSpec(spec, where, _unpacked_by_umoci(path))


def _unpacked_by_umoci(path: str) -> str:
    name = os.path.join(path, "umoci.json")
    data = read_if_there(name, _LIMIT)
    walk = member(parse_json(data, name), "from_descriptor_path", "descriptor_walk") if data is not None else None
    digest = member(walk[0], "digest") if isinstance(walk, list) and walk else None
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else ""


def find_in_sandbox(path: str) -> LocalSpec:
    """A directory of files: what apptainer has left in `.singularity.d`, if it made it. Raises ImageError."""
    folder = os.path.join(path, ".singularity.d")
    if not is_there(folder):
        return LocalSpec(None, path)
    name = os.path.join(folder, "labels.json")
    data = read_if_there(name, _LIMIT)
    spec = spec_in(parse_json(data, name)) if data is not None else None
    if spec is not None:
        return LocalSpec(spec, f"{name}, label {LABEL}")
    definition = read_if_there(os.path.join(folder, "Singularity"), _LIMIT)
    origin = origin_in(definition.decode("utf-8", "replace")) if definition is not None else None
    if origin is None:
        return LocalSpec(None, path)
    return LocalSpec(None, f"{path}, {origin}", origin=origin.name)
