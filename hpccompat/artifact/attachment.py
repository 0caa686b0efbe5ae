"""Attaching a spec to an image, and taking it off again, so that every client finds what we write.

One manifest with `subject` (distribution-spec 1.1, "Pushing Manifests with Subject"). Where the registry has no
Referrers API, the index behind the tag `sha256-<hex>` lists what refers to the image; it is read, changed and written
back, which no registry makes safe against another writer. So writers of one host wait for each other, and each looks
again whether its entry has stayed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hpccompat.artifact.access import Access
from hpccompat.artifact.manifest import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, digest_of
from hpccompat.artifact.referrers import ARTIFACT_TYPE, CREATED, SPEC_TYPE, fallback_tag
from hpccompat.artifact.registry import MANIFEST_LIMIT, Registry, Subject, in_time
from hpccompat.errors import RegistryError
from hpccompat.reference import ImageReference

TITLE = "org.opencontainers.image.title"
# The name under which `oras pull` writes the file.
FILE_NAME = "image-compatibility-spec.yaml"
_EMPTY = b"{}"
# How often the tag's index is changed anew where other writers have replaced it, and the seconds between two looks.
_ATTEMPTS = 12
_PAUSE = (0.15, 0.45)


@dataclass(frozen=True)
class Attachment:
    """`digest`: the artifact's manifest, `manifest` its bytes. `subject`: what it refers to. `listed`: `api`, where the
    registry itself lists it; `tag`, where an index of ours does; "" where nothing was written."""

    digest: str
    subject: str
    manifest: bytes
    listed: str = ""


@dataclass(frozen=True)
class Removal:
    """`deleted`: the registry has deleted the artifact; else it only stands in no list any more."""

    digest: str
    deleted: bool


def attach(
    reference: ImageReference,
    text: bytes,
    created: str,
    access: Access,
    annotations: Mapping[str, str],
    architecture: str = "",
    lock: Path | None = None,
    dry_run: bool = False,
) -> Attachment:
    """`text`: a spec that is known to be valid. `created`: RFC 3339, in UTC. `architecture`: of the manifest that it is
    attached to where the image has several; without it the image as a whole. `lock`: a file that all writers of this
    host share. Raises RegistryError."""

    def attaching(ends: float) -> Attachment:
        registry = Registry(reference, access, ends, "pull" if dry_run else "pull,push")
        subject = _subject(registry, architecture)
        manifest = _manifest(subject, text, {**annotations, CREATED: created})
        digest = digest_of(manifest)
        if dry_run:
            return Attachment(digest, subject.descriptor.digest, manifest)
        for blob in (_EMPTY, text):
            _upload(registry, blob)
        answer = registry.transport.send("PUT", f"manifests/{digest}", manifest, OCI_MANIFEST)
        _expect(registry, answer.status, (200, 201), "the artifact's manifest")
        if answer.headers.get("OCI-Subject", "") == subject.descriptor.digest:
            return Attachment(digest, subject.descriptor.digest, manifest, "api")
        entry = {
            "mediaType": OCI_MANIFEST,
            "digest": digest,
            "size": len(manifest),
            "artifactType": ARTIFACT_TYPE,
            "annotations": {**annotations, CREATED: created},
        }
        with _alone(lock, ends):
            _change_tag(registry, subject.descriptor.digest, lambda entries: _with(entries, entry))
        return Attachment(digest, subject.descriptor.digest, manifest, "tag")

    return in_time(access, reference.endpoint, attaching)


def remove(reference: ImageReference, subject: str, digest: str, access: Access, lock: Path | None = None) -> Removal:
    """Takes an artifact off the tag's index, then deletes it. Raises RegistryError, also where a registry that lists it
    by itself does not delete."""

    def removing(ends: float) -> Removal:
        registry = Registry(reference, access, ends, "pull,push,delete")
        listed = any(each.digest == digest for each in registry.by_tag(subject))
        if listed:
            with _alone(lock, ends):
                _change_tag(registry, subject, lambda entries: _without(entries, digest))
        answer = registry.transport.send("DELETE", f"manifests/{digest}")
        if answer.status in (200, 202, 404):
            return Removal(digest, True)
        if not listed:
            _expect(registry, answer.status, (202,), f"the deletion of {digest}")
        return Removal(digest, False)

    return in_time(access, reference.endpoint, removing)


def _subject(registry: Registry, architecture: str) -> Subject:
    image = registry.resolve()
    if not architecture:
        return image
    found = registry.platform(image, architecture)
    if found is None:
        raise RegistryError(f"image {registry.reference} has no manifest for linux/{architecture}")
    return found


def _manifest(subject: Subject, text: bytes, annotations: Mapping[str, str]) -> bytes:
    top = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": OCI_EMPTY, "digest": digest_of(_EMPTY), "size": len(_EMPTY), "data": "e30="},
        "layers": [
            {
                "mediaType": SPEC_TYPE,
                "digest": digest_of(text),
                "size": len(text),
                "annotations": {TITLE: FILE_NAME},
            }
        ],
        "subject": {
            "mediaType": subject.descriptor.media_type or OCI_MANIFEST,
            "digest": subject.descriptor.digest,
            "size": subject.descriptor.size,
        },
        "annotations": dict(sorted(annotations.items())),
    }
    return json.dumps(top, separators=(",", ":")).encode()


def _upload(registry: Registry, data: bytes) -> None:
    """A blob, unless it is there (distribution-spec 1.1, "Pushing blobs")."""
    digest = digest_of(data)
    transport = registry.transport
    if transport.get(f"blobs/{digest}", 0, method="HEAD").status == 200:
        return
    begun = transport.send("POST", "blobs/uploads/")
    _expect(registry, begun.status, (202,), "an upload")
    address = transport.own_url(begun.headers.get("Location", ""), "an upload")
    address += f"{'&' if '?' in address else '?'}digest={digest}"
    done = transport.send("PUT", address, data, "application/octet-stream")
    _expect(registry, done.status, (201, 204), "a blob")


def _expect(registry: Registry, status: int, wanted: tuple[int, ...], what: str) -> None:
    if status not in wanted:
        raise RegistryError(f"registry {registry.transport.endpoint} answers {status} to {what}")


Entries = list[dict[str, object]]


def _with(entries: Entries, entry: dict[str, object]) -> Entries:
    return entries if any(each.get("digest") == entry["digest"] for each in entries) else [*entries, entry]


def _without(entries: Entries, digest: str) -> Entries:
    return [each for each in entries if each.get("digest") != digest]


def _change_tag(registry: Registry, subject: str, change: Callable[[Entries], Entries]) -> None:
    """Changes the index behind the subject's tag until two looks in a row find it changed."""
    tag = fallback_tag(subject)
    settled = 0
    for _ in range(_ATTEMPTS):
        top = _tag_index(registry, tag)
        if top is None:
            settled = 0
            time.sleep(random.uniform(*_PAUSE))
            continue
        found = top["manifests"]
        entries: Entries = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        wanted = change(entries)
        if wanted == entries:
            settled += 1
            if settled == 2:
                return
        else:
            settled = 0
            data = json.dumps({**top, "manifests": wanted}, separators=(",", ":")).encode()
            answer = registry.transport.send("PUT", f"manifests/{tag}", data, OCI_INDEX)
            if answer.status != 500:
                _expect(registry, answer.status, (200, 201), f"the tag {tag}")
        time.sleep(random.uniform(*_PAUSE))
    raise RegistryError(
        f"others keep replacing the tag {tag} of {registry}, which lists what is attached: the change may be lost. Try "
        "again, one at a time"
    )


def _tag_index(registry: Registry, tag: str) -> dict[str, object] | None:
    """None while somebody else writes it: docker-registry answers 500 then, to readers and writers."""
    empty: dict[str, object] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    answer = registry.transport.get(f"manifests/{tag}", MANIFEST_LIMIT, (OCI_INDEX,))
    if answer.status == 404:
        return empty
    if answer.status == 500:
        return None
    _expect(registry, answer.status, (200,), f"the tag {tag}")
    try:
        top = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"the tag {tag} of {registry} is no image index; nothing was changed there") from error
    if not isinstance(top, dict) or not isinstance(top.get("manifests"), list):
        raise RegistryError(f"the tag {tag} of {registry} is no image index; nothing was changed there")
    return {**empty, **top}


@contextlib.contextmanager
def _alone(lock: Path | None, ends: float) -> Iterator[None]:
    """One writer of this host at a time; without a lock file, or past the end, as many as come."""
    if lock is None:
        yield
        return
    try:
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= ends:
                    break
                time.sleep(0.02)
        yield
    finally:
        os.close(handle)
