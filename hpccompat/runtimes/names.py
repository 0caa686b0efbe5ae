"""How each container runtime writes the name of an image, and what that is to everybody else (pure).

Sources: the runtimes' own documentation; of pyxis and enroot their source. What needs a configuration of the host's, a
gateway or a daemon to be understood is unknown here, and never guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """`name`: as `parse_reference` reads it, or `parse_spack` where the `kind` is `spack`; "" where that can't be
    known, and `unknown` says why."""

    name: str = ""
    unknown: str = ""
    kind: str = "image"


def parse_name(runtime: str, text: str) -> tuple[Named, ...]:
    """The images that a text names to a runtime of `WRITTEN`; uenv takes several."""
    if not text.strip():
        return ()
    if any(each in text for each in "$`"):
        return (Named(unknown=f"{text!r} holds a variable that is not known before the job runs"),)
    return tuple(each if each.name or each.unknown else _nothing(text) for each in WRITTEN[runtime](text))


def _nothing(text: str) -> Named:
    return Named(unknown=f"{text!r} names no image")


def _docker(text: str) -> tuple[Named, ...]:
    """distribution/reference, with Docker Hub for names without a host."""
    for scheme in ("docker://", "docker.io#"):
        text = text.removeprefix(scheme)
    if "://" in text or text.startswith(("docker-archive:", "oci-archive:", "oci:", "dir:")):
        return _transport(text)
    return (Named(text),)


def _podman(text: str) -> tuple[Named, ...]:
    """As Docker, but which registry a name without a host belongs to is a setting of the host's (containers/image,
    registries.conf)."""
    name = text.removeprefix("docker://")
    first, slash, _ = name.partition("/")
    if name != text or "://" in text or text.startswith(("docker-archive:", "oci-archive:", "oci:", "dir:")):
        return _docker(text)
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        return (Named(unknown=f"which registry {text!r} is from is a setting of podman's (registries.conf)"),)
    return (Named(text),)


def _transport(text: str) -> tuple[Named, ...]:
    """Names of containers/image and apptainer that begin with a transport."""
    kind, _, rest = text.partition(":")
    if kind in ("docker-archive", "oci-archive", "oci"):
        return (Named(text),)
    if kind == "oras":
        return (Named(text),)
    if kind == "docker" and rest.startswith("//"):
        return _docker(text)
    why = {
        "library": "images of a Sylabs library are not looked up",
        "shub": "images of Singularity Hub are not looked up",
        "instance": "a running instance's image is not known",
        "docker-daemon": "images of a Docker daemon are not looked up",
        "dockerd": "images of a Docker daemon are not looked up",
        "podman": "images of podman's store are not looked up",
    }.get(kind, f"{kind!r} is no source of images that we know")
    return (Named(unknown=f"{text}: {why}"),)


def _apptainer(text: str) -> tuple[Named, ...]:
    """apptainer(1), singularity(1): a path, or a transport."""
    kind, colon, _ = text.partition(":")
    if colon and "/" not in kind:
        return _transport(text)
    return (Named(_path(text)),)


def _path(text: str) -> str:
    """A path that can't be taken for a name in a registry."""
    return text if text.startswith(("/", "./", "../")) else f"./{text}"


def _file(text: str) -> tuple[Named, ...]:
    return (Named(_path(text)),)


def _enroot(text: str) -> tuple[Named, ...]:
    """pyxis and enroot: `[docker://][USER@][REGISTRY#]IMAGE[:TAG]`, or a path if it begins with a dot or a slash."""
    if text.startswith((".", "/")):
        return (Named(text),)
    scheme, mark, rest = text.partition("://")
    if mark and scheme != "docker":
        return _transport(text)
    name = rest if mark else text
    _, at, behind = name.partition("@")
    if at and not behind.startswith("sha256:"):
        name = behind
    registry, hash_, image = name.partition("#")
    if hash_:
        return (Named(f"{registry}/{image}"),)
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first):
        why = f"without # it is an image of Docker Hub to enroot; of {first} it is {first}#{rest}"
        return (Named(unknown=f"{text!r}: {why}"),)
    return (Named(name),)


def _shifter(text: str) -> tuple[Named, ...]:
    """`[docker:]NAME[:TAG]`, `custom:PATH`, `id:HASH` of the gateway."""
    kind, colon, rest = text.partition(":")
    if colon and kind == "custom":
        return (Named(_path(rest)),)
    if colon and kind == "id":
        return (Named(unknown=f"{text!r} is a number of Shifter's gateway"),)
    return _docker(rest if colon and kind == "docker" and not rest.startswith("//") else text)


def _uenv(text: str) -> tuple[Named, ...]:
    """`LABEL` or `/FILE.squashfs`, each with `:/MOUNT`, separated by commas."""
    found = []
    for each in filter(None, text.split(",")):
        name = each.rpartition(":/")[0] or each
        if name.startswith(("/", "./", "../")):
            found.append(Named(name))
        else:
            found.append(Named(unknown=f"{name!r} is a label of the site's uenv repository"))
    return tuple(found)


def _edf(text: str) -> tuple[Named, ...]:
    """An environment definition of the Container Engine: the image's name is in a file of the node's."""
    return (Named(unknown=f"the environment {text!r} names its image in a file that is not read"),)


WRITTEN: dict[str, Callable[[str], tuple[Named, ...]]] = {
    "docker": _docker,
    "podman": _podman,
    "apptainer": _apptainer,
    "enroot": _enroot,
    "shifter": _shifter,
    "uenv": _uenv,
    "edf": _edf,
    "file": _file,
}
