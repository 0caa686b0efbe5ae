"""A real registry (Debian's docker-registry) on loopback, filled by the real oras client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.daemons import Daemons, answers, free_ports

PROJECT = Path(__file__).parents[2]
ARTIFACT_TYPE = "application/vnd.nfd.image-compatibility.v1alpha1"
SPEC_TYPE = "application/vnd.nfd.image-compatibility.spec.v1alpha1+yaml"
# For tests alone: the password is own_registry.SECRET, as bcrypt has it.
HTPASSWD = "somebody:$2b$05$abcdefghijklmnopqrstuutyUT/99Fo.OtLUxSo0H/wCDIYI1KUN.\n"
CONFIGURATION = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {directory}/data}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"{tls}}}
{auth}"""


def oras() -> str:
    """The oras client that `make tools` fetches."""
    path = os.environ.get("ORAS") or str(PROJECT / ".tools" / "usr" / "bin" / "oras")
    if not shutil.which(path):
        raise FileNotFoundError(f"{path} is missing: make tools")
    return path


@dataclass
class Registry:
    """`certificate`: a certificate and its key, for TLS. `login`: whether it wants to know who asks."""

    directory: Path
    certificate: tuple[Path, Path] | None = None
    login: bool = False

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True)
        self.daemons = Daemons(self.directory)
        (self.port,) = free_ports(1)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        file = self.directory / "config.yml"
        tls = auth = ""
        if self.certificate:
            tls = ', tls: {{certificate: "{}", key: "{}"}}'.format(*self.certificate)
        if self.login:
            (self.directory / "htpasswd").write_text(HTPASSWD)
            auth = f"auth: {{htpasswd: {{realm: here, path: {self.directory}/htpasswd}}}}\n"
        file.write_text(CONFIGURATION.format(directory=self.directory, port=self.port, tls=tls, auth=auth))
        path = shutil.which("docker-registry", path="/usr/bin:/usr/local/bin") or "docker-registry"
        self.daemons.start("docker-registry", [path, "serve", str(file)], os.environ)
        self.daemons.wait_until(lambda: answers(self.port), "docker-registry")

    def push_image(self, name: str) -> str:
        """A small image of one layer, pushed by oras; its reference."""
        folder = self.directory / name.replace("/", "_").replace(":", "_")
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"architecture": "amd64", "os": "linux", "name": name}))
        (folder / "layer.tar").write_bytes(name.encode().ljust(10240, b"\0"))
        reference = f"{self.host}/{name}"
        self.oras(
            "push", "--plain-http", "--config", "config.json:application/vnd.oci.image.config.v1+json",
            reference, "layer.tar:application/vnd.oci.image.layer.v1.tar", cwd=folder,
        )  # fmt: skip
        return reference

    def attach(self, reference: str, spec: Path, created: str = "") -> None:
        """Attaches a spec as NFD's documentation says."""
        annotation = ["--annotation", f"org.opencontainers.image.created={created}"] if created else []
        self.oras(
            "attach", "--plain-http", "--artifact-type", ARTIFACT_TYPE, *annotation,
            reference, f"{spec.name}:{SPEC_TYPE}", cwd=spec.parent,
        )  # fmt: skip

    def oras(self, *arguments: str, cwd: Path) -> str:
        done = subprocess.run([oras(), *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(f"oras {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def stop(self) -> None:
        self.daemons.stop()
