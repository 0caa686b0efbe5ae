"""`hpc.libc`: the C library that programs of this host link to."""

from __future__ import annotations

import re

from hpccompat.features.distribution import glibc_of
from hpccompat.features.model import Features
from hpccompat.sources.host import Host

_FOLDERS = """
lib64 usr/lib64 lib usr/lib lib/x86_64-linux-gnu lib/aarch64-linux-gnu lib/powerpc64le-linux-gnu
usr/lib/x86_64-linux-gnu usr/lib/aarch64-linux-gnu usr/lib/powerpc64le-linux-gnu
"""
# What the library prints when it is run as a program (glibc, csu/version.c).
_GLIBC = re.compile(rb"GNU C Library [^\n]*? version (\d+\.\d+)")


NAME = "hpc.libc"


def read(host: Host) -> Features:
    found = _glibc(host) or _musl(host)
    if not found:  # in no folder that we know: then what the distribution ships
        release = dict(line.partition("=")[::2] for line in (host.text("etc/os-release") or "").splitlines())
        version = glibc_of(*(release.get(key, "").strip("\"' ") for key in ("ID", "VERSION_ID")))
        found = _described("glibc", version) if version else {}
    return Features(attributes={NAME: found})


def derived(features: Features) -> Features | None:
    """From a record's `system.osrelease`: what the distribution ships; None where that is not known."""
    release = features.attributes.get("system.osrelease") or {}
    version = glibc_of(release.get("ID", ""), release.get("VERSION_ID", ""))
    return Features(attributes={NAME: _described("glibc", version)}) if version else None


def _glibc(host: Host) -> dict[str, str]:
    for folder in _FOLDERS.split():
        library = host.data(f"{folder}/libc.so.6") or b""
        match = _GLIBC.match(library, max(0, library.find(b"GNU C Library ")))
        if match:
            return _described("glibc", match[1].decode())
    return {}


def _musl(host: Host) -> dict[str, str]:
    for folder in ("lib", "usr/lib"):
        for name in host.entries(folder):
            if re.fullmatch(r"ld-musl-\w+\.so\.1", name):
                version = re.search(rb"\x00(1\.\d+\.\d+)\x00", host.data(f"{folder}/{name}") or b"")
                return _described("musl", version[1].decode() if version else "")
    return {}


def _described(name: str, version: str) -> dict[str, str]:
    return {"name": name} | ({"version": version} if version else {})
