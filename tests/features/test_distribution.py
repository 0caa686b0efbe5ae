"""What distributions ship."""

from __future__ import annotations

import pytest

from hpccompat.features.distribution import glibc_of, glibc_of_label
from hpccompat.features.model import Features
from hpccompat.sources.derived import completed


@pytest.mark.parametrize(
    ("id", "version", "glibc"),
    [
        ("rocky", "9.4", "2.34"), ("rhel", "8.10", "2.28"), ("centos", "7", "2.17"), ("rhcos", "4.14", "2.34"),
        ("rhcos", "4.12", "2.28"), ("debian", "12", "2.36"), ("ubuntu", "22.04", "2.35"), ("ubuntu", "22", ""),
        ("sles", "15.4", "2.31"), ("sles", "15.6", "2.38"), ("sles", "15", ""), ("amzn", "2023", "2.34"),
        ("gentoo", "2.14", ""), ("", "", ""), ("rhel", "", ""),
    ],
)  # fmt: skip
def test_by_os_release(id: str, version: str, glibc: str) -> None:
    assert glibc_of(id, version) == glibc


@pytest.mark.parametrize(
    ("label", "glibc"),
    [
        ("debian12", "2.36"), ("rhel8", "2.28"), ("almalinux9", "2.34"), ("ubuntu22.04", "2.35"), ("amzn2", "2.26"),
        ("opensuse-leap15.5", "2.31"), ("sles15", ""), ("fedora40", "2.39"), ("cray", ""), ("", ""), ("12", ""),
    ],
)  # fmt: skip
def test_by_spacks_label(label: str, glibc: str) -> None:
    assert glibc_of_label(label) == glibc


def test_a_record_of_nfd_gets_it_and_one_of_ours_keeps_its_own() -> None:
    release = {"system.osrelease": {"ID": "rocky", "VERSION_ID": "9.4"}}
    assert completed(Features(attributes=release)).attributes["hpc.libc"] == {"name": "glibc", "version": "2.34"}
    own = {**release, "hpc.libc": {"name": "musl"}}
    assert completed(Features(attributes=own)).attributes["hpc.libc"] == {"name": "musl"}
    assert "hpc.libc" not in completed(Features(attributes={"system.osrelease": {"ID": "gentoo"}})).attributes
