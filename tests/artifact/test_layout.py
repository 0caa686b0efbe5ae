"""OCI layouts in a directory: which image is meant, and which spec counts."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpccompat.artifact.found import LocalSpec
from hpccompat.artifact.label import LABEL
from hpccompat.artifact.layout import Directory, find_in_layout
from hpccompat.artifact.manifest import OCI_INDEX
from hpccompat.artifact.referrers import ARTIFACT_TYPE
from hpccompat.errors import ImageError
from tests.artifact.layout_files import SPEC, Layout
from tests.cluster.registry import oras


def find(layout: Layout, folder: Path, tag: str = "", architecture: str = "amd64") -> LocalSpec:
    return find_in_layout(Directory(str(layout.write(folder))), tag, architecture)


def test_the_newest_spec_of_the_image(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.list(layout.image({LABEL: "label"}), "v1")
    other = layout.list(layout.image(text="other"), "v2")
    layout.list(layout.spec(image, "old", "2024-01-01T00:00:00Z"))
    newest = layout.list(layout.spec(image, "new", "2025-01-01T00:00:00Z"))
    layout.list(layout.spec(other, "of another image", "2026-01-01T00:00:00Z"))
    layout.list(layout.spec(image, "of another type", "2026-01-01T00:00:00Z", kind="application/other"))
    found = find(layout, tmp_path, "v1")
    assert found.data == b"new"
    assert found.digest == image["digest"]
    assert found.found_at == f"{tmp_path}@{newest['digest']}"
    assert find(layout, tmp_path, str(image["digest"])) == found
    assert find(layout, tmp_path, "v2").data == b"of another image"


def test_entries_that_tell_no_type_are_opened(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.list(layout.image())
    layout.list(layout.spec(image, "old", "2024-01-01T00:00:00Z"))
    layout.list(layout.spec(image, "new", "2025-01-01T00:00:00Z", told=False))
    empty = layout.spec(image, "newest", "2026-01-01T00:00:00Z", told=False)
    layout.list({**empty, "artifactType": "application/vnd.oci.empty.v1+json"})
    assert find(layout, tmp_path).data == b"newest"


def test_among_equals_the_greater_digest_counts(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.list(layout.image())
    specs = {str(layout.list(layout.spec(image, text))["digest"]): text for text in "abcdef"}
    assert find(layout, tmp_path).data == specs[max(specs)].encode()


@pytest.mark.parametrize(
    ("architecture", "expected"), [("amd64", "for amd64"), ("arm64", "for all"), ("riscv64", "for all")]
)
def test_a_spec_for_the_platform_comes_first(tmp_path: Path, architecture: str, expected: str) -> None:
    layout = Layout()
    images = {name: layout.image(text=name) for name in ("amd64", "arm64")}
    index = layout.list(layout.index(images), "v1")
    layout.list(layout.spec(images["amd64"], "for amd64", "2020-01-01T00:00:00Z"))
    layout.list(layout.spec(index, "for all", "2025-01-01T00:00:00Z"))
    for tag in ("", "v1"):
        found = find(layout, tmp_path, tag, architecture)
        assert (found.data, found.digest) == (expected.encode(), index["digest"])


@pytest.mark.parametrize(("architecture", "expected"), [("amd64", b"1"), ("arm64", b"2"), ("riscv64", None)])
def test_the_label_of_the_platforms_image(tmp_path: Path, architecture: str, expected: bytes | None) -> None:
    layout = Layout()
    layout.list(layout.index({"amd64": layout.image({LABEL: "1"}), "arm64": layout.image({LABEL: "2"})}))
    assert find(layout, tmp_path, architecture=architecture).data == expected


def test_platforms_may_stand_in_the_index_of_the_layout(tmp_path: Path) -> None:
    layout = Layout()
    for architecture in ("amd64", "arm64"):
        image = layout.image({LABEL: architecture})
        layout.list({**image, "platform": {"os": "linux", "architecture": architecture}}, "v1")
    assert find(layout, tmp_path, "v1", "arm64").data == b"arm64"
    assert find(layout, tmp_path, "", "amd64").data == b"amd64"
    with pytest.raises(ImageError, match="several images"):
        find(layout, tmp_path, "v1", "riscv64")


def test_referrers_in_an_index_with_the_fallback_tag(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.list(layout.image(), "v1")
    spec = layout.spec(image, "spec", told=False)
    listed = layout.document({"schemaVersion": 2, "manifests": [spec]}, OCI_INDEX)
    layout.list(listed, str(image["digest"]).replace(":", "-"))
    assert find(layout, tmp_path).data == b"spec"
    assert find(layout, tmp_path, "v1").data == b"spec"


def test_no_spec(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.list(layout.image())
    assert find(layout, tmp_path) == LocalSpec(None, str(tmp_path), str(image["digest"]))


def two_images(layout: Layout) -> None:
    layout.list(layout.image(text="1"), "v1")
    layout.list(layout.image(text="2"), "v2")


def no_image(layout: Layout) -> None:
    layout.list(layout.spec(layout.image(), "spec"))


def damaged(what: str, data: bytes) -> Callable[[Layout], None]:
    """One with a spec, whose named blob has other content."""

    def make(layout: Layout) -> None:
        image = layout.list(layout.image())
        layout.list(layout.spec(image, "the spec"))
        for name, each in layout.blobs.items():
            if what.encode() in each:
                layout.blobs[name] = data

    return make


def without(what: str) -> Callable[[Layout], None]:
    def make(layout: Layout) -> None:
        damaged("nothing", b"")(layout)
        layout.blobs = {name: each for name, each in layout.blobs.items() if what.encode() not in each}

    return make


def oversized(layout: Layout) -> None:
    layout.list(layout.spec(layout.list(layout.image()), "x" * (1024 * 1024 + 1)))


def many(layout: Layout) -> None:
    for number in range(257):
        layout.list(layout.image(text=str(number)))


def no_layers(layout: Layout) -> None:
    image = layout.list(layout.image())
    layout.list(layout.document({"artifactType": ARTIFACT_TYPE, "subject": image}, "application/x"))


@pytest.mark.parametrize(
    ("make", "tag", "said"),
    [
        (two_images, "", r"several images; name one, .* \(it has: v1, v2\)"),
        (two_images, "v3", r"no image called v3 \(it has: v1, v2\)"),
        (no_image, "", r"holds no image \(it has: no names\)"),
        (damaged("the spec", b"The spec"), "", "another digest"),
        (damaged("the spec", b"longer"), "", "has 6 bytes where 8 were announced"),
        (damaged("subject", b"{}"), "", "has 2 bytes where"),
        (without("subject"), "", "lacks sha256:.*, a spec that its index.json lists"),
        (without("the spec"), "", "lacks sha256:.*, the file of the spec"),
        (oversized, "", "1048577 bytes are announced, at most 1048576"),
        (many, "", "more manifests than are opened"),
        (no_layers, "", "holds no file"),
    ],
)
def test_what_can_not_be_used_is_told(tmp_path: Path, make: Callable[[Layout], None], tag: str, said: str) -> None:
    layout = Layout()
    make(layout)
    with pytest.raises(ImageError, match=said) as error:
        find(layout, tmp_path, tag)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (b"nonsense", "index.json: a manifest is not JSON"),
        (b"[]", "index.json: a manifest is not a JSON object"),
        (b'{"manifests": [{"digest": "sha256:../../../etc/passwd", "size": 1}]}', "without a sha256 digest"),
        (b" " * (4 * 1024 * 1024 + 1), "at most 4194304 are read"),
    ],
)
def test_a_wrong_index_is_told(tmp_path: Path, index: bytes, said: str) -> None:
    (tmp_path / "index.json").write_bytes(index)
    with pytest.raises(ImageError, match=said):
        find_in_layout(Directory(str(tmp_path)), "", "amd64")


def test_what_is_no_layout_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no OCI image layout: it has no index.json"):
        find_in_layout(Directory(str(tmp_path)), "", "amd64")
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(ImageError, match="not a regular file"):
        find_in_layout(Directory(str(tmp_path)), "", "amd64")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "linux", "amd64", ARTIFACT_TYPE, OCI_INDEX]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["manifests", "config", "subject", "layers", "platform", "os", "annotations", "mediaType"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


class Memory:
    path = "memory"

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def read(self, name: str, limit: int) -> bytes | None:
        return self.files.get(name)


@settings(max_examples=300, deadline=None)
@given(
    VALUES, VALUES, st.dictionaries(st.sampled_from(["artifactType", "mediaType", "platform", "annotations"]), VALUES)
)
def test_no_documents_break_it(manifest: object, other: object, told: dict[str, object]) -> None:
    """Verified by their digests, and of any content."""
    layout = Layout()
    for value in (manifest, other):
        layout.list({**layout.document(value, OCI_INDEX if value is other else "m"), **told})
    try:
        find_in_layout(Memory(layout.files), "", "amd64")
    except ImageError:
        pass


def test_what_oras_writes(tmp_path: Path) -> None:
    try:
        program = oras()
    except FileNotFoundError as error:
        pytest.skip(str(error))

    def run(*arguments: str) -> str:
        done = subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    (tmp_path / "config.json").write_text(json.dumps({"os": "linux", "architecture": "amd64"}))
    (tmp_path / "layer.tar").write_bytes(bytes(1024))
    (tmp_path / "spec.yaml").write_text("version: v1alpha1")
    config = "config.json:application/vnd.oci.image.config.v1+json"
    run("push", "--oci-layout", "images:v1", "--config", config, "layer.tar:application/vnd.oci.image.layer.v1.tar")
    run("attach", "--oci-layout", "images:v1", "--artifact-type", ARTIFACT_TYPE, f"spec.yaml:{SPEC}")
    layout = str(tmp_path / "images")
    for tag in ("v1", ""):
        assert find_in_layout(Directory(layout), tag, "amd64").data == b"version: v1alpha1"
