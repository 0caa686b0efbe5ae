"""`hpc.container`: container runtimes of the host, and whether users may make user namespaces."""

from __future__ import annotations

import re

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

# Runtime -> its program.
_RUNTIMES = {
    "apptainer": "apptainer",
    "singularity": "singularity",
    "podman": "podman",
    "docker": "docker",
    "enroot": "enroot",
    "charliecloud": "ch-run",
    "sarus": "sarus",
    "shifter": "shifter",
}
_FOLDERS = "usr/bin usr/local/bin opt/apptainer/bin opt/singularity/bin opt/sarus/default/bin opt/charliecloud/bin"
# Runtime -> its Debian package, where that has another name.
_PACKAGES = {"singularity": "singularity-container", "docker": "docker.io"}


def read(host: Host) -> Features:
    found = {"user_namespaces": "true" if _user_namespaces(host) else "false"}
    there = set()
    packages = host.debian_packages()
    for runtime, program in _RUNTIMES.items():
        path = next((f"{folder}/{program}" for folder in _FOLDERS.split() if host.exists(f"{folder}/{program}")), None)
        # Apptainer is there under Singularity's name, too.
        if path is None or (runtime == "singularity" and (host.link(path) or "").endswith("apptainer")):
            continue
        package = packages.get(_PACKAGES.get(runtime, runtime))
        version = re.search(r"\d+\.\d+(\.\d+)*", package or _script_version(host, path) or host.says(path, "--version"))
        there.add(runtime)
        if version:
            found[runtime] = version[0]
    return Features(flags={"hpc.container.runtime": frozenset(there)}, attributes={"hpc.container": found})


def _user_namespaces(host: Host) -> bool:
    """For users without privileges: the kernel's limit, and the switches of Debian and Ubuntu."""
    limit = host.value("proc/sys/user/max_user_namespaces") or "0"
    return (
        limit.isdecimal()
        and int(limit) > 0
        and host.value("proc/sys/kernel/unprivileged_userns_clone") != "0"
        and host.value("proc/sys/kernel/apparmor_restrict_unprivileged_userns") != "1"
    )


def _script_version(host: Host, path: str) -> str:
    """Of a runtime that is a shell script, as enroot is."""
    text = host.data(path, 65536) or b""
    if not text.startswith(b"#!"):
        return ""
    version = re.search(rb"_VERSION=[\"']?(\d+\.\d[\w.]*)", text)
    return version[1].decode() if version else ""
