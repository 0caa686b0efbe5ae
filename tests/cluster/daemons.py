"""Daemons in the foreground, each with a log of its own; stopped by process id."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class DaemonFailed(Exception):
    """A daemon ended, or did not become ready; the message holds the end of its log."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def answers(port: int) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@dataclass
class Daemon:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raises when the daemon has ended."""
        if self.process.poll() is not None:
            raise DaemonFailed(f"{self.name} ended with status {self.process.returncode}:\n{self.tail()}")

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-30:])


class Daemons:
    """Those started together; `stop()` ends them in reverse order."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.running: list[Daemon] = []

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], cwd: Path | None = None
    ) -> Daemon:
        log = self.logs / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                cwd=cwd,
            )
        daemon = Daemon(name, process, log)
        self.running.append(daemon)
        return daemon

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not ready():
            for daemon in self.running:
                daemon.check()
            if time.monotonic() > end:
                tails = "\n".join(f"--- {daemon.name}\n{daemon.tail()}" for daemon in self.running)
                raise DaemonFailed(f"{what}: not ready within {seconds:g} s\n{tails}")
            time.sleep(0.05)

    def stop(self) -> None:
        for daemon in reversed(self.running):
            daemon.process.terminate()
        for daemon in reversed(self.running):
            try:
                daemon.process.wait(10)
            except subprocess.TimeoutExpired:
                daemon.process.kill()
                daemon.process.wait()
        self.running.clear()
