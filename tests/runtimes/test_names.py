"""How the container runtimes write names of images, and the options that take them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import InvalidReference
from hpccompat.reference import parse_reference
from hpccompat.runtimes.names import WRITTEN, parse_name
from hpccompat.runtimes.plugin_options import PLUGIN_OPTIONS, images_of_options

DIGEST = "sha256:" + "0123456789abcdef" * 4

# Runtime, what is written, what it stands for; "" where that is not known.
NAMES = [
    ("docker", "ubuntu:22.04", "ubuntu:22.04"),
    ("docker", "docker://quay.io/a/b", "quay.io/a/b"),
    ("docker", "shub://a/b", ""),
    ("podman", "quay.io/a/b:1", "quay.io/a/b:1"),
    ("podman", "localhost/mine", "localhost/mine"),
    ("podman", "docker://a/b", "a/b"),
    ("podman", "ubuntu", ""),
    ("podman", "a/b", ""),
    ("apptainer", "/images/a.sif", "/images/a.sif"),
    ("apptainer", "a.sif", "./a.sif"),
    ("apptainer", "sandbox/", "./sandbox/"),
    ("apptainer", "docker://a/b:1", "a/b:1"),
    ("apptainer", "oras://reg.org/a/b:1", "oras://reg.org/a/b:1"),
    ("apptainer", "oci-archive:/x/a.tar", "oci-archive:/x/a.tar"),
    ("apptainer", "oci:/x/layout:tag", "oci:/x/layout:tag"),
    ("apptainer", "library://a/b/c", ""),
    ("apptainer", "instance://mine", ""),
    ("apptainer", "docker-daemon:a:latest", ""),
    ("enroot", "ubuntu", "ubuntu"),
    ("enroot", "nvcr.io#nvidia/pytorch:24.01-py3", "nvcr.io/nvidia/pytorch:24.01-py3"),
    ("enroot", "docker://me@nvcr.io#nvidia/pytorch:24.01-py3", "nvcr.io/nvidia/pytorch:24.01-py3"),
    ("enroot", f"a/b@{DIGEST}", f"a/b@{DIGEST}"),
    ("enroot", "./a.sqsh", "./a.sqsh"),
    ("enroot", "/images/a.sqsh", "/images/a.sqsh"),
    ("enroot", "nvcr.io/nvidia/pytorch:24.01-py3", ""),
    ("enroot", "dockerd://a", ""),
    ("enroot", "podman://a", ""),
    ("enroot", "@", ""),
    ("shifter", "docker:a/b:1", "a/b:1"),
    ("shifter", "a/b", "a/b"),
    ("shifter", "custom:/images/x", "/images/x"),
    ("shifter", "id:0123", ""),
    ("uenv", "/images/prgenv.squashfs:/user-environment", "/images/prgenv.squashfs"),
    ("uenv", "prgenv-gnu/24.7:v3", ""),
    ("edf", "pytorch", ""),
    ("edf", "./mine.toml", ""),
    ("file", "bundle", "./bundle"),
    ("file", "/bundles/x", "/bundles/x"),
    ("docker", "reg.org/$NAME", ""),
    ("apptainer", "$HOME/a.sif", ""),
]


@pytest.mark.parametrize(("runtime", "text", "expected"), NAMES)
def test_names(runtime: str, text: str, expected: str) -> None:
    (found,) = parse_name(runtime, text)
    assert found.name == expected
    assert bool(found.unknown) != bool(found.name)


def test_every_way_of_writing_has_two_examples_and_a_near_miss() -> None:
    for runtime in WRITTEN:
        own = [each for each in NAMES if each[0] == runtime]
        assert len(own) >= 2, runtime


def test_uenv_takes_several() -> None:
    found = parse_name("uenv", "/a.squashfs:/x,label/1:v1")
    assert [each.name for each in found] == ["/a.squashfs", ""]


@given(st.sampled_from(sorted(WRITTEN)), st.text(max_size=40))
def test_no_text_makes_it_stumble(runtime: str, text: str) -> None:
    for each in parse_name(runtime, text):
        assert bool(each.name) != bool(each.unknown)
        if each.name:
            try:
                parse_reference(each.name)
            except InvalidReference:
                pass


# What a job is given, its environment, and the images that these name.
OPTIONS = [
    ({"container-image": "a#b/c"}, {}, [("--container-image", "a/b/c")]),
    ({"pyxis/container-image": "a#b/c"}, {}, [("--container-image", "a/b/c")]),
    ({}, {"PYXIS_CONTAINER_IMAGE": "a"}, [("PYXIS_CONTAINER_IMAGE", "a")]),
    ({"container-image": "a"}, {"PYXIS_CONTAINER_IMAGE": "b"}, [("--container-image", "a")]),
    ({"container-name": "a"}, {}, []),
    ({"image": "docker:a/b"}, {}, [("--image", "a/b")]),
    ({"shifter/image": "a/b"}, {}, [("--image", "a/b")]),
    ({"photos/image": "a/b"}, {}, []),
    ({}, {"SHIFTER_IMAGE": "a"}, [("SHIFTER_IMAGE", "a")]),
    ({"uenv": "/a.squashfs"}, {}, [("--uenv", "/a.squashfs")]),
    ({"uenv/uenv": "/a.squashfs,/b.squashfs"}, {}, [("--uenv", "/a.squashfs"), ("--uenv", "/b.squashfs")]),
    ({"view": "x"}, {}, []),
    ({"environment": "ubuntu"}, {}, [("--environment", "")]),
    ({"pyxis/environment": "/x.toml"}, {}, [("--environment", "")]),
    ({"weather/environment": "sunny"}, {}, []),
    ({"singularity-container": "a.sif"}, {}, [("--singularity-container", "./a.sif")]),
    ({}, {"SLURM_SINGULARITY_CONTAINER": "/a.sif"}, [("SLURM_SINGULARITY_CONTAINER", "/a.sif")]),
    ({"singularity-args": "-B /x"}, {}, []),
    ({"container": "/bundle"}, {}, [("--container", "/bundle")]),
    ({"container": "bundle"}, {}, [("--container", "./bundle")]),
    ({"container-id": "x"}, {}, []),
    ({"container": ""}, {}, []),
]


@pytest.mark.parametrize(("given", "environment", "expected"), OPTIONS)
def test_options(given: dict[str, str], environment: dict[str, str], expected: list[tuple[str, str]]) -> None:
    found = images_of_options(given, environment)
    assert [(each.origin, each.image.name) for each in found] == expected


def test_every_option_has_two_examples() -> None:
    for row in PLUGIN_OPTIONS:
        own = [each for each in OPTIONS if each[2] and each[2][0][0] in (f"--{row.option}", *row.variables)]
        assert len(own) >= 2, row.option
