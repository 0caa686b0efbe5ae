"""Lookups in the real registry, and in one that lies, drips, or is too large."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hpccompat.artifact.access import Access
from hpccompat.artifact.referrers import ARTIFACT_TYPE, CREATED
from hpccompat.artifact.registry import Lookup, find_spec
from hpccompat.errors import RegistryError
from hpccompat.reference import ImageReference, parse_reference
from tests.cluster.registry import Registry

ACCESS = Access(deadline=5)


def image(text: str) -> ImageReference:
    reference = parse_reference(text)
    assert isinstance(reference, ImageReference)
    return reference


def spec_file(folder: Path, text: str) -> Path:
    file = folder / "spec.yaml"
    file.write_text(text)
    return file


def found(lookup: Lookup) -> str:
    assert lookup.artifact is not None
    return lookup.artifact.data.decode()


def test_the_newest_attached_spec_is_found_by_tag_and_digest(registry: Registry, tmp_path: Path) -> None:
    name = registry.push_image("lookup/app:1.0")
    assert find_spec(image(name), ACCESS).artifact is None
    registry.attach(name, spec_file(tmp_path, "version: old"), "2024-01-01T00:00:00Z")
    registry.attach(name, spec_file(tmp_path, "version: new"), "2025-01-01T00:00:00+02:00")
    registry.attach(name, spec_file(tmp_path, "version: middle"), "2024-06-01T00:00:00Z")
    lookup = find_spec(image(name), ACCESS)
    assert found(lookup) == "version: new"
    by_digest = image(f"docker://{registry.host}/lookup/app@{lookup.image}")
    assert find_spec(by_digest, ACCESS) == lookup
    assert found(find_spec(replace(by_digest, tag="whatever"), ACCESS)) == "version: new"


def test_an_image_that_is_not_there(registry: Registry) -> None:
    registry.push_image("lookup/app:1.0")
    for name in ("lookup/app:2", "lookup/nosuch", "lookup/app@sha256:" + "0" * 64):
        with pytest.raises(RegistryError, match="is not in the registry"):
            find_spec(image(f"{registry.host}/{name}"), ACCESS)


class Fake:
    """A registry of one image with one spec, whose answers a test may change: path -> bytes or a function
    that answers by itself."""

    def __init__(self) -> None:
        self.spec = b"version: v1alpha1"
        self.image = b'{"schemaVersion": 2}'
        self.answers: dict[str, bytes | Callable[[http.server.BaseHTTPRequestHandler], None]] = {}
        self.build()

    @staticmethod
    def digest(data: bytes) -> str:
        return f"sha256:{hashlib.sha256(data).hexdigest()}"

    def build(self, subject: str = "") -> None:
        layer = {"mediaType": "x", "digest": self.digest(self.spec), "size": len(self.spec)}
        manifest = json.dumps({"layers": [layer], "subject": {"digest": subject or self.digest(self.image), "size": 1}})
        self.manifest = manifest.encode()
        self.entry = {"digest": self.digest(self.manifest), "size": len(self.manifest), "artifactType": ARTIFACT_TYPE}
        self.answers |= {
            "manifests/1": self.image,
            f"manifests/{self.digest(self.image)}": self.image,
            f"manifests/{self.digest(self.image).replace(':', '-')}": json.dumps({"manifests": [self.entry]}).encode(),
            f"manifests/{self.entry['digest']}": self.manifest,
            f"blobs/{self.digest(self.spec)}": self.spec,
        }

    @property
    def blob(self) -> str:
        return f"blobs/{self.digest(self.spec)}"


@pytest.fixture
def fake() -> Iterator[tuple[Fake, str]]:
    registry = Fake()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = registry.answers.get(self.path.removeprefix("/v2/app/"))
            if callable(answer):
                answer(self)
                return
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(answer or b"")))
            self.end_headers()
            self.wfile.write(answer or b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield registry, f"127.0.0.1:{server.server_address[1]}/app:1"
        server.shutdown()


def test_the_fake_is_a_registry(fake: tuple[Fake, str]) -> None:
    assert found(find_spec(image(fake[1]), ACCESS)) == "version: v1alpha1"


def status(code: int, *headers: tuple[str, str]) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(60):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.2)


def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"x" * 100_000)


@pytest.mark.parametrize(
    ("path", "answer", "because"),
    [
        ("manifests/1", status(500), "answers 500"),
        ("manifests/1", status(401, ("WWW-Authenticate", 'Basic realm="x"')), "answers 401"),
        ("manifests/1", status(403), "answers 403"),
        ("manifests/1", endless, "larger than"),
        ("blob", b"other: content...", "another digest"),
        ("blob", b"short", "5 bytes where 17"),
        ("blob", status(404), "answers 404"),
        ("blob", endless, "larger than"),
        ("index", b"nonsense", "not JSON"),
        ("index", status(500), "answers 500"),
    ],
)
def test_what_a_registry_can_do_wrong(
    fake: tuple[Fake, str], path: str, answer: bytes | Callable[..., None], because: str
) -> None:
    registry, name = fake
    known = {"blob": registry.blob, "index": f"manifests/{registry.digest(registry.image).replace(':', '-')}"}
    registry.answers[known.get(path, path)] = answer
    with pytest.raises(RegistryError, match=because):
        find_spec(image(name), ACCESS)


def test_a_dripping_registry_is_given_up_at_the_deadline(fake: tuple[Fake, str]) -> None:
    registry, name = fake
    registry.answers[registry.blob] = drip
    started = time.monotonic()
    with pytest.raises(RegistryError, match="did not answer within 1 s"):
        find_spec(image(name), Access(deadline=1))
    assert time.monotonic() - started < 2


def test_an_artifact_of_another_image_is_refused(fake: tuple[Fake, str]) -> None:
    registry, name = fake
    registry.build(subject="sha256:" + "b" * 64)
    with pytest.raises(RegistryError, match="does not refer to it"):
        find_spec(image(name), ACCESS)


def test_another_image_than_the_digest_says_is_refused(fake: tuple[Fake, str]) -> None:
    registry, name = fake
    wanted = "sha256:" + "c" * 64
    registry.answers[f"manifests/{wanted}"] = registry.image
    with pytest.raises(RegistryError, match="sent sha256:"):
        find_spec(image(f"{name.removesuffix(':1')}@{wanted}"), ACCESS)


def test_a_spec_that_is_too_large_is_not_fetched(fake: tuple[Fake, str]) -> None:
    registry, name = fake
    registry.spec = b"x" * 1_100_000
    registry.build()
    del registry.answers[registry.blob]
    with pytest.raises(RegistryError, match="1100000 bytes are announced"):
        find_spec(image(name), ACCESS)


def test_the_annotation_of_the_list_decides(fake: tuple[Fake, str]) -> None:
    registry, name = fake
    entries = [{**registry.entry, "annotations": {CREATED: "2024-01-01T00:00:00Z"}}]
    entries.append({**registry.entry, "digest": "sha256:" + "d" * 64, "annotations": {CREATED: "2025-01-01T00:00:00Z"}})
    index = f"manifests/{registry.digest(registry.image).replace(':', '-')}"
    registry.answers[index] = json.dumps({"manifests": entries}).encode()
    with pytest.raises(RegistryError, match="answers 404 for sha256:dddd"):
        find_spec(image(name), ACCESS)
