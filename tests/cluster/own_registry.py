"""A registry of our own that does what real ones here don't: the Referrers API, log-ins, and faults of every kind.

In memory, on loopback. Written from distribution-spec 1.1 and distribution's token specification; not from our client.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ARTIFACT_TYPE = "application/vnd.nfd.image-compatibility.v1alpha1"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
USER, SECRET = "somebody", "s3cret-of-somebody"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Seen:
    """A request: method, path with its query, and the Authorization header."""

    method: str
    path: str
    authorization: str


@dataclass
class OwnRegistry:
    """`referrers`: whether it has that API. `page`: entries a page, 0 for all. `login`: "", "basic" or "bearer".
    `token_life`: how many requests a token is good for. `types`: whether lists say what their entries are. `faults`:
    part of a path -> what answers in its place."""

    referrers: bool = True
    page: int = 0
    login: str = ""
    token_life: int = 1000
    types: bool = True
    subject_header: bool = True
    realm: str = ""
    tls: tuple[Path, Path] | None = None
    faults: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.tags: dict[str, str] = {}
        self.blobs: dict[str, bytes] = {}
        self.tokens: dict[str, tuple[int, str]] = {}
        self.seen: list[Seen] = []
        self.scopes: list[str] = []
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"registry": self})
        self.server = _Server(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> OwnRegistry:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def put(self, data: bytes, media_type: str = MANIFEST, tag: str = "") -> str:
        digest = digest_of(data)
        self.manifests[digest] = (media_type, data)
        if tag:
            self.tags[tag] = digest
        return digest

    def put_image(self, tag: str = "1", text: str = "image", labels: dict[str, str] | None = None) -> str:
        config = json.dumps({"os": "linux", "name": text, "config": {"Labels": labels}}).encode()
        self.blobs[digest_of(config)] = config
        described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config)}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {**described, "size": len(config)},
            "layers": [],
        }
        return self.put(json.dumps(manifest).encode(), MANIFEST, tag)

    def put_index(self, tag: str, platforms: dict[str, str]) -> str:
        """`platforms`: architecture -> digest of its manifest."""
        entries = [
            {
                "mediaType": MANIFEST,
                "digest": digest,
                "size": len(self.manifests[digest][1]),
                "platform": {"os": "linux", "architecture": architecture},
            }
            for architecture, digest in platforms.items()
        ]
        return self.put(json.dumps({"schemaVersion": 2, "manifests": entries}).encode(), INDEX, tag)

    def attach(self, subject: str, spec: str, created: str = "2025-01-01T00:00:00Z", by_tag: bool = False) -> str:
        blob = spec.encode()
        self.blobs[digest_of(blob)] = blob
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": ARTIFACT_TYPE,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2},
            "layers": [{"mediaType": "text/yaml", "digest": digest_of(blob), "size": len(blob)}],
            "subject": {"mediaType": MANIFEST, "digest": subject, "size": len(self.manifests[subject][1])},
            "annotations": {"org.opencontainers.image.created": created},
        }
        digest = self.put(json.dumps(manifest).encode())
        if by_tag:
            del self.manifests[digest]
            data = json.dumps({**manifest, "subject": manifest["subject"]}).encode()
            self.manifests[digest] = (MANIFEST, data)
            self.by_tag_alone = {*getattr(self, "by_tag_alone", set()), digest}
            tag = subject.replace(":", "-")
            entries = json.loads(self.manifests[self.tags[tag]][1])["manifests"] if tag in self.tags else []
            entries.append(self.entry(digest, True))
            self.put(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode(), INDEX, tag)
        return digest

    def entry(self, digest: str, types: bool) -> dict[str, object]:
        media_type, data = self.manifests[digest]
        top = json.loads(data)
        found = {"mediaType": media_type, "digest": digest, "size": len(data)}
        if types:
            found |= {"artifactType": top.get("artifactType"), "annotations": top.get("annotations", {})}
        return found

    def refers_to(self, subject: str, artifact_type: str) -> list[dict[str, object]]:
        found = []
        for digest, (_, data) in list(self.manifests.items()):
            top = json.loads(data)
            if digest in getattr(self, "by_tag_alone", ()) or (top.get("subject") or {}).get("digest") != subject:
                continue
            if not artifact_type or top.get("artifactType") == artifact_type or not self.types:
                found.append(self.entry(digest, self.types))
        return found


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what many tests are about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    registry: OwnRegistry
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self) -> None:
        own = self.registry
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length) if length else b""
        own.seen.append(Seen(self.command, self.path, self.headers.get("Authorization", "")))
        for part, answer in list(own.faults.items()):
            if part in self.path:
                answer(self)
                return
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/token":
            self.token(query)
        elif not self.admitted():
            challenge = 'Basic realm="here"'
            if own.login == "bearer":
                realm = own.realm or f"{own.url}/token"
                challenge = f'Bearer realm="{realm}",service="own",scope="repository:app:pull"'
            self.reply(401, b"{}", WWW_Authenticate=challenge)
        else:
            self.serve(url.path.removeprefix("/v2/app/"), query)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def admitted(self) -> bool:
        own, given = self.registry, self.headers.get("Authorization", "")
        if own.login == "basic":
            return given == "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
        if own.login == "bearer":
            with own.lock:
                left, _ = own.tokens.get(given.removeprefix("Bearer "), (0, ""))
                own.tokens[given.removeprefix("Bearer ")] = (left - 1, "")
            return left > 0
        return True

    def token(self, query: dict[str, str]) -> None:
        own = self.registry
        form = dict(urllib.parse.parse_qsl(self.body.decode())) if self.body else {}
        own.scopes.append({**query, **form}.get("scope", ""))
        basic = "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
        if self.headers.get("Authorization", "") == basic or form.get("refresh_token") == SECRET:
            token = f"token-{len(own.tokens)}-{time.monotonic_ns()}"
            own.tokens[token] = (own.token_life, "")
            self.reply(200, json.dumps({"token": token}).encode())
        else:
            self.reply(401, b"{}")

    def serve(self, path: str, query: dict[str, str]) -> None:
        own = self.registry
        kind, _, name = path.partition("/")
        if kind == "manifests" and self.command == "PUT":
            digest = own.put(self.body, self.headers.get("Content-Type", MANIFEST), "" if ":" in name else name)
            subject = (json.loads(self.body).get("subject") or {}).get("digest", "")
            more = {"OCI_Subject": subject} if subject and own.referrers and own.subject_header else {}
            self.reply(201, b"", Docker_Content_Digest=digest, **more)
        elif kind == "manifests" and self.command == "DELETE":
            self.reply(202 if own.manifests.pop(name, None) else 404)
        elif kind == "manifests":
            digest = own.tags.get(name, name)
            if digest not in own.manifests:
                self.reply(404, b"{}")
                return
            media_type, data = own.manifests[digest]
            self.reply(200, data, Content_Type=media_type, Docker_Content_Digest=digest)
        elif kind == "blobs" and self.command == "POST":
            self.reply(202, b"", Location="/v2/app/blobs/uploads/1")
        elif kind == "blobs" and self.command == "PUT":
            own.blobs[query["digest"]] = self.body
            self.reply(201)
        elif kind == "blobs":
            found = own.blobs.get(name)
            self.reply(404, b"{}") if found is None else self.reply(200, found)
        elif kind == "referrers" and own.referrers:
            entries = own.refers_to(name, query.get("artifactType", ""))
            start = int(query.get("from", 0))
            more = {}
            if own.page and start + own.page < len(entries):
                more["Link"] = f'</v2/app/referrers/{name}?from={start + own.page}>; rel="next"'
            shown = entries[start : start + own.page] if own.page else entries
            top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": shown}
            self.reply(200, json.dumps(top).encode(), Content_Type=INDEX, **more)
        else:
            self.reply(404, b"{}")
