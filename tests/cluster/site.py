"""A site with hpccompat installed: the cluster, its store, its configuration and its prolog."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.slurm import SlurmCluster

PROJECT = Path(__file__).parents[2]
HOSTS = PROJECT / "tests" / "data" / "hosts"
HPCCOMPAT = Path(sys.executable).parent / "hpccompat"


@dataclass
class Site:
    """`nodes`: node name -> the name of a host root under tests/data/hosts, or a root's path. `slurm_settings`: more
    lines of slurm.conf."""

    directory: Path
    nodes: Mapping[str, str]
    settings: str = ""
    partitions: dict[str, list[str]] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)
    slurm_settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.directory.mkdir(exist_ok=True)
        self.directory.chmod(0o755)
        self.hosts = self.directory / "hosts"
        self.store = self.directory / "store"
        self.state = self.directory / "state"
        self.config = self.directory / "etc" / "config.toml"
        self.prolog = self.directory / "etc" / "prolog"
        (self.directory / "etc").mkdir()
        for node, root in self.nodes.items():
            shutil.copytree(HOSTS / root, self.hosts / node, symlinks=True)
        self.configure(self.settings)
        self._install_prolog()
        self.slurm = SlurmCluster(
            self.directory / "slurm",
            {node: self.features.get(node, "") for node in self.nodes},
            prolog=self.prolog,
            partitions=self.partitions,  # type: ignore[arg-type]
            settings=self.slurm_settings,
        )

    def configure(self, settings: str = "") -> None:
        """The site's settings file; `settings` are lines of TOML that stand before any table."""
        self.config.write_text(f'store = "{self.store}"\nhost_root = "{self.hosts}/%n"\n{settings}\n', encoding="utf-8")

    def _install_prolog(self) -> None:
        """What an admin does: the shipped prolog, and a file that says where hpccompat is."""
        defaults = self.directory / "etc" / "default"
        defaults.write_text(f"HPCCOMPAT={HPCCOMPAT}\nHPCCOMPAT_CONFIG={self.config}\nHPCCOMPAT_STATE={self.state}\n")
        script = PROJECT / "slurm" / "prolog.d" / "50-hpccompat"
        self.prolog.write_text(f"#!/bin/sh\nexec {script} {defaults}\n")
        self.prolog.chmod(self.prolog.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    def install_plugin(self, defaults: str = "", own: str = "") -> None:
        """What an admin does: cli_filter.lua beside slurm.conf; here it also names this site's file of defaults.
        `own`: the site's own functions, after ours."""
        file = self.directory / "etc" / "plugin"
        file.write_text(defaults or f"HPCCOMPAT={HPCCOMPAT}\nHPCCOMPAT_CONFIG='{self.config}'\n")
        script = PROJECT / "slurm" / "cli_filter.lua"
        text = f'hpccompat_defaults = "{file}"\ndofile("{script}")\n{own}\n'
        (self.slurm.conf.parent / "cli_filter.lua").write_text(text)

    def hpccompat(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return self.slurm.run(str(HPCCOMPAT), "--config", str(self.config), *arguments, **options)

    def start(self) -> None:
        self.slurm.start()

    def stop(self) -> None:
        self.slurm.stop()
