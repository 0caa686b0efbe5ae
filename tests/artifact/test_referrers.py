"""Which referrer counts, and what manifests are trusted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.artifact.manifest import Descriptor, digest_of, parse_index, parse_manifest, verified
from hpccompat.artifact.referrers import ARTIFACT_TYPE, CREATED, created, fallback_tag, newest
from hpccompat.errors import RegistryError


def referrer(letter: str, time: str | None = None, artifact_type: str = ARTIFACT_TYPE) -> Descriptor:
    return Descriptor("m", f"sha256:{letter * 64}", 1, artifact_type, {} if time is None else {CREATED: time})


@pytest.mark.parametrize(
    ("referrers", "letter"),
    [
        ([referrer("a", "2024-01-01T00:00:00Z"), referrer("b", "2025-01-01T00:00:00Z")], "b"),
        ([referrer("b", "2024-01-01T00:00:00Z"), referrer("a", "2024-01-01T00:00:00Z")], "b"),
        ([referrer("a", "2024-01-01T02:00:00+02:00"), referrer("b", "2024-01-01T00:00:00.000001Z")], "b"),
        ([referrer("a", "2024-01-01T00:00:00-01:00"), referrer("b", "2024-01-01T00:30:00Z")], "a"),
        ([referrer("c", "yesterday"), referrer("b"), referrer("a", "1999-01-01T00:00:00Z")], "a"),
        ([referrer("c", "9999-12-31T23:59:59-23:59"), referrer("a", "1999-01-01T00:00:00Z")], "a"),
        ([referrer("a", "2024-13-01T00:00:00Z"), referrer("b")], "b"),
        ([referrer("a"), referrer("z", "2025-01-01T00:00:00Z", "application/other")], "a"),
    ],
)
def test_the_newest_counts(referrers: list[Descriptor], letter: str) -> None:
    for order in (referrers, referrers[::-1]):
        chosen = newest(order)
        assert chosen is not None
        assert chosen.digest == f"sha256:{letter * 64}"


def test_none_counts_where_there_is_none() -> None:
    assert newest([]) is None
    assert newest([referrer("a", artifact_type="")]) is None


@given(st.text())
def test_no_time_breaks_it(text: str) -> None:
    created(referrer("a", text))


def test_the_fallback_tag() -> None:
    assert fallback_tag("sha256:" + "a" * 64) == "sha256-" + "a" * 64


def test_content_is_verified() -> None:
    data = b"spec"
    good = Descriptor("m", digest_of(data), len(data))
    assert verified(data, good) == data
    with pytest.raises(RegistryError, match="has 4 bytes where 5"):
        verified(data, Descriptor("m", good.digest, 5))
    with pytest.raises(RegistryError, match="another digest"):
        verified(b"Spec", good)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "nonsense",
        "[" * 100_000,
        '{"manifests": {}}',
        '{"manifests": [{}]}',
        '{"manifests": ["x"]}',
        '{"manifests": [{"digest": "sha256:../../x", "size": 1}]}',
        '{"manifests": [{"digest": 5, "size": 1}]}',
        json.dumps({"manifests": [{"digest": "sha256:" + "a" * 64, "size": -1}]}),
        json.dumps({"manifests": [{"digest": "sha256:" + "a" * 64, "size": True}]}),
    ],
)
def test_wrong_manifests_are_told(text: str) -> None:
    with pytest.raises(RegistryError):
        parse_index(text.encode())


def test_a_manifest() -> None:
    entry = {"mediaType": "t", "digest": "sha256:" + "a" * 64, "size": 3, "annotations": {"a": "b", "c": 1}}
    manifest = parse_manifest(json.dumps({"layers": [entry], "subject": entry}).encode())
    assert manifest.layers[0] == Descriptor("t", entry["digest"], 3, "", {"a": "b"})  # type: ignore[arg-type]
    assert manifest.subject == manifest.layers[0]
    assert parse_manifest(b"{}").layers == ()
