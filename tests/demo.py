"""`make demo`: the main job on a real cluster and a real registry, on loopback, in under a minute.

Everything shown is run; what it claims is asserted from Slurm's own records and the jobs' own output.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster.registry import Registry
from tests.cluster.site import HPCCOMPAT, PROJECT, Site

NODES = {
    "arm1": "neoverse-ubuntu22-ethernet",
    "eth1": "zen3-rocky9-ethernet",
    "eth2": "zen3-rocky9-ethernet",
    "hsw1": "haswell-centos7-infiniband",
    "icx1": "icelake-rocky9-infiniband",
    "snb1": "sandybridge-rocky9-infiniband",
    "zen1": "zen3-rocky9-infiniband",
    "zen2": "zen3-rocky9-infiniband",
}
ALLOWED = {"icx1", "zen1", "zen2"}
SPEC = PROJECT / "tests" / "data" / "specs" / "solver.yaml"
JOB = """\
#!/bin/sh
#SBATCH --nodes=3 --output=job-%j.out
#COMPAT image={image}
srun sh -c 'echo "solver on $SLURMD_NODENAME"'
"""


class Demo:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.site = Site(directory / "site", NODES)
        self.registry = Registry(directory / "registry")
        self.work = directory / "work"
        self.work.mkdir()
        # What an admin would put into the PATH; here it also names this demo's settings file.
        wrapper = directory / "bin" / "hpccompat"
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\nexec {HPCCOMPAT} --config {self.site.config} "$@"\n')
        wrapper.chmod(0o755)

    def title(self, number: int, text: str) -> None:
        print(f"\n== {number}. {text}", flush=True)

    def show(self, command: str, expect: int = 0) -> str:
        """Runs a command line as a user of the cluster, shows it with its output; its standard output."""
        print(f"$ {command}", flush=True)
        environment = self.site.slurm.environment
        environment["PATH"] = f"{self.directory / 'bin'}:{environment['PATH']}"
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.work,
            env=environment,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        shown = (done.stdout + done.stderr).strip()
        print("\n".join(f"  {line}" for line in shown.splitlines()), flush=True)
        assert done.returncode == expect, f"exit status {done.returncode}, not {expect}"
        return done.stdout

    def finished(self, submitted: str) -> tuple[set[str], set[str]]:
        """Waits for the job; the nodes that Slurm says it had, and those that its output names."""
        job_id = submitted.split()[-1]
        job = self.site.slurm.wait_for_job(job_id)
        assert job["JobState"] == "COMPLETED", job
        nodes = self.site.slurm.run("scontrol", "show", "hostnames", job["NodeList"]).stdout.split()
        output = (self.work / f"job-{job_id}.out").read_text()
        self.show(f"scontrol show job {job_id} | grep -E ' (NodeList|ExcNodeList)='; sort job-{job_id}.out")
        return set(nodes), {line.split()[-1] for line in output.splitlines() if line.startswith("solver on ")}

    def run(self) -> None:
        self.title(1, "A Slurm cluster of eight nodes that differ, and a container registry")
        self.site.start()
        self.registry.start()
        self.show("sinfo -N -o '%N %T'")

        self.title(2, "Their prologs collect what each node is, when its first job starts")
        first = self.show("sbatch --nodes=8 --output=/dev/null --wrap true")
        self.site.slurm.wait_for_job(first.split()[-1])
        self.show("hpccompat features show")
        assert {file.stem for file in (self.site.store / "nodes").glob("*.json")} == set(NODES)

        self.title(3, "An image with a compatibility spec, attached by the oras client")
        image = self.registry.push_image("hpc/solver:1.0")
        self.registry.attach(image, SPEC)
        plain = self.registry.push_image("hpc/plain:1.0")
        shutil.copy(SPEC, self.work)
        (self.work / "job.sh").write_text(JOB.format(image=image))
        self.show("cat solver.yaml job.sh")

        self.title(4, "The plan")
        self.show("hpccompat plan job.sh")

        self.title(5, "Without hpccompat the job lands where the image can't run")
        nodes, said = self.finished(self.show("sbatch job.sh"))
        assert nodes == said
        assert nodes - ALLOWED, nodes
        print(f"  -> incompatible: {', '.join(sorted(nodes - ALLOWED))}")

        self.title(6, "The same job, submitted with hpccompat")
        nodes, said = self.finished(self.show("hpccompat sbatch job.sh"))
        assert nodes == said
        assert nodes <= ALLOWED, nodes
        print("  -> all compatible")

        self.title(7, "A job that no node could run is refused, and says why")
        self.show("hpccompat sbatch --exclude=icx1,zen[1-2] job.sh", expect=4)

        self.title(8, "An image without a spec goes through")
        submitted = self.show(f"hpccompat sbatch --compat-image={plain} job.sh")
        job = self.site.slurm.wait_for_job(submitted.split()[-1])
        assert job["JobState"] == "COMPLETED", job

    def stop(self) -> None:
        self.registry.stop()
        self.site.stop()


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="hpccompat-demo-"))
    directory.chmod(0o755)
    try:
        demo = Demo(directory)
        try:
            demo.run()
        finally:
            demo.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"\nAll as it should be, after {time.monotonic() - started:.0f} s. Nothing is left running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
