"""OCI image layouts made by hand: their files by name, to be written into a directory or an archive."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hpccompat.artifact.manifest import OCI_INDEX, OCI_MANIFEST, digest_of
from hpccompat.artifact.referrers import ARTIFACT_TYPE, CREATED

CONFIG = "application/vnd.oci.image.config.v1+json"
NAME = "org.opencontainers.image.ref.name"
SPEC = "application/vnd.nfd.image-compatibility.spec.v1alpha1+yaml"
Entry = dict[str, object]


@dataclass
class Layout:
    """`files`: name -> bytes. `entries`: what index.json lists."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def blob(self, data: bytes, media_type: str) -> Entry:
        digest = digest_of(data)
        self.blobs[f"blobs/{digest.replace(':', '/')}"] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def document(self, value: object, media_type: str) -> Entry:
        return self.blob(json.dumps(value).encode(), media_type)

    def image(self, labels: Mapping[str, str] | None = None, text: str = "") -> Entry:
        """An image's descriptor. `text` makes it another one."""
        config = self.document({"os": "linux", "config": {"Labels": dict(labels or {})}, "author": text}, CONFIG)
        return self.document({"schemaVersion": 2, "config": config, "layers": []}, OCI_MANIFEST)

    def index(self, images: Mapping[str, Entry]) -> Entry:
        """`images`: architecture -> descriptor."""
        entries = [{**each, "platform": {"os": "linux", "architecture": name}} for name, each in images.items()]
        entries.insert(0, {**self.image(text="proof"), "platform": {"os": "unknown", "architecture": "unknown"}})
        return self.document({"schemaVersion": 2, "manifests": entries}, OCI_INDEX)

    def spec(self, subject: Entry, text: str, created: str = "", told: bool = True, kind: str = ARTIFACT_TYPE) -> Entry:
        """Of an attached spec. `told`: whether the descriptor has the type and the time, too."""
        manifest = {
            "schemaVersion": 2,
            "artifactType": kind,
            "config": self.blob(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [self.blob(text.encode(), SPEC)],
            "subject": subject,
            "annotations": {CREATED: created} if created else {},
        }
        entry = self.document(manifest, OCI_MANIFEST)
        return {**entry, "artifactType": kind, "annotations": {CREATED: created}} if told else entry

    def list(self, entry: Entry, name: str = "") -> Entry:
        """Puts it into index.json."""
        annotations = entry.get("annotations")
        known = annotations if isinstance(annotations, dict) else {}
        self.entries.append({**entry, "annotations": {**known, NAME: name}} if name else entry)
        return entry

    @property
    def files(self) -> dict[str, bytes]:
        index = json.dumps({"schemaVersion": 2, "manifests": self.entries}).encode()
        return {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', **self.blobs, "index.json": index}

    def write(self, folder: Path) -> Path:
        for name, data in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder


def tar(files: Mapping[str, bytes], format: int = tarfile.USTAR_FORMAT, prefix: str = "") -> bytes:
    opened = io.BytesIO()
    with tarfile.open(fileobj=opened, mode="w", format=format) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            if format == tarfile.PAX_FORMAT:
                member.pax_headers = {"SCHILY.xattr.user.x": "y", "mtime": "1.5"}
            archive.addfile(member, io.BytesIO(data))
    return opened.getvalue()
