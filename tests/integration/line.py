"""A user's session on the site, with settings of its own for one test."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.registry import Registry
from tests.cluster.site import HPCCOMPAT, PROJECT, Site

SOLVER = PROJECT / "tests" / "data" / "specs" / "solver.yaml"
ALLOWED = {"icx1", "zen1", "zen2"}
INCOMPATIBLE = {"arm1", "eth1", "eth2", "hsw1", "snb1"}


class User:
    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder = site, folder
        self.store = site.store
        self.config = folder / "config.toml"
        self.configure()

    def configure(self, settings: str = "", store: Path | None = None) -> None:
        self.store = store or self.store
        text = f'store = "{self.store}"\nhost_root = "{self.site.hosts}/%n"\n{settings}\n'
        self.config.write_text(text)

    def own_store(self) -> Path:
        """A copy of the site's records, to spoil."""
        copy = self.folder / "store"
        shutil.copytree(self.site.store, copy)
        self.configure(store=copy)
        return copy

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        own = {"XDG_CACHE_HOME": str(self.folder / "cache")}
        return self.site.slurm.run(
            str(HPCCOMPAT), "--config", str(self.config), *arguments, env=own | dict(env or {}), cwd=self.folder,
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
        )  # fmt: skip

    def bare(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """A Slurm command without us."""
        return self.site.slurm.run(
            *arguments, cwd=self.folder, **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin})
        )

    def script(self, body: str = "srun sh -c 'echo on $SLURMD_NODENAME'", directives: str = "") -> str:
        """A job script in the user's folder; its name."""
        (self.folder / "job.sh").write_text(f"#!/bin/sh\n{directives}\n{body}\n")
        return "job.sh"

    def job(self, submitted: subprocess.CompletedProcess[str]) -> dict[str, str]:
        """The finished job, once Slurm has accepted it."""
        assert submitted.returncode == 0, submitted.stderr
        return self.site.slurm.wait_for_job(submitted.stdout.split()[-1])

    def nodes(self, hostlist: str) -> set[str]:
        """The names of a hostlist, as Slurm expands it."""
        if hostlist == "(null)":
            return set()
        return set(self.site.slurm.run("scontrol", "show", "hostnames", hostlist).stdout.split())


def image_with(registry: Registry, name: str, spec: Path) -> str:
    reference = registry.push_image(name)
    registry.attach(reference, spec)
    return reference


def run_hpccompat(
    *arguments: object, env: Mapping[str, str] | None = None, input: str = ""
) -> subprocess.CompletedProcess[str]:
    """The command alone, where no cluster is needed."""
    return subprocess.run(
        [str(HPCCOMPAT), *map(str, arguments)],
        env={"PATH": "/usr/bin:/bin", **(env or {})},
        text=True, capture_output=True, input=input, timeout=60, check=False,
    )  # fmt: skip
