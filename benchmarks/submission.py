"""A submission on real Slurm: what the wrapper and the plugin add to a bare sbatch.

    make bench, or python -m benchmarks.submission [NODES …]

The cluster's nodes are powered down and the jobs held, so that only the way to the controller counts; the records are
those of benchmarks/cluster.py. Above 10,000 nodes Slurm itself is left out, and the plan alone is measured. Everything
is a ratio within one run; the targets are those of the project's design.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.cluster import SPEC, built
from hpccompat.nodes import indexing
from hpccompat.nodes.generation import replace_text
from hpccompat.nodes.store import Store
from hpccompat.slurm.inventory import Inventory
from hpccompat.slurm.inventory_cache import FILE, dump_inventory
from tests.cluster.site import HPCCOMPAT, PROJECT
from tests.cluster.slurm import SlurmCluster

SLURM_LIMIT = 10_000
ROUNDS = 15
BARE_PYTHON = [sys.executable, "-I", "-S", "-c", "pass"]


class Submitter:
    def __init__(self, nodes: int, folder: Path) -> None:
        self.nodes, self.folder = nodes, folder
        folder.chmod(0o755)
        self.names = f"n[000000-{nodes - 1:06d}]"
        self.store = folder / "store"
        self.config = folder / "config.toml"
        self.config.write_text(f'store = "{self.store}"\n')
        (folder / "spec.yaml").write_text(SPEC)
        (folder / "job.sh").write_text(f"#!/bin/sh\n#COMPAT spec={folder}/spec.yaml\ntrue\n")
        (folder / "plain.sh").write_text("#!/bin/sh\ntrue\n")
        self.cache = folder / "cache"
        self.slurm = SlurmCluster(
            folder / "slurm",
            {},
            partitions={"all": [self.names]},
            settings=[
                "CliFilterPlugins=lua", "MaxJobCount=1000000", "SuspendProgram=/bin/true", "ResumeProgram=/bin/true",
                "SuspendTime=3600",
                f"NodeName={self.names} NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=4 State=CLOUD",
            ],
        )  # fmt: skip
        self.environment = {**self.slurm.environment, "XDG_CACHE_HOME": str(self.cache)}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def start(self) -> None:
        etc = self.slurm.conf.parent
        (etc / "plugin").write_text(f"HPCCOMPAT={HPCCOMPAT}\nHPCCOMPAT_CONFIG={self.config}\n")
        script = PROJECT / "slurm" / "cli_filter.lua"
        (etc / "cli_filter.lua").write_text(f'hpccompat_defaults = "{etc}/plugin"\ndofile("{script}")\n')
        self.slurm.start()
        bare = self.folder / "bare"
        bare.mkdir()
        for file in etc.iterdir():
            if file.name != "cli_filter.lua":
                shutil.copy(file, bare)
        without = self.slurm.conf.read_text().replace("CliFilterPlugins=lua\n", "")
        (bare / "slurm.conf").write_text(without)
        self.bare = {**self.environment, "SLURM_CONF": str(bare / "slurm.conf")}

    def fill(self) -> None:
        store = Store(self.store)
        store.check()
        (store.path / "changed").mkdir()
        indexing.replace(store.path, built(self.nodes, 0.01))

    def inventory(self) -> None:
        """The publisher's snapshot, which a site with a publisher has."""
        names = [f"n{number:06d}" for number in range(self.nodes)]
        states = dict.fromkeys(names, "IDLE+CLOUD+POWERED_DOWN")
        found = Inventory(states, {"all": frozenset(names)}, "all")
        replace_text(self.store / FILE, dump_inventory(found, time.time()))

    def run(self, command: Sequence[str], environment: dict[str, str]) -> None:
        done = subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: {done.stderr}")

    def forget(self) -> None:
        """The plans that are kept."""
        shutil.rmtree(self.cache / "hpccompat" / "plans", ignore_errors=True)


def median(call: Callable[[], object], before: Callable[[], object] = lambda: None, rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        before()
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def measure(nodes: int, folder: Path) -> None:
    here = Submitter(nodes, folder)
    here.fill()
    here.inventory()
    python = median(lambda: here.run(BARE_PYTHON, here.environment))
    plan = [str(HPCCOMPAT), "--config", str(here.config), "plan", "job.sh"]
    if nodes > SLURM_LIMIT:
        alone = median(lambda: here.run(plan, here.environment), rounds=5)
        print(f"{nodes} nodes: the plan alone {1000 * alone:.0f} ms, {alone / python:.1f} x python3 -I -S -c pass")
        return
    here.start()
    try:
        sbatch = ["sbatch", "-H", "-o/dev/null"]
        wrapper = [str(HPCCOMPAT), "--config", str(here.config), *sbatch, f"--compat-spec={folder}/spec.yaml"]
        bare = median(lambda: here.run([*sbatch, "plain.sh"], here.bare))
        print(f"{nodes} nodes: bare sbatch {1000 * bare:.1f} ms; python3 -I -S -c pass {python / bare:.2f} x")

        def show(what: str, seconds: float, target: str = "") -> None:
            print(f"  {what:<44} {seconds / bare:6.2f} x bare sbatch{target}")

        third = folder / "third"
        third.write_text("".join(f"n{number:06d}\n" for number in range(0, nodes, 3)))
        show(
            "Slurm's own cost of a list of a third",
            median(lambda: here.run([*sbatch, "-x", str(third), "plain.sh"], here.bare)),
        )
        show("plugin, a job without an image", median(lambda: here.run([*sbatch, "plain.sh"], here.environment)))
        here.run([*sbatch, "job.sh"], here.environment)
        kept = median(lambda: here.run([*sbatch, "job.sh"], here.environment))
        show("plugin, a plan that is kept", kept, " (target 1.8)")
        here.run([*wrapper, "plain.sh"], here.bare)
        show("wrapper, a plan that is kept", median(lambda: here.run([*wrapper, "plain.sh"], here.bare)), " (target 5)")
        here.inventory()
        new = median(lambda: here.run([*sbatch, "job.sh"], here.environment), here.forget, rounds=7)
        show("plugin, a new plan", new)
        target = " (target 8)" if nodes == 10_000 else ""
        show("wrapper, a new plan", median(lambda: here.run([*wrapper, "plain.sh"], here.bare), here.forget, 7), target)
        imports = [sys.executable, "-c", "import hpccompat.cli.submit, hpccompat.cli.render, hpccompat.workflow"]
        show("of it, what it imports", median(lambda: here.run(imports, here.environment), rounds=7))
    finally:
        here.slurm.stop()


def main() -> None:
    for nodes in [int(each) for each in sys.argv[1:]] or [100, 10_000, 100_000]:
        folder = Path(tempfile.mkdtemp(prefix="hpccompat-bench-"))
        try:
            measure(nodes, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
