"""SIF files: what they say of themselves, and that no bytes make the reader do anything else than that."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hpccompat.artifact.label import LABEL
from hpccompat.artifact.origin import Origin, origin_in
from hpccompat.artifact.regular import RegularFile
from hpccompat.artifact.sif import (
    DESCRIPTOR,
    GROUP_MASK,
    HEADER,
    JSON_OBJECT,
    OBJECT,
    Sif,
    embedded_spec,
    label_spec,
    origin,
    read_sif,
)
from hpccompat.errors import ImageError
from tests.artifact.sif_bytes import (
    DATA,
    FILE_SYSTEM,
    PULLED,
    SIGNED,
    TABLE,
    Part,
    definition,
    labels,
    oci_labels,
    sif,
    spec,
)

NFD_TYPE = "application/vnd.nfd.image-compatibility.spec.v1alpha1+yaml"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return tmp_path / "app.sif"


def everything(file: RegularFile) -> tuple[Sif, bytes | None, bytes | None, Origin | None]:
    found = read_sif(file)
    return found, embedded_spec(file, found), label_spec(file, found), origin(file, found)


def read(image: Path, *parts: Part) -> tuple[Sif, bytes | None, bytes | None, Origin | None]:
    image.write_bytes(sif(parts))
    with RegularFile(str(image)) as file:
        return everything(file)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([FILE_SYSTEM], None),
        ([FILE_SYSTEM, spec("{}")], b"{}"),
        ([spec("a: 1", NFD_TYPE, OBJECT)], b"a: 1"),
        ([spec("a: 1", "image-compatibility.yaml", OBJECT)], b"a: 1"),
        ([spec("old"), spec("new")], b"new"),
        ([replace(spec("new"), created=20), replace(spec("old"), created=10)], b"new"),
        ([spec("counts"), spec("deleted", used=0)], b"counts"),
        ([spec("{}", "other.json")], None),
        ([spec("{}", "image-compatibility.json.old")], None),
        ([spec("{}", type=0x4003)], None),
        ([labels({"a": "b"})], None),
    ],
)
def test_an_embedded_spec(image: Path, parts: list[Part], expected: bytes | None) -> None:
    assert read(image, *parts)[1] == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([labels({LABEL: '{"a": 1}', "other": "x"})], b'{"a": 1}'),
        ([oci_labels({LABEL: "a: 1\n"})], b"a: 1\n"),
        # The own label comes before that of the image that it was built on.
        ([oci_labels({LABEL: "base"}), labels({LABEL: "own"})], b"own"),
        ([labels({}), oci_labels({LABEL: "base"})], b"base"),
        ([labels({LABEL: " \n"})], None),
        ([labels({LABEL: "\ud800"})], b"?"),
        ([Part(JSON_OBJECT, b'{"config": {"Labels": {"org.hpccompat.spec": "c"}}}', "oci-config.json")], b"c"),
        ([Part(JSON_OBJECT, b'{"data": [1]}', "inspect-metadata.json")], None),
        ([Part(JSON_OBJECT, b'{"Labels": {"org.hpccompat.spec": 1}}', "oci-config.json")], None),
    ],
)  # fmt: skip
def test_a_label(image: Path, parts: list[Part], expected: bytes | None) -> None:
    assert read(image, *parts)[2] == expected


def test_groups_and_signatures(image: Path) -> None:
    found = read(image, PULLED, FILE_SYSTEM, Part(JSON_OBJECT, b"{}", group=7), Part(OBJECT, b"", group=0))[0]
    assert (found.signed, found.groups) == (False, {1, 7})
    found = read(image, PULLED, FILE_SYSTEM, SIGNED)[0]
    assert (found.signed, found.groups) == (True, {1})


@pytest.mark.parametrize(
    ("text", "name", "built"),
    [
        ("bootstrap: docker\nfrom: ubuntu:22.04\n", "docker://ubuntu:22.04", False),
        ("Bootstrap: docker\nFrom: ubuntu # the base\n\n%post\n  echo\n", "docker://ubuntu", True),
        ("BootStrap : Docker\n# From: a\nFROM :b:1", "docker://b:1", False),
        ("bootstrap: oras\nfrom: ghcr.io/a/b:1", "oras://ghcr.io/a/b:1", False),
        ("bootstrap: oras\nfrom: //ghcr.io/a/b:1", "oras://ghcr.io/a/b:1", False),
        ("bootstrap: library\nfrom: user/coll/app:1", "library://user/coll/app:1", False),
        ("bootstrap: docker\nregistry: r.org:5000\nnamespace: ns\nfrom: a:1", "docker://r.org:5000/ns/a:1", False),
        (
            "Bootstrap: docker\nFrom: golang\nStage: build\n%post\n make\nBootstrap: docker\nFrom: alpine\n",
            "docker://alpine",
            True,
        ),
        ("Bootstrap: localimage\nFrom: base.sif", "", False),
        ("Bootstrap: docker\nFrom: {{ BASE }}", "", False),
        ("Bootstrap: docker\n%post\n from: x", "", False),
        ("Bootstrap: scratch\n%post\n echo bootstrap: docker", "", False),
        ("From: ubuntu", "", False),
        ("", "", False),
    ],
)
def test_where_an_image_came_from(image: Path, text: str, name: str, built: bool) -> None:
    expected = Origin(name, built) if name else None
    assert origin_in(text) == expected
    assert read(image, definition(text))[3] == expected


def changed(offset: int, data: bytes) -> bytes:
    good = sif([PULLED, spec("{}"), FILE_SYSTEM])
    return good[:offset] + data + good[offset + len(data) :]


def i64(value: int) -> bytes:
    return value.to_bytes(8, "little", signed=True)


# Offsets of the fields "total" and "table offset" of the header; "offset" and "size" of the second descriptor.
TOTAL, WHERE = 88, 96
OFFSET, SIZE = TABLE + DESCRIPTOR.size + 17, TABLE + DESCRIPTOR.size + 25


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (changed(TOTAL, i64(2**62)), "announces 4611686018427387904 objects"),
        (changed(TOTAL, i64(-1)), "announces -1 objects"),
        (changed(TOTAL, i64(1025)), "announces 1025 objects"),
        (changed(TOTAL, i64(1024)), "table of objects lies outside"),
        (changed(WHERE, i64(-4096)), "table of objects lies outside"),
        (changed(WHERE, i64(0)), "table of objects lies outside"),
        (changed(WHERE, i64(2**63 - 1)), "table of objects lies outside"),
        (changed(OFFSET, i64(2**63 - 1)), "object 2 lies outside"),
        (changed(OFFSET, i64(-1)), "object 2 lies outside"),
        (changed(SIZE, i64(2**40)), "object 2 has 1099511627776 bytes"),
        (changed(SIZE, i64(-1)), "object 2 lies outside"),
        (changed(SIZE, i64(1024 * 1024)), "object 2 lies outside"),
        (changed(42, b"02"), "of another version"),
        (changed(32, b"SIF_MAGIX"), "is not a SIF file"),
        (sif([])[:127], "is not a SIF file"),
        (sif([PULLED])[: DATA + 3], "object 1 lies outside"),
        (sif([Part(JSON_OBJECT, b"nonsense", "inspect-metadata.json")]), "inspect-metadata.json is not JSON"),
        (sif([Part(JSON_OBJECT, b"[" * 100_000, "inspect-metadata.json")]), "inspect-metadata.json is not JSON"),
        (b"", "is not a SIF file"),
    ],
)
def test_what_a_damaged_file_says(image: Path, data: bytes, said: str) -> None:
    image.write_bytes(data)
    with RegularFile(str(image)) as file, pytest.raises(ImageError, match=said) as error:
        everything(file)
    assert str(image) in str(error.value)


def test_no_header_breaks_it(image: Path) -> None:
    """3,000 files whose header and descriptors were changed at random, half of them in the fields that count."""
    random_ = random.Random(7)
    good = sif([PULLED, labels({LABEL: "{}"}), FILE_SYSTEM, spec("{}"), SIGNED])
    interesting = [0, 1, -1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, -(2**63), len(good), len(good) - 1, DATA, 1024, 48]
    counted = [TOTAL - 8 + 8 * each for each in range(6)]
    counted += [TABLE + slot * DESCRIPTOR.size + field for slot in range(5) for field in (0, 5, 9, 13, 17, 25, 33)]
    errors = 0
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(random_.randrange(1, 6)):
            if random_.random() < 0.5:
                place = random_.choice(counted)
                data[place : place + 8] = i64(random_.choice(interesting))
            else:
                place = random_.choice([random_.randrange(HEADER.size), random_.randrange(TABLE, DATA)])
                data[place] = random_.randrange(256)
        image.write_bytes(data[: random_.choice([len(data), random_.randrange(len(data))])])
        try:
            with RegularFile(str(image)) as file:
                everything(file)
        except ImageError:
            errors += 1
    assert 500 < errors < 2900


def test_only_the_small_parts_are_read(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one byte of the file system, which may be of terabytes."""
    image.write_bytes(sif([PULLED, spec("{}"), FILE_SYSTEM]))
    os.truncate(image, 1 << 40)
    read_at: list[tuple[int, int]] = []
    real = os.pread

    def watched(handle: int, size: int, offset: int) -> bytes:
        read_at.append((offset, size))
        return real(handle, size, offset)

    monkeypatch.setattr(os, "pread", watched)
    with RegularFile(str(image)) as file:
        assert embedded_spec(file, read_sif(file)) == b"{}"
    assert max(offset + size for offset, size in read_at) < DATA + 4096


@pytest.fixture
def impatient() -> Iterator[None]:
    """Whoever waits for a writer is interrupted."""

    def too_late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("impatient")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("nowhere")
    for name, said in [
        (str(tmp_path / "fifo"), "not a regular file"),
        (str(tmp_path), "not a regular file"),
        ("/dev/zero", "not a regular file"),
        (str(tmp_path / "absent"), "No such file"),
        (str(tmp_path / "link"), "No such file"),
        (str(tmp_path / "nul\0"), "can't be read"),
    ]:
        with pytest.raises(ImageError, match=said) as error:
            RegularFile(name)
        assert name in str(error.value)


def test_a_group_is_one_by_its_mark(image: Path) -> None:
    """Without the mark the number means no group."""
    place = TABLE + DESCRIPTOR.size + 9
    image.write_bytes(changed(place, (1).to_bytes(4, "little")))
    with RegularFile(str(image)) as file:
        assert [each.group for each in read_sif(file).objects] == [1, 0, 1]
    assert GROUP_MASK == 0xF0000000
