"""A site whose publisher keeps labels: six nodes of three kinds, all of which have reported."""

from __future__ import annotations

import json
import os

from hpccompat.plan.requirement import Requirement, requirement
from hpccompat.slurm.labels import label_of
from hpccompat.spec.decode import load_spec
from tests.cluster.site import Site
from tests.integration.line import SOLVER

IB, ETH, SS = "zen3-rocky9-infiniband", "zen3-rocky9-ethernet", "zen3-sles15-mi250x-slingshot"
NODES = {"ib1": IB, "ib2": IB, "eth1": ETH, "eth2": ETH, "ss1": SS, "ss2": SS}
FEATURES = {"ib1": "rack1,amd", "ib2": "rack1,amd", "eth1": "rack2", "ss1": "rack3"}
KIND = "{{feature: hpc.fabric.kind, matchExpressions: {{{}: {{op: Exists}}}}}}"


def fabric(kind: str, description: str = "") -> Requirement:
    rules = f"[{{name: fabric, matchFeatures: [{KIND.format(kind)}]}}]"
    return requirement(load_spec(f"compatibilities: [{{description: 'd{description}', rules: {rules}}}]"))


SLINGSHOT = fabric("slingshot")
SOLVES = requirement(load_spec(SOLVER.read_bytes()))


class Publishing:
    def __init__(self, site: Site) -> None:
        self.site, self.slurm = site, site.slurm
        self.spool = site.directory / "spool"
        self.specs = self.spool / "specs"

    def configure(self, settings: str = "") -> None:
        self.site.configure(f'spool = "{self.spool}"\n{settings}')

    def put(self, *requirements: Requirement, used: float = 0) -> None:
        for each in requirements:
            path = self.specs / f"{each.id}.{os.getuid()}.{os.urandom(4).hex()}"
            path.write_text(each.dump())
            if used:
                os.utime(path, (used, used))

    def publish(self, *arguments: str, status: int = 0) -> str:
        done = self.site.hpccompat("publish", *arguments)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    def published(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.site.store / "published.json").read_text())["labels"]
        return found

    def nodes_with(self, each: Requirement) -> set[str]:
        """Where Slurm has the label, available and active."""
        label = label_of(each.id)
        found = self.slurm.features().items()
        has, on = ({node for node, lists in found if label in lists[which].split(",")} for which in (0, 1))
        assert has == on
        return has

    def submit(self, each: Requirement, *options: str) -> str:
        done = self.slurm.run(
            "sbatch", "-C", label_of(each.id), f"--comment=mine hpccompat={each.id}", "-o/dev/null", *options,
            "--wrap", "true",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]

    def wait_for_reason(self, job: str, reason: str) -> None:
        self.slurm.daemons.wait_until(lambda: self.slurm.job(job).get("Reason") == reason, f"{job} is {reason}")

    def clear(self) -> None:
        """No jobs, no labels, an empty spool."""
        self.slurm.run("scancel", "--me")
        for each in self.specs.iterdir():
            each.rmdir() if each.is_dir() and not each.is_symlink() else each.unlink()
        self.configure()
        self.publish()
        assert not any("hc_" in lists[0] for lists in self.slurm.features().values())
