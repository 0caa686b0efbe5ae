"""A Slurm cluster of N nodes on one host: munge, slurmctld and a slurmd per node, all on loopback."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.daemons import Daemon, DaemonFailed, Daemons, free_ports

SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"


def slurm_version() -> tuple[int, int]:
    """(22, 5) for 22.05.8."""
    program = shutil.which("slurmctld", path=SBIN) or "slurmctld"
    answer = subprocess.run([program, "-V"], capture_output=True, text=True, check=True)
    major, minor = answer.stdout.split()[-1].split(".")[:2]
    return int(major), int(minor)


@dataclass
class SlurmCluster:
    """`directory` must be one that other users may enter (munge insists); the cluster's files go there.

    `nodes` maps a node's name to the Slurm features of its configuration; `prolog` is run by every slurmd.
    """

    directory: Path
    nodes: dict[str, str]
    prolog: Path | None = None
    partitions: dict[str, Sequence[str]] = field(default_factory=dict)
    settings: Sequence[str] = ()
    controller: Daemon = field(init=False)

    def __post_init__(self) -> None:
        for name in ("munge", "state", "spool", "logs", "etc"):
            (self.directory / name).mkdir(mode=0o755, parents=True)
        self.daemons = Daemons(self.directory / "logs")
        self.ctld_port, *self.node_ports = free_ports(1 + len(self.nodes))
        self.conf = self.directory / "etc" / "slurm.conf"
        self.socket = self.directory / "munge" / "socket"

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell on this cluster has: nothing of a surrounding job or of hpccompat."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLURM", "SBATCH", "SALLOC", "HPCCOMPAT"))
        }
        return kept | {
            "SLURM_CONF": str(self.conf),
            "PATH": f"{os.environ.get('PATH', '')}:{SBIN}",
            "XDG_CACHE_HOME": str(self.directory / "cache"),
        }

    def configuration(self) -> str:
        user = getpass.getuser()
        lines = [
            "ClusterName=loopback",
            "SlurmctldHost=localhost(127.0.0.1)",
            f"SlurmctldPort={self.ctld_port}",
            f"SlurmUser={user}",
            f"SlurmdUser={user}",
            "AuthType=auth/munge",
            "CredType=cred/munge",
            f"AuthInfo=socket={self.socket},cred_expire=5",
            "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny",
            f"StateSaveLocation={self.directory}/state",
            f"SlurmdSpoolDir={self.directory}/spool/%n",
            f"SlurmctldPidFile={self.directory}/state/slurmctld.pid",
            f"SlurmdPidFile={self.directory}/spool/%n.pid",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "JobAcctGatherType=jobacct_gather/none",
            "SwitchType=switch/none",
            "MpiDefault=none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU",
            "SlurmdParameters=config_overrides",
            "SchedulerParameters=sched_interval=1,batch_sched_delay=0",
            "ReturnToService=2",
            "KillWait=2",
            *self.settings,
        ]
        if self.prolog is not None:
            lines += [f"Prolog={self.prolog}", "PrologFlags=Alloc,DeferBatch"]
        for (name, features), port in zip(self.nodes.items(), self.node_ports, strict=True):
            feature = f" Feature={features}" if features else ""
            lines.append(f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=4{feature}")
        partitions = self.partitions or {"all": list(self.nodes)}
        for position, (name, members) in enumerate(partitions.items()):
            default = " Default=YES" if position == 0 else ""
            lines.append(f"PartitionName={name} Nodes={','.join(members)} State=UP{default}")
        return "\n".join(lines) + "\n"

    def start(self) -> None:
        environment = self.environment
        munge = self.directory / "munge"
        key = munge / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        self.conf.write_text(self.configuration())
        # Nothing here needs cgroups, and containers and chroots have none.
        plugin = "disabled" if slurm_version() >= (23, 2) else "cgroup/v1"
        (self.conf.parent / "cgroup.conf").write_text(f"CgroupPlugin={plugin}\n")
        program = {name: shutil.which(name, path=SBIN) or name for name in ("munged", "slurmctld", "slurmd")}
        self.daemons.start(
            "munged",
            [
                program["munged"], "--foreground", "--force", f"--key-file={key}", f"--socket={self.socket}",
                f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed",
            ],
            environment,
        )  # fmt: skip
        self.daemons.wait_until(self.socket.exists, "munge")
        self.controller = self.daemons.start("slurmctld", [program["slurmctld"], "-D", "-c"], environment)
        for name in self.nodes:
            self.daemons.start(f"slurmd-{name}", [program["slurmd"], "-D", "-N", name], environment)
        self.daemons.wait_until(self.all_idle, "Slurm")

    def stop_controller(self) -> None:
        self.controller.process.terminate()
        self.controller.process.wait(20)
        self.daemons.running.remove(self.controller)

    def start_controller(self) -> None:
        """With the configuration as it is now, and the state that was saved; waits until it answers."""
        self.conf.write_text(self.configuration())
        path = shutil.which("slurmctld", path=SBIN) or "slurmctld"
        self.controller = self.daemons.start("slurmctld", [path, "-D"], self.environment)
        self.daemons.wait_until(self._answers, "slurmctld")

    def restart_controller(self) -> None:
        self.stop_controller()
        self.start_controller()

    def reconfigure(self) -> None:
        """`scontrol reconfigure`, with the configuration as it is now."""
        self.conf.write_text(self.configuration())
        answer = self.run("scontrol", "reconfigure")
        if answer.returncode != 0:
            raise DaemonFailed(answer.stderr)

    def add_node(self, name: str, features: str = "") -> None:
        """A node that joins a running cluster; Slurm takes it in with a restart of the controller."""
        self.nodes[name] = features
        self.node_ports += free_ports(1)
        for members in self.partitions.values():
            members.append(name)  # type: ignore[attr-defined]
        self.restart_controller()
        path = shutil.which("slurmd", path=SBIN) or "slurmd"
        self.daemons.start(f"slurmd-{name}", [path, "-D", "-N", name], self.environment)

    def features(self) -> dict[str, tuple[str, str]]:
        """Node -> its available and its active features, as Slurm prints them."""
        found = {}
        for line in self.run("scontrol", "show", "node", "-o").stdout.splitlines():
            words = dict(word.split("=", 1) for word in line.split() if "=" in word)
            has, on = (words[f"{each}Features"].replace("(null)", "") for each in ("Available", "Active"))
            found[words["NodeName"]] = (has, on)
        return found

    def _answers(self) -> bool:
        return self.run("scontrol", "ping").stdout.count("is UP") > 0

    def all_idle(self) -> bool:
        answer = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%N %t"],
            env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        idle = {line.split()[0] for line in answer.stdout.splitlines() if line.endswith(" idle")}
        return idle == set(self.nodes)

    def run(self, *command: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Runs a command as a user of this cluster would; the status is the caller's to look at."""
        environment = self.environment | dict(options.pop("env", {}))  # type: ignore[call-overload]
        return subprocess.run(
            command, env=environment, text=True, capture_output=True, timeout=60, check=False, **options
        )  # type: ignore[call-overload, no-any-return]

    def job(self, job_id: str) -> dict[str, str]:
        """`scontrol show job` as a mapping."""
        answer = self.run("scontrol", "show", "job", "-o", job_id)
        return dict(word.split("=", 1) for word in answer.stdout.split() if "=" in word)

    def wait_for_job(self, job_id: str, seconds: float = 40) -> dict[str, str]:
        """The job's record once it has ended."""
        end = time.monotonic() + seconds
        while True:
            job = self.job(job_id)
            if job.get("JobState") not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"):
                return job
            if time.monotonic() > end:
                raise TimeoutError(f"job {job_id} is still {job.get('JobState')} ({job.get('Reason')})")
            time.sleep(0.1)

    def stop(self) -> None:
        self.daemons.stop()
