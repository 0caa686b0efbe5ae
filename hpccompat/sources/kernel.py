"""NFD's domain `kernel`: version, config, selinux, kvm (attributes), loadedmodule and enabledmodule (flags)."""

from __future__ import annotations

import re

from hpccompat.features.model import Features
from hpccompat.sources.host import SIZE_LIMIT, Host

_VERSION = re.compile(r"(?P<major>\d+)(?:\.(?P<minor>\d+))?(?:\.(?P<revision>\d+))?(?:-.*)?", re.ASCII)

# Where distributions keep the kernel's configuration, in the order in which NFD looks; {} is `uname -r`.
_CONFIGS = """
proc/config.gz
usr/src/linux-{}/.config
usr/src/linux/.config
usr/lib/modules/{}/config
usr/lib/ostree-boot/config-{}
usr/lib/kernel/config-{}
usr/src/linux-headers-{}/.config
lib/modules/{}/build/.config
boot/config-{}
"""


def read(host: Host) -> Features:
    release = (host.text("proc/sys/kernel/osrelease") or "").strip()
    modules = host.text("proc/modules")  # a kernel that can't load any has no such file, and NFD then no such set
    loaded = frozenset(line.split()[0] for line in (modules or "").splitlines() if line.strip())
    builtin = _builtin(host, release)
    config = _config(host, release)
    selinux = _selinux(host)
    attributes = {
        "kernel.version": _version(release),
        "kernel.kvm": {"enabled": _text(host.exists("sys/devices/virtual/misc/kvm"))},
    }
    if config is not None:
        attributes["kernel.config"] = config
    if selinux is not None:
        attributes["kernel.selinux"] = {"enabled": _text(selinux)}
    flags = {} if modules is None else {"kernel.loadedmodule": loaded}
    if builtin is not None:
        flags["kernel.enabledmodule"] = loaded | builtin
    return Features(flags, attributes)


def _version(release: str) -> dict[str, str]:
    """`uname -r`, fit for a Kubernetes label as NFD makes it, and its numbers."""
    full = re.sub(r"[^-A-Za-z0-9_.]", "_", release).strip("-_.")
    if not full:
        return {}
    match = _VERSION.fullmatch(full)
    return {"full": full} | ({name: value or "" for name, value in match.groupdict().items()} if match else {})


def _config(host: Host, release: str) -> dict[str, str] | None:
    """Option, without CONFIG_ -> value, without quotes; None where no file has the configuration."""
    for pattern in _CONFIGS.split():
        if "{}" in pattern and not release:
            continue
        try:
            data = host.data(pattern.format(release))
            if data is not None and pattern.endswith(".gz"):
                data = _unpacked(data)
        except (OSError, EOFError):
            continue
        if data is not None:
            lines = (line.partition("=") for line in data.decode("utf-8", "replace").splitlines())
            return {
                name.removeprefix("CONFIG_"): value.strip('"')
                for name, equals, value in lines
                if equals and name.startswith("CONFIG_")
            }
    return None


def _unpacked(data: bytes) -> bytes:
    import gzip
    import io

    with gzip.open(io.BytesIO(data)) as unpacked:
        return unpacked.read(SIZE_LIMIT)


def _builtin(host: Host, release: str) -> frozenset[str] | None:
    text = host.text(f"lib/modules/{release}/modules.builtin") if release else None
    if text is None:
        return None
    files = (line.strip().rpartition("/")[2] for line in text.splitlines())
    return frozenset(file.removesuffix(".ko") for file in files if file.endswith(".ko"))


def _selinux(host: Host) -> bool | None:
    """Whether SELinux is there and enforcing; None where that can't be known."""
    if not host.is_directory("sys/fs"):
        return None
    if not host.exists("sys/fs/selinux"):
        return False
    enforce = host.value("sys/fs/selinux/enforce")
    return enforce.startswith("1") if enforce else None


def _text(value: bool) -> str:
    return "true" if value else "false"
