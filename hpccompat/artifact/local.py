"""The spec of an image on a file system: a file beside it, an object in it, a label of it, or the name of the image
that it was made from; the first that there is."""

from __future__ import annotations

import os
import stat

from hpccompat.artifact.directory import find_in_bundle, find_in_sandbox
from hpccompat.artifact.found import LocalSpec
from hpccompat.artifact.label import LABEL
from hpccompat.artifact.regular import RegularFile, is_there, unreadable
from hpccompat.artifact.sidecar import find_sidecar
from hpccompat.artifact.sif import embedded_spec, is_oci_sif, is_sif, label_spec, origin, read_sif
from hpccompat.errors import ImageError
from hpccompat.reference import LayoutReference, PathReference

__all__ = ["LocalSpec", "find_image", "find_local"]

# The file that marks a directory as an OCI layout (image-spec, "oci-layout file").
_LAYOUT = "oci-layout"
# The kernel's name of a machine (uname -m) -> Go's, which images have.
_MACHINES = {
    "x86_64": "amd64",
    "i686": "386",
    "aarch64": "arm64",
    "armv7l": "arm",
    "loongarch64": "loong64",
}


def find_image(reference: PathReference | LayoutReference, architecture: str) -> LocalSpec:
    """`architecture`: as for `find_local`. Raises ImageError."""
    if isinstance(reference, PathReference):
        return find_local(reference.path, architecture)
    path, tag = reference.path, reference.tag
    if tag and is_there(f"{path}:{tag}"):
        path, tag = f"{path}:{tag}", ""
    _mode(path)
    beside = find_sidecar(path)
    if beside is not None:
        return LocalSpec(beside.data, beside.path)
    if reference.kind == "oci":
        return _in_layout(path, tag, _go(architecture))
    # Here and below: a SIF file, the usual case, needs none of these.
    from hpccompat.artifact.archive import find_in_docker_archive, find_in_oci_archive

    if reference.kind == "oci-archive":
        return find_in_oci_archive(path, tag, _go(architecture))
    return find_in_docker_archive(path, tag)


def find_local(path: str, architecture: str) -> LocalSpec:
    """What a file or a directory says. `architecture`: of the hosts that will run it, by its name in Go or in the
    kernel (amd64, x86_64); it matters for images of several platforms.

    Raises ImageError: it isn't there, can't be read, or is damaged. An image in a format that has no place for a spec
    is not an error."""
    mode = _mode(path)
    beside = find_sidecar(path)
    if beside is not None:
        return LocalSpec(beside.data, beside.path)
    if stat.S_ISDIR(mode):
        return _in_directory(path, _go(architecture))
    with RegularFile(path) as file:
        if not is_sif(file):
            return LocalSpec(None, path)
        return _in_sif(file, _go(architecture))


def _in_layout(path: str, tag: str, architecture: str) -> LocalSpec:
    from hpccompat.artifact.layout import Directory, find_in_layout

    return find_in_layout(Directory(path), tag, architecture)


def _in_directory(path: str, architecture: str) -> LocalSpec:
    if is_there(os.path.join(path, _LAYOUT)):
        return _in_layout(path, "", architecture)
    if is_there(os.path.join(path, "config.json")) and is_there(os.path.join(path, "rootfs")):
        return find_in_bundle(path)
    return find_in_sandbox(path)


def _in_sif(file: RegularFile, architecture: str) -> LocalSpec:
    sif = read_sif(file)
    embedded = embedded_spec(file, sif)
    if embedded is not None:
        return LocalSpec(embedded, f"{file.path}, object {sif.specs[-1].id}")
    if is_oci_sif(sif):
        from hpccompat.artifact.layout import find_in_layout
        from hpccompat.artifact.oci_sif import OciSif

        return find_in_layout(OciSif(file, sif), "", architecture)
    label = label_spec(file, sif)
    if label is not None:
        return LocalSpec(label, f"{file.path}, label {LABEL}")
    made_from = origin(file, sif)
    if made_from is None:
        return LocalSpec(None, file.path)
    return LocalSpec(None, f"{file.path}, {made_from}", origin=made_from.name)


def _mode(path: str) -> int:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise ImageError(f"{path} is neither a file nor a directory")
    return mode


def _go(architecture: str) -> str:
    return _MACHINES.get(architecture, architecture)
