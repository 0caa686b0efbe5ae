"""Images that real programs made: apptainer's SIF files, built, signed and verified; what umoci and skopeo write.

`make apptainer-test` runs this where the programs are. Nothing here needs a network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpccompat.artifact.label import LABEL
from hpccompat.artifact.local import LocalSpec, find_image
from hpccompat.artifact.regular import RegularFile
from hpccompat.artifact.sif import Sif, read_sif
from hpccompat.cli.main import main
from hpccompat.reference import LayoutReference, PathReference, parse_reference
from hpccompat.spec.decode import load_spec
from hpccompat.spec.encode import dump_spec

MISSING = [each for each in ("apptainer", "mksquashfs", "umoci", "skopeo") if shutil.which(each) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (make apptainer-test)")

SOLVER = Path(__file__).parents[1] / "data" / "specs" / "solver.yaml"
NORMAL = dump_spec(load_spec(SOLVER.read_bytes())).encode()
SHORT = '{"version":"v1alpha1"}'
SCRATCH = f"""\
Bootstrap: scratch
%setup
    mkdir -p $APPTAINER_ROOTFS/bin
%labels
    {LABEL} {SHORT}
    Maintainer nobody
"""
NOBODY = 65534


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One that belongs to who builds."""
    path = Path(tempfile.mkdtemp(prefix="hpccompat-test-"))
    path.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def built(folder: Path) -> Path:
    """An image with a label, built from a definition file."""
    (folder / "app.def").write_text(SCRATCH)
    build(folder, "app.sif", "app.def")
    return folder / "app.sif"


@pytest.fixture
def image(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(built, tmp_path / "app.sif"))


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "HOME": str(cwd), "APPTAINER_CACHEDIR": str(cwd / "cache")}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


def done(*command: str, cwd: Path) -> str:
    answer = run(*command, cwd=cwd)
    assert answer.returncode == 0, f"{' '.join(command)}: {answer.stderr}{answer.stdout}"
    return answer.stdout


def by_user(folder: Path, *command: str) -> None:
    """As root, apptainer wants capabilities to build that a container's root hasn't got."""
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    done(*user, *command, cwd=folder)


def build(folder: Path, *words: str) -> None:
    by_user(folder, "apptainer", "build", *words)


def find(name: Path | str) -> LocalSpec:
    reference = parse_reference(str(name))
    assert isinstance(reference, PathReference | LayoutReference)
    return find_image(reference, os.uname().machine)


def inside(image: Path) -> Sif:
    with RegularFile(str(image)) as file:
        return read_sif(file)


def test_an_image_from_a_definition_file(built: Path) -> None:
    found = find(built)
    assert (found.data, found.found_at) == (SHORT.encode(), f"{built}, label {LABEL}")
    sif = inside(built)
    assert (sif.signed, sif.groups, len(sif.objects)) == (False, {1}, 3)


def test_an_image_built_on_another(built: Path, folder: Path) -> None:
    """It keeps the label; that it came from a file leads nowhere."""
    (folder / "derived.def").write_text("Bootstrap: localimage\nFrom: app.sif\n")
    build(folder, "derived.sif", "derived.def")
    assert find(folder / "derived.sif").data == SHORT.encode()
    (folder / "plain.def").write_text("Bootstrap: scratch\n%setup\n    mkdir -p $APPTAINER_ROOTFS/bin\n")
    build(folder, "plain.sif", "plain.def")
    assert find(folder / "plain.sif") == LocalSpec(None, str(folder / "plain.sif"))


def test_a_sandbox(built: Path, folder: Path) -> None:
    build(folder, "--sandbox", "sandbox", "app.sif")
    assert find(folder / "sandbox").data == SHORT.encode()


def test_embedded_then_signed(image: Path, key: list[str]) -> None:
    """The signature covers the spec."""
    assert main(["spec", "embed", str(image), str(SOLVER)]) == 0
    assert find(image).data == NORMAL
    assert inside(image).groups == {1}
    done("apptainer", "sign", *key[0:2], str(image), cwd=image.parent)
    assert inside(image).signed
    done("apptainer", "verify", *key[2:4], str(image), cwd=image.parent)
    changed = image.read_bytes().replace(b"X86_64_V3", b"X86_64_V2")
    assert changed != image.read_bytes()
    image.write_bytes(changed)
    assert run("apptainer", "verify", *key[2:4], str(image), cwd=image.parent).returncode != 0


def test_a_signed_image_is_refused(image: Path, key: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """It stays as it is; a sidecar does it."""
    done("apptainer", "sign", *key[0:2], str(image), cwd=image.parent)
    before = image.read_bytes()
    assert main(["spec", "embed", str(image), str(SOLVER)]) == 4
    sidecar = image.parent / "app.sif.compat.yaml"
    assert str(sidecar) in capfd.readouterr().err
    assert image.read_bytes() == before
    done("apptainer", "verify", *key[2:4], str(image), cwd=image.parent)
    shutil.copy(SOLVER, sidecar)
    assert find(image) == LocalSpec(SOLVER.read_bytes(), str(sidecar))


def test_why_there_is_a_group(image: Path, key: list[str]) -> None:
    """Without one, no signature is good any more."""
    done("apptainer", "sif", "add", "--datatype", "6", str(image), str(SOLVER), cwd=image.parent)
    done("apptainer", "sign", *key[0:2], str(image), cwd=image.parent)
    assert run("apptainer", "verify", *key[2:4], str(image), cwd=image.parent).returncode != 0


def test_a_spec_is_replaced(image: Path, tmp_path: Path, key: list[str]) -> None:
    first = tmp_path / "first.json"
    first.write_text(NORMAL.decode().replace("X86_64_V3", "X86_64_V2"))
    assert main(["spec", "embed", str(image), str(first)]) == 0
    assert main(["spec", "embed", str(image), str(SOLVER)]) == 4
    assert find(image).data == first.read_bytes()
    for _ in range(2):
        assert main(["spec", "embed", str(image), str(SOLVER), "--replace"]) == 0
        assert find(image).data == NORMAL
        assert len(inside(image).specs) == 1
    # Back once more: apptainer gives the number again that has become free.
    assert main(["spec", "embed", str(image), str(first), "--replace"]) == 0
    assert find(image).data == first.read_bytes()
    done("apptainer", "sign", *key[0:2], str(image), cwd=image.parent)
    done("apptainer", "verify", *key[2:4], str(image), cwd=image.parent)


def test_other_names_that_a_spec_may_have(image: Path) -> None:
    name = "application/vnd.nfd.image-compatibility.spec.v1alpha1+yaml"
    words = ("--datatype", "7", "--groupid", "1", "--filename", name)
    done("apptainer", "sif", "add", *words, str(image), str(SOLVER), cwd=image.parent)
    assert find(image).data == SOLVER.read_bytes()


def test_a_full_table_is_told(image: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small").write_text("{}")
    for _ in range(45):
        done("apptainer", "sif", "add", "--datatype", "6", str(image), "small", cwd=tmp_path)
    assert len(inside(image).objects) == 48
    assert main(["spec", "embed", str(image), str(SOLVER)]) == 3
    assert "apptainer sif add" in capfd.readouterr().err
    assert find(image).data == SHORT.encode()


@pytest.fixture(scope="module")
def key(folder: Path) -> list[str]:
    """The options to sign, and to verify."""
    done("openssl", "genpkey", "-algorithm", "ed25519", "-out", "key.pem", cwd=folder)
    done("openssl", "pkey", "-in", "key.pem", "-pubout", "-out", "key.pub", cwd=folder)
    return ["--key", str(folder / "key.pem"), "--key", str(folder / "key.pub")]


@pytest.fixture(scope="module")
def layout(folder: Path) -> Path:
    """An OCI layout with an image of one layer, that umoci made."""
    path = folder / "images"
    by_user(folder, "install", "-D", "/bin/true", "bin/true")
    for words in (
        ["init", "--layout", "images"],
        ["new", "--image", "images:v1"],
        ["insert", "--rootless", "--image", "images:v1", "bin", "/bin"],
        ["config", "--image", "images:v1", "--config.label", f"{LABEL}={SHORT}"],
    ):
        by_user(folder, "umoci", *words)
    return path


def test_a_layout_and_archives(layout: Path, folder: Path) -> None:
    for target in ("oci-archive:one.tar:v1", "docker-archive:docker.tar:example.org/solver:1.0"):
        done("skopeo", "copy", "--insecure-policy", "oci:images:v1", target, cwd=folder)
    here = find(layout)
    assert here.data == SHORT.encode()
    for name in (
        f"oci:{layout}",
        f"oci:{layout}:v1",
        f"oci-archive:{folder}/one.tar",
        f"oci-archive:{folder}/one.tar:v1",
    ):
        found = find(name)
        assert (found.data, found.digest) == (here.data, here.digest)
    for name in ("docker.tar", "docker.tar:example.org/solver:1.0"):
        assert find(f"docker-archive:{folder}/{name}").data == here.data


def test_a_bundle(layout: Path, folder: Path) -> None:
    """Its annotations have the label, and umoci has noted the digest."""
    done("umoci", "unpack", "--rootless", "--image", "images:v1", "bundle", cwd=folder)
    found = find(folder / "bundle")
    assert (found.data, found.digest) == (SHORT.encode(), find(layout).digest)


def test_an_image_made_of_an_oci_image(layout: Path, folder: Path) -> None:
    build(folder, "from-oci.sif", "oci:images")
    assert find(folder / "from-oci.sif").data == SHORT.encode()
    assert "oci-config.json" in {each.name for each in inside(folder / "from-oci.sif").objects}


def test_a_layout_in_a_sif_file(layout: Path, folder: Path) -> None:
    """As SingularityCE makes them; apptainer's library knows these objects, too."""
    done("apptainer", "sif", "new", "layout.sif", cwd=folder)
    blobs = [(each, "11") for each in sorted((layout / "blobs" / "sha256").iterdir())]
    for file, kind in [(layout / "index.json", "10"), *blobs]:
        done("apptainer", "sif", "add", "--datatype", kind, "--groupid", "1", "layout.sif", str(file), cwd=folder)
    found = find(folder / "layout.sif")
    assert (found.data, found.digest) == (SHORT.encode(), find(layout).digest)


def test_apptainer_takes_a_colon_for_a_part_of_the_path(layout: Path, folder: Path) -> None:
    layout.rename(folder / "images:v2")
    try:
        build(folder, "colon.sif", "oci:images:v2")
        assert find(f"oci:{folder}/images:v2").data == SHORT.encode()
    finally:
        (folder / "images:v2").rename(layout)
