"""Images on a file system: what is asked first, and what is said where there is nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hpccompat.artifact.found import LocalSpec
from hpccompat.artifact.label import LABEL
from hpccompat.artifact.local import find_image, find_local
from hpccompat.artifact.manifest import digest_of
from hpccompat.artifact.sif import OCI_BLOB, OCI_INDEX
from hpccompat.errors import ImageError
from hpccompat.reference import LayoutReference, PathReference, parse_reference
from tests.artifact.layout_files import Layout, tar
from tests.artifact.sif_bytes import FILE_SYSTEM, PULLED, Part, definition, labels, sif, spec

LABELLED = labels({LABEL: "label"})
DIGEST = "sha256:" + "a" * 64


def found(path: Path | str) -> LocalSpec:
    return find_local(str(path), "x86_64")


def test_the_order_of_a_sif_file(tmp_path: Path) -> None:
    """Each is asked only where those before it have nothing."""
    image = tmp_path / "app.sif"
    yaml, json_ = tmp_path / "app.sif.compat.yaml", tmp_path / "app.sif.compat.json"
    image.write_bytes(sif([PULLED, LABELLED, FILE_SYSTEM, spec("embedded")]))
    yaml.write_text("yaml")
    json_.write_text("json")
    assert found(image) == LocalSpec(b"yaml", str(yaml))
    yaml.unlink()
    assert found(image) == LocalSpec(b"json", str(json_))
    json_.unlink()
    assert found(image) == LocalSpec(b"embedded", f"{image}, object 4")
    image.write_bytes(sif([PULLED, LABELLED, FILE_SYSTEM]))
    assert found(image) == LocalSpec(b"label", f"{image}, label {LABEL}")
    image.write_bytes(sif([PULLED, FILE_SYSTEM]))
    name = "docker://registry.example.org/hpc/solver:1.0"
    assert found(image) == LocalSpec(None, f"{image}, made from {name}", origin=name)
    image.write_bytes(sif([definition("Bootstrap: docker\nFrom: a:1\n%post\n make\n"), FILE_SYSTEM]))
    assert found(image) == LocalSpec(None, f"{image}, built on docker://a:1", origin="docker://a:1")
    image.write_bytes(sif([FILE_SYSTEM]))
    assert found(image) == LocalSpec(None, str(image))


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    """A SIF file of any name; and one in another format has room beside it only."""
    other = tmp_path / "app.img"
    other.write_bytes(sif([spec("embedded")]))
    assert found(other).data == b"embedded"
    for name, data in [("app.sif", b"hsqs" + bytes(4092)), ("app.sqsh", b"hsqs"), ("empty.img", b"")]:
        path = tmp_path / name
        path.write_bytes(data)
        assert found(path) == LocalSpec(None, str(path))
        (tmp_path / f"{name}.compat.json").write_text("{}")
        assert found(path).data == b"{}"


def test_a_sidecar_beside_a_link_comes_first(tmp_path: Path) -> None:
    """A site may link the current release of an image, and adorn either name."""
    (tmp_path / "store").mkdir()
    image, link = tmp_path / "store" / "app-1.0.sif", tmp_path / "app.sif"
    image.write_bytes(sif([spec("embedded")]))
    link.symlink_to(image)
    assert found(link).data == b"embedded"
    (tmp_path / "store" / "app-1.0.sif.compat.yaml").write_text("beside the image")
    assert found(link).data == b"beside the image"
    (tmp_path / "app.sif.compat.json").write_text("beside the link")
    assert found(link).data == b"beside the link"
    assert found(image).data == b"beside the image"


def test_a_sidecar_beside_a_directory(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image.compat.yaml").write_text("beside")
    assert found(f"{tmp_path}/image").data == found(f"{tmp_path}/image//").data == b"beside"


def test_a_layout(tmp_path: Path) -> None:
    layout = Layout()
    index = layout.index({"amd64": layout.image({LABEL: "1"}), "arm64": layout.image({LABEL: "2"})})
    layout.list(index, "v1")
    layout.write(tmp_path / "images")
    (tmp_path / "images.tar").write_bytes(tar(layout.files))
    for machine, expected in [("x86_64", b"1"), ("amd64", b"1"), ("aarch64", b"2")]:
        for text in (f"{tmp_path}/images", f"oci:{tmp_path}/images:v1", f"oci-archive:{tmp_path}/images.tar:v1"):
            reference = parse_reference(text)
            assert isinstance(reference, PathReference | LayoutReference)
            answer = find_image(reference, machine)
            assert (answer.data, answer.digest) == (expected, index["digest"])
    (tmp_path / "images.tar.compat.yaml").write_text("beside")
    assert find_image(LayoutReference("oci-archive", f"{tmp_path}/images.tar", "v1"), "amd64").data == b"beside"


def oci_sif(layout: Layout) -> bytes:
    """As SingularityCE keeps a layout: an object for each blob, and one for the index."""
    files = dict(layout.files)
    parts = [Part(OCI_INDEX, files.pop("index.json"))]
    parts += [Part(OCI_BLOB, data, extra=digest_of(data)) for name, data in files.items() if name.startswith("blobs/")]
    return sif(parts)


def test_an_oci_sif(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.list(layout.image({LABEL: "label"}))
    path = tmp_path / "app.oci.sif"
    path.write_bytes(oci_sif(layout))
    assert found(path) == LocalSpec(b"label", f"{path}, label {LABEL}", str(image["digest"]))
    layout.list(layout.spec(image, "attached"))
    path.write_bytes(oci_sif(layout))
    assert found(path).data == b"attached"
    (tmp_path / "damaged.sif").write_bytes(path.read_bytes().replace(b"attached", b"Attached"))
    with pytest.raises(ImageError, match="another digest"):
        found(tmp_path / "damaged.sif")
    layout.entries.clear()
    path.write_bytes(oci_sif(layout))
    with pytest.raises(ImageError, match="holds no image"):
        found(path)


def test_a_colon_may_belong_to_the_path(tmp_path: Path) -> None:
    """As apptainer reads it; where there is no such path, it begins the name of the image."""
    for name, label in [("images", "1"), ("images:v1", "2")]:
        layout = Layout()
        layout.list(layout.image({LABEL: label}), "v1")
        layout.write(tmp_path / name)
    reference = LayoutReference("oci", f"{tmp_path}/images", "v1")
    assert find_image(reference, "amd64").data == b"2"
    os.rename(tmp_path / "images:v1", tmp_path / "other")
    assert find_image(reference, "amd64").data == b"1"


def bundle(path: Path, annotations: object, umoci: object = None) -> Path:
    (path / "rootfs").mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"ociVersion": "1.2.1", "annotations": annotations}))
    if umoci is not None:
        (path / "umoci.json").write_text(json.dumps(umoci))
    return path


@pytest.mark.parametrize(
    ("annotations", "umoci", "data", "digest"),
    [
        ({LABEL: "spec"}, None, b"spec", ""),
        ({LABEL: "spec"}, {"from_descriptor_path": {"descriptor_walk": [{"digest": DIGEST}]}}, b"spec", DIGEST),
        ({}, {"from_descriptor_path": {"descriptor_walk": [{"digest": DIGEST}]}}, None, DIGEST),
        (None, {"from_descriptor_path": {"descriptor_walk": []}}, None, ""),
        ([], {"from_descriptor_path": {"descriptor_walk": [{"digest": "sha256:x"}]}}, None, ""),
        ("", [], None, ""),
    ],
)
def test_a_bundle(tmp_path: Path, annotations: object, umoci: object, data: bytes | None, digest: str) -> None:
    answer = found(bundle(tmp_path / "bundle", annotations, umoci))
    assert (answer.data, answer.digest, answer.origin) == (data, digest, "")


def test_a_sandbox(tmp_path: Path) -> None:
    folder = tmp_path / "box" / ".singularity.d"
    folder.mkdir(parents=True)
    box = tmp_path / "box"
    assert found(box) == LocalSpec(None, str(box))
    (folder / "Singularity").write_text("bootstrap: docker\nfrom: a:1\n")
    assert found(box) == LocalSpec(None, f"{box}, made from docker://a:1", origin="docker://a:1")
    (folder / "labels.json").write_text(json.dumps({LABEL: "label"}))
    assert found(box) == LocalSpec(b"label", f"{folder}/labels.json, label {LABEL}")
    assert found(tmp_path) == LocalSpec(None, str(tmp_path))


def make_fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


def make_loop(folder: Path) -> Path:
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


def make_large_sidecar(folder: Path) -> Path:
    (folder / "app.sif").write_bytes(sif([spec("embedded")]))
    (folder / "app.sif.compat.yaml").write_bytes(bytes(1024 * 1024 + 1))
    return folder / "app.sif"


def make_dead_sidecar(folder: Path) -> Path:
    (folder / "app.sif").write_bytes(sif([spec("embedded")]))
    (folder / "app.sif.compat.yaml").symlink_to("nowhere")
    return folder / "app.sif"


def make_fifo_in_sandbox(folder: Path) -> Path:
    (folder / ".singularity.d").mkdir()
    os.mkfifo(folder / ".singularity.d" / "labels.json")
    return folder


def make_wrong_bundle(folder: Path) -> Path:
    path = bundle(folder / "bundle", {})
    (path / "config.json").write_text("nonsense")
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "absent.sif", "No such file or directory"),
        (make_fifo, "neither a file nor a directory"),
        (make_loop, "symbolic links"),
        (make_large_sidecar, r"app.sif.compat.yaml has 1048577 bytes, at most 1048576 are read"),
        # Something was meant to count; what comes after it must not count in its place.
        (make_dead_sidecar, r"app.sif.compat.yaml can't be read: No such file"),
        (make_fifo_in_sandbox, "labels.json is not a regular file"),
        (make_wrong_bundle, "config.json is not JSON"),
        (lambda folder: folder / "nul\0", "can't be read"),
        (lambda folder: folder / ("x" * 300), "File name too long"),
    ],
)
def test_what_can_not_be_read_is_told(tmp_path: Path, make: object, said: str) -> None:
    assert callable(make)
    path = make(tmp_path)
    with pytest.raises(ImageError, match=said) as error:
        found(path)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_layouts_that_are_none(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(bytes(2048))
    for path in ("file", "absent", "."):
        with pytest.raises(ImageError, match=str(tmp_path)):
            find_image(LayoutReference(kind, f"{tmp_path}/{path}", "v1"), "amd64")
