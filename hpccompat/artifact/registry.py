"""An image's compatibility spec in its registry: resolve, list the referrers, fetch; each step verified."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hpccompat.artifact.manifest import (
    MANIFEST_TYPES,
    OCI_INDEX,
    Descriptor,
    digest_of,
    parse_index,
    parse_manifest,
    verified,
)
from hpccompat.artifact.referrers import fallback_tag, newest
from hpccompat.errors import RegistryError
from hpccompat.reference import ImageReference

if TYPE_CHECKING:
    from hpccompat.artifact.transport import Transport

T = TypeVar("T")
MANIFEST_LIMIT = 4 * 1024 * 1024
SPEC_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Access:
    """`deadline`: seconds for a whole lookup. `plain_http`: hosts spoken to without TLS, besides loopback."""

    deadline: float
    plain_http: tuple[str, ...] = ()


@dataclass(frozen=True)
class Artifact:
    """A spec's bytes. `digest` is that of the manifest that holds them, `image` that of its subject."""

    data: bytes
    media_type: str
    digest: str
    image: str
    found_at: str


@dataclass(frozen=True)
class Lookup:
    """`image` is the digest that the reference stands for now; `artifact` is None where it has no spec."""

    image: str
    artifact: Artifact | None


def find_spec(reference: ImageReference, access: Access) -> Lookup:
    """Raises RegistryError: the registry or the image isn't there, or lies, or the deadline passed."""
    # Imported here: oras costs more than all the rest, and only a lookup needs it.
    from hpccompat.artifact.transport import Transport

    def lookup() -> Lookup:
        plain = _is_loopback(reference.host) or reference.host in access.plain_http
        transport = Transport(reference.endpoint, reference.repository, plain, access.deadline)
        image = _resolve(transport, reference)
        chosen = newest(_referrers(transport, image))
        return Lookup(image, _fetch(transport, reference, image, chosen) if chosen else None)

    return _within(access.deadline, f"registry {reference.endpoint}", lookup)


def _resolve(transport: Transport, reference: ImageReference) -> str:
    """The digest of the image's manifest or index."""
    wanted = reference.digest or reference.tag
    answer = transport.get(f"manifests/{wanted}", MANIFEST_LIMIT, MANIFEST_TYPES)
    if answer.status == 404:
        raise RegistryError(f"image {reference} is not in the registry {transport.endpoint}")
    if answer.status != 200:
        raise RegistryError(f"registry {transport.endpoint} answers {answer.status} for {reference}")
    digest = digest_of(answer.body)
    if reference.digest and digest != reference.digest:
        raise RegistryError(f"registry {transport.endpoint} sent {digest} for {reference}")
    return digest


def _referrers(transport: Transport, subject: str) -> tuple[Descriptor, ...]:
    """What refers to the subject, by the tag schema."""
    answer = transport.get(f"manifests/{fallback_tag(subject)}", MANIFEST_LIMIT, (OCI_INDEX,))
    if answer.status == 404:
        return ()
    if answer.status != 200:
        raise RegistryError(f"registry {transport.endpoint} answers {answer.status} for the referrers of {subject}")
    return parse_index(answer.body)


def _fetch(transport: Transport, reference: ImageReference, image: str, chosen: Descriptor) -> Artifact:
    where = f"{reference.host}/{reference.repository}@{chosen.digest}"
    manifest = parse_manifest(_content(transport, "manifests", chosen, MANIFEST_LIMIT, where))
    if manifest.subject is None or manifest.subject.digest != image:
        raise RegistryError(f"artifact {where} is listed for {image}, but does not refer to it")
    if not manifest.layers:
        raise RegistryError(f"artifact {where} holds no file")
    layer = manifest.layers[0]
    data = _content(transport, "blobs", layer, SPEC_LIMIT, where)
    return Artifact(data, layer.media_type, chosen.digest, image, where)


def _content(transport: Transport, kind: str, descriptor: Descriptor, limit: int, where: str) -> bytes:
    if descriptor.size > limit:
        raise RegistryError(f"artifact {where}: {descriptor.size} bytes are announced, at most {limit} are read")
    answer = transport.get(f"{kind}/{descriptor.digest}", limit, MANIFEST_TYPES if kind == "manifests" else ())
    if answer.status != 200:
        raise RegistryError(f"registry {transport.endpoint} answers {answer.status} for {descriptor.digest}")
    return verified(answer.body, descriptor)


def _is_loopback(host: str) -> bool:
    name = host.rsplit(":", 1)[0].strip("[]") if host.count(":") == 1 or host.startswith("[") else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _within(seconds: float, what: str, call: Callable[[], T]) -> T:
    """The call's result, if it comes in time. A thread, since neither DNS nor a dripping server obeys the
    timeouts of sockets; it is left behind, and ends with the process."""
    result: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.append(call())
        except BaseException as error:  # handed over to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not result:
        raise RegistryError(f"{what} did not answer within {seconds:g} s")
    return result[0]
