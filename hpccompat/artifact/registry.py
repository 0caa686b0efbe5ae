"""An image's compatibility spec in its registry: resolve, list the referrers, fetch; each step verified.

The order: the site's own specs for images of others (`spec_map`), what is attached to the manifest of the host's
platform, what is attached to the image index, and a label of the image itself.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from hpccompat.artifact.access import Access
from hpccompat.artifact.deadline import within
from hpccompat.artifact.label import LABEL, parse_json, spec_in_config
from hpccompat.artifact.manifest import (
    MANIFEST_TYPES,
    OCI_INDEX,
    Descriptor,
    Manifest,
    digest_of,
    is_index,
    of_platform,
    parse_index,
    parse_manifest,
    verified,
)
from hpccompat.artifact.referrers import ARTIFACT_TYPE, fallback_tag, in_order, is_unknown
from hpccompat.errors import ImageError, RegistryDown, RegistryError
from hpccompat.reference import ImageReference

if TYPE_CHECKING:
    from hpccompat.artifact.transport import Response, Transport

T = TypeVar("T")
MANIFEST_LIMIT = 4 * 1024 * 1024
SPEC_LIMIT = 1024 * 1024
# Of the Referrers API: pages, entries, and manifests that are opened because a list does not say what they are.
_PAGES, _ENTRIES, _OPENED = 20, 1000, 16


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


@dataclass(frozen=True)
class Subject:
    """What artifacts may refer to. `data`: the bytes of its manifest or index."""

    descriptor: Descriptor
    data: bytes


@dataclass(frozen=True)
class Listed:
    """An attached spec. `subject`: the digest that it refers to. `counts`: it is the one that is used."""

    descriptor: Descriptor
    subject: str
    where: str
    counts: bool


class Registry:
    """One repository of a registry, within one deadline."""

    def __init__(self, reference: ImageReference, access: Access, ends: float, actions: str = "pull") -> None:
        # Imported here: oras costs more than all the rest, and only a lookup needs it.
        from hpccompat.artifact.transport import Transport

        access.check(reference.host)
        self.reference = reference
        said = reference.host in access.plain_http
        guessed = is_loopback(reference.host) and not said
        self.transport: Transport = Transport(
            reference.endpoint, reference.repository, said or guessed, ends, reference.host, actions, access.ca_bundle,
            guessed=guessed,
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.reference.host}/{self.reference.repository}"

    def resolve(self) -> Subject:
        """The image's manifest or index. Raises RegistryError."""
        reference = self.reference
        wanted = reference.digest or reference.tag
        answer = self.transport.get(f"manifests/{wanted}", MANIFEST_LIMIT, MANIFEST_TYPES)
        if answer.status == 404:
            raise RegistryError(f"image {reference} is not in the registry {self.transport.endpoint}")
        if answer.status != 200:
            raise RegistryError(f"registry {self.transport.endpoint} answers {answer.status} for {reference}")
        digest = digest_of(answer.body)
        if reference.digest and digest != reference.digest:
            raise RegistryError(f"registry {self.transport.endpoint} sent {digest} for {reference}")
        media_type = _media_type(answer, answer.body)
        return Subject(Descriptor(media_type, digest, len(answer.body)), answer.body)

    def digest(self) -> str:
        """The digest that the reference stands for, by the cheapest request. Raises RegistryError."""
        if self.reference.digest:
            return self.reference.digest
        answer = self.transport.get(f"manifests/{self.reference.tag}", MANIFEST_LIMIT, MANIFEST_TYPES, "HEAD")
        found = answer.headers.get("Docker-Content-Digest", "")
        if answer.status == 200 and found.startswith("sha256:") and len(found) == 71:
            return found
        return self.resolve().descriptor.digest

    def platform(self, image: Subject, architecture: str) -> Subject | None:
        """The manifest of an index for this architecture; None for an image without platforms, or without this one.
        Raises RegistryError."""
        if not is_index(image.data):
            return None
        entry = of_platform(parse_index(image.data), "linux", architecture)
        if entry is None:
            return None
        return Subject(entry, self.content("manifests", entry, MANIFEST_LIMIT, f"{self}@{entry.digest}"))

    def referrers(self, subject: str) -> tuple[Descriptor, ...]:
        """What refers to the subject, with the types that their manifests say where the list doesn't. By the Referrers
        API; and by the tag schema where that has no spec: what was pushed before a registry got its API stands there
        alone (distribution-spec 1.1, "Listing Referrers"). Raises RegistryError."""
        entries, has_api = self._by_api(subject)
        opened = self._opened(entries)
        if has_api and in_order(opened):
            return opened
        return (*opened, *self._opened(self.by_tag(subject)))

    def _by_api(self, subject: str) -> tuple[list[Descriptor], bool]:
        found: list[Descriptor] = []
        path = f"referrers/{subject}?artifactType={ARTIFACT_TYPE}"
        for _ in range(_PAGES):
            answer = self.transport.get(path, MANIFEST_LIMIT, (OCI_INDEX,))
            if answer.status in (400, 404, 405) or (answer.status == 200 and not _is_type(answer, OCI_INDEX)):
                return found, False
            if answer.status != 200:
                raise RegistryError(
                    f"registry {self.transport.endpoint} answers {answer.status} for the referrers of {subject}"
                )
            found += parse_index(answer.body)
            path = self.transport.next_page(answer.headers.get("Link", ""), path)
            if not path:
                return found, True
            if len(found) > _ENTRIES:
                break
        raise RegistryError(f"registry {self.transport.endpoint} lists more than {_ENTRIES} referrers of {subject}")

    def by_tag(self, subject: str) -> tuple[Descriptor, ...]:
        """What the index says that the tag schema keeps for a subject. Raises RegistryError."""
        answer = self.transport.get(f"manifests/{fallback_tag(subject)}", MANIFEST_LIMIT, (OCI_INDEX,))
        if answer.status == 404:
            return ()
        if answer.status != 200:
            raise RegistryError(
                f"registry {self.transport.endpoint} answers {answer.status} for the referrers of {subject}"
            )
        return parse_index(answer.body)

    def _opened(self, entries: list[Descriptor] | tuple[Descriptor, ...]) -> tuple[Descriptor, ...]:
        found = []
        opened = 0
        for each in entries:
            if is_unknown(each) and opened < _OPENED:
                opened += 1
                manifest = self._manifest(each)
                if manifest is None:
                    continue
                each = replace(each, artifact_type=manifest.artifact_type, annotations=manifest.annotations)
            found.append(each)
        return tuple(found)

    def _manifest(self, descriptor: Descriptor) -> Manifest | None:
        """None for one that is gone, or no manifest."""
        try:
            data = self.content("manifests", descriptor, MANIFEST_LIMIT, f"{self}@{descriptor.digest}")
            return None if is_index(data) else parse_manifest(data)
        except RegistryDown:
            raise
        except RegistryError:
            return None

    def fetch(self, chosen: Descriptor, subject: str) -> Artifact:
        """The spec of an artifact that refers to the subject. Raises RegistryError."""
        where = f"{self}@{chosen.digest}"
        manifest = parse_manifest(self.content("manifests", chosen, MANIFEST_LIMIT, where))
        if manifest.subject is None or manifest.subject.digest != subject:
            raise RegistryError(f"artifact {where} is listed for {subject}, but does not refer to it")
        if not manifest.layers:
            raise RegistryError(f"artifact {where} holds no file")
        layer = manifest.layers[0]
        data = self.content("blobs", layer, SPEC_LIMIT, where)
        return Artifact(data, layer.media_type, chosen.digest, subject, where)

    def labelled(self, image: Subject) -> Artifact | None:
        """The spec that a label of the image's own holds. Raises RegistryError."""
        if is_index(image.data):
            return None
        config = parse_manifest(image.data).config
        if config is None or config.size > SPEC_LIMIT:
            return None
        where = f"{self}@{image.descriptor.digest}"
        data = self.content("blobs", config, SPEC_LIMIT, where)
        try:
            spec = spec_in_config(parse_json(data, where))
        except ImageError:
            return None
        digest = image.descriptor.digest
        return None if spec is None else Artifact(spec, "", digest, digest, f"{where}, label {LABEL}")

    def content(self, kind: str, descriptor: Descriptor, limit: int, where: str) -> bytes:
        """A manifest or blob, once it is what the descriptor says. Raises RegistryError."""
        if descriptor.size > limit:
            raise RegistryError(f"artifact {where}: {descriptor.size} bytes are announced, at most {limit} are read")
        answer = self.transport.get(f"{kind}/{descriptor.digest}", limit, MANIFEST_TYPES if kind == "manifests" else ())
        if answer.status != 200:
            raise RegistryError(f"registry {self.transport.endpoint} answers {answer.status} for {descriptor.digest}")
        return verified(answer.body, descriptor)


def find_spec(reference: ImageReference, access: Access) -> Lookup:
    """Raises RegistryError: the registry or the image isn't there, or lies, or the deadline passed."""

    def lookup(ends: float) -> Lookup:
        registry = Registry(reference, access, ends)
        image = registry.resolve()
        platform = registry.platform(image, access.architecture)
        subjects = [each for each in (platform, image) if each is not None]
        for place in filter(None, (_mapped(reference, access, ends), registry)):
            for subject in subjects:
                digest = subject.descriptor.digest
                specs = in_order(place.referrers(digest))
                if specs:
                    return Lookup(image.descriptor.digest, place.fetch(specs[0], digest))
        return Lookup(image.descriptor.digest, registry.labelled(platform or image))

    return in_time(access, reference.endpoint, lookup)


def image_digest(reference: ImageReference, access: Access) -> str:
    """The digest that the reference stands for now. Raises RegistryError."""
    if reference.digest:
        return reference.digest
    return in_time(access, reference.endpoint, lambda ends: Registry(reference, access, ends).digest())


def list_specs(reference: ImageReference, access: Access) -> tuple[Listed, ...]:
    """All specs attached to an image, in the order in which they count. Raises RegistryError."""

    def listing(ends: float) -> tuple[Listed, ...]:
        registry = Registry(reference, access, ends)
        image = registry.resolve()
        platform = registry.platform(image, access.architecture)
        found: list[Listed] = []
        for place in (_mapped(reference, access, ends), registry):
            for subject in (platform, image):
                if place is None or subject is None:
                    continue
                digest = subject.descriptor.digest
                for each in in_order(place.referrers(digest)):
                    found.append(Listed(each, digest, str(place), not found))
        return tuple(found)

    return in_time(access, reference.endpoint, listing)


def fetch_spec(reference: ImageReference, listed: Listed, access: Access) -> Artifact:
    """One of those that `list_specs` gave. Raises RegistryError."""

    def fetching(ends: float) -> Artifact:
        place = _place(listed.where, reference)
        return Registry(place, access, ends).fetch(listed.descriptor, listed.subject)

    return in_time(access, reference.endpoint, fetching)


def _place(where: str, reference: ImageReference) -> ImageReference:
    host, _, repository = where.partition("/")
    return ImageReference(host, repository, "", reference.digest)


def _mapped(reference: ImageReference, access: Access, ends: float) -> Registry | None:
    """The site's repository for specs of this image: of the entries that fit the longest."""
    name = f"{reference.host}/{reference.repository}"
    fitting = [key for key in access.spec_map if name == key or name.startswith(f"{key}/")]
    if not fitting:
        return None
    longest = max(fitting, key=len)
    rest = name[len(longest) :]
    host, _, repository = f"{access.spec_map[longest].rstrip('/')}{rest}".partition("/")
    return Registry(ImageReference(host, repository), access, ends)


def _media_type(answer: Response, data: bytes) -> str:
    """What the bytes say of themselves, else what the registry says of them."""
    top = json.loads(data) if data[:1] == b"{" else {}
    named = top.get("mediaType") if isinstance(top, dict) else None
    return named if isinstance(named, str) and named else answer.headers.get("Content-Type", "").partition(";")[0]


def _is_type(answer: Response, media_type: str) -> bool:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() == media_type


def is_loopback(host: str) -> bool:
    name = host.rsplit(":", 1)[0].strip("[]") if host.count(":") == 1 or host.startswith("[") else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def in_time(access: Access, endpoint: str, call: Callable[[float], T]) -> T:
    """What the call returns within the deadline. Raises RegistryDown where it doesn't."""
    late = f"registry {endpoint} did not answer within {access.deadline:g} s"
    return within(access.deadline, call, lambda: RegistryDown(late))
