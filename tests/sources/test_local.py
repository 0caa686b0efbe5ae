"""features.d files, as NFD defines them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hpccompat.sources import local, usb
from hpccompat.sources.host import Host

FOLDER = "etc/kubernetes/node-feature-discovery/features.d"
NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("text", "features", "labels"),
    [
        ("a\nb=1\n  c = x=y \n", {"a": "true", "b": "1", "c ": " x=y"}, None),
        ("# a comment\n#a=1\n\n", {}, None),
        ("# +no-label\na=1\nb=2", {"a": "1", "b": "2"}, {"b": "2"}),
        ("# +no-feature\na=1\nb=2", {"b": "2"}, {"a": "1", "b": "2"}),
        ("a=1\n# +no-feature\na=2", {}, {"a": "2"}),
        ("# +expiry-time=2027-01-15T07:59:59Z\na=1\nb=2", {}, None),
        ("# +expiry-time=2027-01-15T08:00:01Z\na=1", {"a": "1"}, None),
        ("# +expiry-time=2027-01-15T09:30:00+01:00\na=1", {"a": "1"}, None),
        ("# +expiry-time=2027-01-15T07:59:59Z\na=1\n# +expiry-time=2028-01-01T00:00:00Z\nb=1", {"b": "1"}, None),
        # A label directive before an expired line stays for the next one that counts.
        ("# +expiry-time=2020-01-01T00:00:00Z\n# +no-label\na\n# +expiry-time=2030-01-01T00:00:00Z\nb\nc",
         {"b": "true", "c": "true"}, {"c": "true"}),
        ("a=1\na=2", {"a": "2"}, None),
    ],
)  # fmt: skip
def test_lines_and_directives(
    folder: Path, tmp_path: Path, text: str, features: dict[str, str], labels: dict[str, str] | None
) -> None:
    (folder / "site").write_text(text)
    host = Host(tmp_path)
    found = local.read(host, NOW).attributes
    assert found == {"local.feature": features, "local.label": features if labels is None else labels}
    assert not host.remarks


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("# +expiry-time=tomorrow\na=1", "'tomorrow' is no time"),
        ("# +expiry-time=2027-01-15 08:00:00\na=1", "is no time"),
        ("# +no-such\na=1", "unknown directive '# +no-such'"),
        ("# +expiry-time\na=1", "unknown directive"),
    ],
)
def test_what_cannot_be_understood_is_said(folder: Path, tmp_path: Path, text: str, remark: str) -> None:
    (folder / "site").write_text(text)
    host = Host(tmp_path)
    assert local.read(host, NOW).attributes["local.feature"] == {"a": "1"}, "as NFD: the line counts all the same"
    assert len(host.remarks) == 1
    assert remark in host.remarks[0]


def test_files(folder: Path, tmp_path: Path) -> None:
    """In order, the later one wins; hidden files, folders and FIFOs are none, and neither is one that is too large."""
    (folder / "10").write_text("a=1\nb=1\n")
    (folder / "20").write_text("b=2\n")
    (folder / ".hidden").write_text("hidden\n")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    (folder / "just-fits").write_text("fits\n" + "#" * (65536 - 5))
    (folder / "large").write_text("large\n" + "#" * (65536 - 5))
    (folder / "link").symlink_to("/etc/hostname")
    (folder / "run-me").write_text("#!/bin/sh\necho hooked\n")
    (folder / "run-me").chmod(0o755)
    host = Host(tmp_path)
    found = local.read(host, NOW).attributes["local.feature"]
    assert found == {"a": "1", "b": "2", "fits": "true", "echo hooked": "true"}
    assert sorted(remark.split(" is left out: ")[0].rpartition("/")[2] for remark in host.remarks) == [
        "folder",
        "large",
    ]


def test_usb_devices(tmp_path: Path) -> None:
    """A device of class 00 is one for each of its interfaces; entries without a product are none."""
    devices = tmp_path / "sys/bus/usb/devices"
    for name, value in {
        "usb1/idProduct": "0002", "usb1/idVendor": "1d6b", "usb1/bDeviceClass": "09", "usb1/serial": " s ",
        "1-1/idProduct": "7000", "1-1/bDeviceClass": "00", "1-1/1-1:1.0/bInterfaceClass": "03",
        "1-1/1-1:1.1/bInterfaceClass": "08", "1-1:1.0/bInterfaceClass": "03", "2-1/idProduct": "1", "2-1/idVendor": "",
        "3-1/idProduct": "5", "3-1/bDeviceClass": "00",
    }.items():  # fmt: skip
        (devices / name).parent.mkdir(parents=True, exist_ok=True)
        (devices / name).write_text(value + "\n")
    assert usb.read(Host(tmp_path)).instances["usb.device"] == (
        {"class": "03", "device": "7000"},
        {"class": "08", "device": "7000"},
        {"device": "1"},
        {"class": "09", "vendor": "1d6b", "device": "0002", "serial": "s"},
    )
