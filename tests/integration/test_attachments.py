"""`hpccompat spec attach|list|fetch|remove|show` on a real registry, beside the real oras client, and on our own."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.own_registry import ARTIFACT_TYPE, SECRET, USER, OwnRegistry
from tests.cluster.registry import Registry, oras
from tests.cluster.site import PROJECT
from tests.integration.line import SOLVER


class Author:
    """Somebody with a home of their own, an image, and files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": ":".join(sys.path)}

    def run(self, *arguments: str, status: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "hpccompat", *arguments],
            cwd=self.folder, env=self.env | env, capture_output=True, text=True, check=False, timeout=90,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def spec(self, description: str) -> str:
        text = SOLVER.read_text().replace("an MPI solver", description, 1)
        assert description in text
        name = f"{description.replace(' ', '-')}.yaml"
        (self.folder / name).write_text(text)
        return name

    def listed(self, image: str) -> list[dict[str, object]]:
        done = subprocess.run(
            [sys.executable, "-m", "hpccompat", "--output", "json", "spec", "list", image],
            cwd=self.folder, env=self.env, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        found: list[dict[str, object]] = json.loads(done.stdout)
        return found


@pytest.fixture
def author(tmp_path: Path) -> Author:
    return Author(tmp_path)


def test_what_we_attach_oras_discovers_and_pulls(author: Author, registry: Registry) -> None:
    image = registry.push_image("authors/ours:1.0")
    name = author.spec("attached by us")
    answer = author.run("spec", "attach", image, name, "--annotation", "org.example.by=me")
    digest = answer.stdout.split()[1].rpartition("@")[2]
    assert "attach one spec at a time" in answer.stderr
    tree = registry.oras("discover", "--plain-http", "--format", "json", image, cwd=author.folder)
    (found,) = [each for each in json.loads(tree)["manifests"] if each["artifactType"] == ARTIFACT_TYPE]
    assert found["digest"] == digest
    assert found["annotations"]["org.example.by"] == "me"
    pulled = author.folder / "pulled"
    pulled.mkdir()
    registry.oras("pull", "--plain-http", f"{image.rpartition(':')[0]}@{digest}", cwd=pulled)
    (file,) = pulled.iterdir()
    assert file.read_text() == (author.folder / name).read_text()


def test_what_oras_attaches_we_find(author: Author, registry: Registry) -> None:
    image = registry.push_image("authors/theirs:1.0")
    assert author.run("spec", "list", image, status=1).stdout == ""
    registry.attach(image, author.folder / author.spec("the old one"), "2024-01-01T00:00:00Z")
    registry.attach(image, author.folder / author.spec("the new one"), "2025-01-01T00:00:00Z")
    author.run("spec", "attach", image, author.spec("the newest one"))
    assert [each["counts"] for each in author.listed(image)] == [True, False, False]
    fetched = author.run("spec", "fetch", image)
    assert "the newest one" in fetched.stdout
    assert "the newest one" in author.run("spec", "show", image).stdout
    oldest = str(author.listed(image)[-1]["digest"])
    assert "the old one" in author.run("spec", "fetch", image, "--digest", oldest[7:19]).stdout
    author.run("spec", "fetch", image, "-o", "here.yaml")
    assert "the newest one" in (author.folder / "here.yaml").read_text()


def test_what_is_removed_is_gone_for_everybody(author: Author, registry: Registry) -> None:
    image = registry.push_image("authors/gone:1.0")
    for name in ("one", "two", "three"):
        author.run("spec", "attach", image, author.spec(f"number {name}"))
    newest = str(author.listed(image)[0]["digest"])
    assert "would remove" in author.run("spec", "remove", image, newest, "--dry-run").stdout
    assert len(author.listed(image)) == 3
    assert author.run("spec", "remove", image, newest).stdout.startswith("removed")
    tree = registry.oras("discover", "--plain-http", "--format", "json", image, cwd=author.folder)
    assert newest not in tree
    assert {each["digest"] for each in json.loads(tree)["manifests"]} == {
        each["digest"] for each in author.listed(image)
    }
    author.run("spec", "remove", image, "--all")
    author.run("spec", "list", image, status=1)
    author.run("spec", "fetch", image, status=3)
    author.run("spec", "remove", image, newest[:12], status=3)
    author.run("spec", "remove", image, status=2)


def test_an_invalid_spec_is_refused(author: Author, registry: Registry) -> None:
    image = registry.push_image("authors/invalid:1.0")
    (author.folder / "typo.yaml").write_text(SOLVER.read_text().replace("op: Exists", "op: Exist", 1))
    answer = author.run("spec", "attach", image, "typo.yaml", status=2)
    assert "typo.yaml is not attached, since it is invalid: line " in answer.stderr
    author.run("spec", "attach", image, "nowhere.yaml", status=2)
    author.run("spec", "attach", image, author.spec("fine"), "--platform", "windows/amd64", status=2)
    author.run("spec", "attach", image, author.spec("fine"), "--platform", "linux/s390x", status=3)
    author.run("spec", "attach", "./here.sif", author.spec("fine"), status=2)
    answer = author.run("spec", "attach", image, author.spec("fine"), "--dry-run")
    assert '"artifactType"' in answer.stdout
    author.run("spec", "list", image, status=1)


def together(author: Author, image: str, homes: int) -> list[str]:
    """Eight who attach at once, in so many homes; the digests of those who were told that it is done."""
    done: list[str] = []
    other: list[str] = []
    names = [author.spec(f"writer {number}") for number in range(8)]

    def attach(number: int) -> None:
        answer = subprocess.run(
            [sys.executable, "-m", "hpccompat", "--output", "json", "spec", "attach", image, names[number]],
            cwd=author.folder, env=author.env | {"XDG_CACHE_HOME": str(author.folder / f"home{number % homes}")},
            capture_output=True, text=True, check=False, timeout=90,
        )  # fmt: skip
        if answer.returncode == 0:
            done.append(json.loads(answer.stdout)["digest"])
        elif "others keep replacing the tag" not in answer.stderr:
            other.append(answer.stderr)

    threads = [threading.Thread(target=attach, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert other == []
    return done


@pytest.mark.parametrize("homes", [1, 8])
def test_eight_at_once_lose_nothing_silently(author: Author, registry: Registry, homes: int) -> None:
    image = registry.push_image(f"authors/eight-{homes}:1.0")
    done = together(author, image, homes)
    assert {str(each["digest"]) for each in author.listed(image)} >= set(done)
    if homes == 1:
        assert len(done) == 8


def test_a_registry_with_the_api_and_one_that_does_not_delete(author: Author) -> None:
    with OwnRegistry() as own:
        subject = own.put_image()
        image = f"{own.host}/app:1"
        answer = author.run("spec", "attach", image, author.spec("by the API"))
        assert "one spec at a time" not in answer.stderr
        assert not own.tags.get(subject.replace(":", "-"))
        assert len(author.listed(image)) == 1
        digest = str(author.listed(image)[0]["digest"])
        own.faults[f"manifests/{digest}"] = lambda handler: handler.reply(  # type: ignore[attr-defined]
            405 if handler.command == "DELETE" else 200,
            b"" if handler.command == "DELETE" else own.manifests[digest][1],
        )
        assert "answers 405 to the deletion" in author.run("spec", "remove", image, "--all", status=3).stderr
        own.faults.clear()
        own.faults["blobs/uploads/"] = lambda handler: handler.reply(  # type: ignore[attr-defined]
            202, b"", Location="http://localhost:9/v2/app/blobs/uploads/1"
        )
        answer = author.run("spec", "attach", image, author.spec("elsewhere"), status=3)
        assert "names another host for an upload" in answer.stderr


@pytest.fixture(scope="module", params=["plain, login", "TLS", "TLS, login"])
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> Iterator[tuple[Registry, Path]]:
    """A real docker-registry with TLS, with basic auth; and a folder with what its users have for that."""
    folder = tmp_path_factory.mktemp("guarded")
    tls, login = "TLS" in request.param, "login" in request.param
    registry = Registry(folder / "registry", certificate if tls else None, login)
    registry.start()
    try:
        auth = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}} if login else {}))
        (folder / "config.toml").write_text(f'ca_bundle = "{certificate[0]}"\n' if tls else "")
        yield registry, folder
    finally:
        registry.stop()


def test_registries_with_tls_and_log_ins(
    guarded: tuple[Registry, Path], author: Author, certificate: tuple[Path, Path]
) -> None:
    registry, folder = guarded
    options = ["--registry-config", str(folder / "config.json")]
    options += ["--ca-file", str(certificate[0])] if registry.certificate else ["--plain-http"]
    (author.folder / "layer").write_text("layer")
    (author.folder / "config.json").write_text('{"architecture": "amd64", "os": "linux"}')
    image = f"{registry.host}/guarded/app:1"
    pushed = subprocess.run(
        [oras(), "push", *options, "--config", "config.json:application/vnd.oci.image.config.v1+json", image,
         "layer:application/vnd.oci.image.layer.v1.tar"],
        cwd=author.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert pushed.returncode == 0, pushed.stderr
    site = ("--config", str(folder / "config.toml"))
    env = {"REGISTRY_AUTH_FILE": str(folder / "config.json")}
    author.run(*site, "spec", "attach", image, author.spec("guarded"), **env)
    assert "guarded" in author.run(*site, "spec", "fetch", image, **env).stdout
    if registry.login:
        answer = author.run(*site, "spec", "fetch", image, status=3)
        assert "without a log-in" in answer.stderr
        assert SECRET not in answer.stderr


def test_the_five_commands_of_the_authors_guide(author: Author, registry: Registry) -> None:
    image = registry.push_image("authors/guide:1.0")
    text = (PROJECT / "docs" / "authors.md").read_text().split("## Five commands")[1].split("\n## ")[0]
    commands = [
        line.removeprefix("    $ hpccompat ") for line in text.splitlines() if line.startswith("    $ hpccompat ")
    ]
    assert len(commands) == 5
    shutil.copy(SOLVER, author.folder / "solver.yaml")
    root = str(PROJECT / "tests" / "data" / "hosts" / "zen3-rocky9-infiniband")
    (author.folder / "node.json").write_text(author.run("features", "discover", "--root", root).stdout)
    for command in commands:
        author.run(*command.replace("registry.example.org/hpc/solver:1.0", image).split())
