"""`hpc.filesystem`: types of mounted file systems, and versions of parallel file systems' clients."""

from __future__ import annotations

import re

from hpccompat.features.model import Features
from hpccompat.sources.host import Host

# Views of the kernel, not file systems that hold files; and those that come and go as they are used.
_NOT_TOLD = frozenset(
    """
    autofs binfmt_misc bpf cgroup cgroup2 configfs cpuset debugfs devpts devtmpfs efivarfs fuse.portal fusectl
    fuse.gvfsd-fuse fuse.lxcfs hugetlbfs mqueue nsfs proc pstore ramfs resctrl rootfs rpc_pipefs securityfs selinuxfs
    squashfs sysfs tracefs
    """.split()
)
_VERSION = re.compile(r"\d+(?:\.\d+)+")


def read(host: Host) -> Features:
    types = {fields[2] for fields in map(str.split, (host.text("proc/mounts") or "").splitlines()) if len(fields) > 2}
    # The first file that tells a version: what the client's module or driver says before what is installed.
    files = {
        "lustre": ["sys/fs/lustre/version", "proc/fs/lustre/version", "sys/module/lustre/version"],
        "gpfs": ["sys/module/mmfs26/version", "sys/module/mmfslinux/version"],
        "beegfs": ["sys/module/beegfs/version"],
        "weka": ["sys/module/wekafsio/version"],
    }
    versions = {name: _first_version(host, names) for name, names in files.items()}
    return Features(
        flags={"hpc.filesystem.type": frozenset(types - _NOT_TOLD)},
        attributes={"hpc.filesystem.client": {name: version for name, version in versions.items() if version}},
    )


def _first_version(host: Host, files: list[str]) -> str:
    found = (_VERSION.search(host.value(file) or "") for file in files)
    return next((match[0] for match in found if match), "")
