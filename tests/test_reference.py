"""Names of images, by Docker's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import InvalidReference
from hpccompat.reference import (
    ImageReference,
    LayoutReference,
    OpaqueReference,
    PathReference,
    SpackReference,
    parse_reference,
    parse_spack,
)

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "canonical", "endpoint"),
    [
        ("ubuntu", "docker.io/library/ubuntu:latest", "registry-1.docker.io"),
        ("ubuntu:22.04", "docker.io/library/ubuntu:22.04", "registry-1.docker.io"),
        ("docker://ubuntu", "docker.io/library/ubuntu:latest", "registry-1.docker.io"),
        ("nvidia/cuda:12.4", "docker.io/nvidia/cuda:12.4", "registry-1.docker.io"),
        ("docker.io/nvidia/cuda", "docker.io/nvidia/cuda:latest", "registry-1.docker.io"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest", "registry-1.docker.io"),
        ("registry.example.org/a/b/c:v1", "registry.example.org/a/b/c:v1", "registry.example.org"),
        ("localhost/image", "localhost/image:latest", "localhost"),
        ("localhost:5000/image", "localhost:5000/image:latest", "localhost:5000"),
        ("host:5000/image:tag", "host:5000/image:tag", "host:5000"),
        ("[::1]:5000/image", "[::1]:5000/image:latest", "[::1]:5000"),
        ("Host/image", "Host/image:latest", "Host"),
        (f"a/b@{DIGEST}", f"docker.io/a/b@{DIGEST}", "registry-1.docker.io"),
        (f"quay.io/a/b:tag@{DIGEST}", f"quay.io/a/b:tag@{DIGEST}", "quay.io"),
        ("a__b/c-d.e_f", "docker.io/a__b/c-d.e_f:latest", "registry-1.docker.io"),
        ("oras://ghcr.io/a/b:v1", "ghcr.io/a/b:v1", "ghcr.io"),
        (f"oras://localhost:5000/a@{DIGEST}", f"localhost:5000/a@{DIGEST}", "localhost:5000"),
        ("oras://registry/a/b:v1", "oras://registry/a/b:v1", "registry"),
        ("oras://docker.io/a", "oras://docker.io/a:latest", "registry-1.docker.io"),
        ("oras://docker.io/a/b", "docker.io/a/b:latest", "registry-1.docker.io"),
    ],
)
def test_images(text: str, canonical: str, endpoint: str) -> None:
    reference = parse_reference(text)
    assert isinstance(reference, ImageReference)
    assert (str(reference), reference.endpoint) == (canonical, endpoint)
    assert parse_reference(canonical) == reference


@pytest.mark.parametrize("text", ["/images/app.sif", "./app", "../app.sif", "app.sif", "app.sqsh"])
def test_paths(text: str) -> None:
    assert parse_reference(text) == PathReference(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci:images/app", LayoutReference("oci", "images/app")),
        ("oci:/images/app:v1", LayoutReference("oci", "/images/app", "v1")),
        ("oci-archive:app.tar:example.org/a:v1", LayoutReference("oci-archive", "app.tar", "example.org/a:v1")),
        ("docker-archive:./app.tar", LayoutReference("docker-archive", "./app.tar")),
        ("docker-archive:app.sif", LayoutReference("docker-archive", "app.sif")),
    ],
)
def test_layouts(text: str, expected: LayoutReference) -> None:
    assert parse_reference(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["library://user/coll/app", "shub://a/b", "instance://x", "dockerd://a"])
def test_other_schemes(text: str) -> None:
    assert parse_reference(text) == OpaqueReference(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "''"),
        ("docker://", "'library/'"),
        ("a/Upper", "'a/Upper'"),
        ("a b", "'library/a b'"),
        ("host.org/../x", "'../x'"),
        ("host.org/", "''"),
        ("image:", "''"),
        ("image:-x", "'-x'"),
        ("image@sha256:12", "'sha256:12'"),
        ("image@latest", "'latest'"),
        ("user@host.org/image", "'host.org/image'"),
        ("ho_st.org/image", "'ho_st.org'"),
        ("host:port/image", "'host:port'"),
        ("a/b\nc", "'a/b\\nc'"),
        ("a$(reboot)", "'library/a$(reboot)'"),
        ("x" * 300, "is not the name of an image"),
        ("oras://ubuntu", "''"),
        ("oras:///a", "''"),
        ("oci:", "no path behind oci:"),
        ("oci-archive::v1", "no path behind oci-archive:"),
    ],
)
def test_wrong_names_are_told(text: str, named: str) -> None:
    with pytest.raises(InvalidReference) as error:
        parse_reference(text)
    assert named in str(error.value)


@given(
    st.text() | st.from_regex(r"(oras://)?[a-z.]{1,4}(/[a-z]{1,3}){0,2}(:[a-z0-9]{0,2})?(@sha256:)?", fullmatch=True)
)
def test_no_text_breaks_it(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InvalidReference:
        return
    if isinstance(reference, ImageReference):
        assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hpctool@2.1 target=zen3", SpackReference("hpctool@2.1 target=zen3")),
        ("/7v3wpi5", SpackReference("/7v3wpi5")),
        ("/7v3wpi5whcxshkpzydhzxeja3fivfcvx", SpackReference("/7v3wpi5whcxshkpzydhzxeja3fivfcvx")),
        ("hpctool/7v3wpi5", SpackReference("hpctool/7v3wpi5")),
        ("/opt/spack/hpctool", SpackReference(path="/opt/spack/hpctool")),
        ("./prefix", SpackReference(path="./prefix")),
        ("~/env/spack.lock", SpackReference(path="~/env/spack.lock")),
        ("spack.lock", SpackReference(path="spack.lock")),
        ("x.spec.json.sig", SpackReference(path="x.spec.json.sig")),
        ("https://mirror.example.org/v#/7v3", SpackReference("/7v3", "https://mirror.example.org/v")),
        ("/mirror#hpctool", SpackReference("hpctool", "/mirror")),
        ("/mirror#", SpackReference("", "/mirror")),
    ],
)
def test_spack_binaries(text: str, expected: SpackReference) -> None:
    assert parse_spack(f" {text} ") == expected
    assert str(expected) == text
