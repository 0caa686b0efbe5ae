"""Names of images, as Docker reads them (distribution/reference grammar; normalisation of Docker Hub names), and of
Spack binaries."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpccompat.errors import InvalidReference

_HOST_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = re.compile(rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?", re.ASCII)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?://)?", re.ASCII)
# In a DAG hash, base32 in small letters; a path of one component that looks like one is taken for one.
_DAG_HASH = re.compile(r"/[a-z2-7]{1,32}", re.ASCII)
_DOCKER_HUB = "docker.io"
_LAYOUTS = ("oci", "oci-archive", "docker-archive")


@dataclass(frozen=True)
class ImageReference:
    """An image in a registry. `host` is the registry's name as people write it; a digest outranks the tag."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        # As `oras://` names may be: without it, the host would be taken for a part of a name on Docker Hub.
        plain = _is_host(self.host) and (self.host != _DOCKER_HUB or "/" in self.repository)
        return f"{'' if plain else 'oras://'}{self.host}/{self.repository}{tag}{digest}"

    @property
    def endpoint(self) -> str:
        """The host, with its port if any, that answers for the registry."""
        return "registry-1.docker.io" if self.host == _DOCKER_HUB else self.host


@dataclass(frozen=True)
class PathReference:
    """An image on a file system."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class LayoutReference:
    """An image in an OCI layout or an archive (`kind`: oci, oci-archive, docker-archive). `tag`: its name there, which
    may be "" where it is the only one. Apptainer takes `oci:A:B` for the path `A:B`, others for the name B in A."""

    kind: str
    path: str
    tag: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.path}{f':{self.tag}' if self.tag else ''}"


@dataclass(frozen=True)
class OpaqueReference:
    """A name in a scheme that leads to no compatibility spec that we could read (`library://`, …)."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class SpackReference:
    """A binary of Spack: `path` of an install, a spec file or a lockfile, or else `query`, Spack's words for it, in
    `mirror`; "" for those of the settings."""

    query: str = ""
    mirror: str = ""
    path: str = ""

    def __str__(self) -> str:
        return self.path or (f"{self.mirror}#{self.query}" if self.mirror else self.query)


Reference = ImageReference | PathReference | LayoutReference | OpaqueReference


def parse_reference(text: str) -> Reference:
    """Reads `docker://NAME`, a bare NAME, `oras://HOST/NAME`, a path (starts with `/`, `./` or `../`, or ends in an
    image suffix), or `oci:PATH[:NAME]`, `oci-archive:PATH[:NAME]`, `docker-archive:PATH[:NAME]`.

    Raises InvalidReference.
    """
    if text.startswith("docker://"):
        return _image(text.removeprefix("docker://"), text)
    if text.startswith("oras://"):
        return _image(text.removeprefix("oras://"), text, with_host=True)
    kind, colon, rest = text.partition(":")
    if colon and kind in _LAYOUTS:
        path, _, tag = rest.partition(":")
        if not path:
            raise InvalidReference(f"image {text!r}: there is no path behind {kind}:")
        return LayoutReference(kind, path, tag)
    if text.startswith(("/", "./", "../")) or text.endswith((".sif", ".sqsh", ".img")):
        return PathReference(text)
    scheme = _SCHEME.match(text)
    if scheme and scheme.group().endswith("://"):
        return OpaqueReference(text)
    return _image(text, text)


def parse_spack(text: str) -> SpackReference:
    """Reads `[MIRROR#]SPEC`, as in `hpctool@2.1 target=zen3` or `/7v3wpi5`, or a path: it begins with `/` (and is no
    hash), `./`, `../` or `~/`, or ends like a file of Spack's."""
    text = text.strip()
    mirror, separator, query = text.rpartition("#")
    if separator:
        return SpackReference(query, mirror)
    if text.endswith((".lock", ".json", ".json.sig")) or (
        text.startswith(("/", "./", "../", "~/")) and not _DAG_HASH.fullmatch(text)
    ):
        return SpackReference(path=text)
    return SpackReference(text)


def _is_host(first: str) -> bool:
    """Whether the first part of a name is taken for a registry (distribution/reference)."""
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _image(name: str, text: str, with_host: bool = False) -> ImageReference:
    """`with_host`: the name begins with a registry, whatever that looks like; nothing is added to it."""
    rest, at, digest = name.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise InvalidReference(f"image {text!r}: {digest!r} is not a digest (sha256: and 64 hexadecimal digits)")
    # A colon after the last slash begins the tag; one before it belongs to the host's port.
    head, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise InvalidReference(f"image {text!r}: {tag!r} is not a tag")
    path = head + slash + last
    first, slash, remainder = path.partition("/")
    if with_host or (slash and _is_host(first)):
        host, repository = first, remainder
    else:
        host, repository = _DOCKER_HUB, path
    if host in ("index.docker.io", "registry-1.docker.io"):
        host = _DOCKER_HUB
    if host == _DOCKER_HUB and "/" not in repository and not with_host:
        repository = f"library/{repository}"
    if not _HOST.fullmatch(host):
        raise InvalidReference(f"image {text!r}: {host!r} is not the name of a registry")
    if not _REPOSITORY.fullmatch(repository) or len(repository) > 255:
        raise InvalidReference(
            f"image {text!r}: {repository!r} is not the name of an image (lower case letters, digits and . _ - /)"
        )
    return ImageReference(host, repository, tag if colon else ("" if at else "latest"), digest)
