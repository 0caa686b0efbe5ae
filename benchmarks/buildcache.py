"""A Spack mirror of many binaries: what it costs to judge one of them, before anything is downloaded.

    make bench, or python -m benchmarks.buildcache [BINARIES …]

The mirror is made up: its index alone, each binary of some forty packages that it shares with others. The figures are
ratios to reading the same index with Python's json, in this same run; memory is that of the whole process.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.spack.mirrors import Package, layout_2

HPCCOMPAT = [str(Path(sys.executable).parent / "hpccompat")]
TARGETS = ("x86_64_v3", "zen3", "icelake", "sapphirerapids")
LIBC = Package("glibc", "2.36", external="/usr", provides="libc")


def mirror(binaries: int, folder: Path) -> tuple[Path, str]:
    """A mirror in layout 2, and the hash of its last binary."""
    packages: list[Package] = []
    for number in range(binaries):
        target = TARGETS[number % len(TARGETS)]
        # Each needs the one before it of its target, up to forty in a row.
        below = packages[number - len(TARGETS)] if number % (40 * len(TARGETS)) >= len(TARGETS) else None
        needs = {LIBC: ("link",), **({below: ("link", "run")} if below else {})}
        packages.append(Package(f"package{number:06d}", "1.0", target, needs=needs))
    root = layout_2(folder, (), indexed=False)
    everything = {each.hash: each for each in (LIBC, *packages)}
    installs = {
        hash: {"spec": each.node(5), "ref_count": 0, "in_buildcache": not each.external}
        for hash, each in everything.items()
    }
    (root / "build_cache" / "index.json").write_text(json.dumps({"database": {"version": "8", "installs": installs}}))
    return root, packages[-1].hash


def measure(binaries: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="hpccompat-bench-"))
    try:
        root, last = mirror(binaries, folder)
        index = root / "build_cache" / "index.json"
        started = time.perf_counter()
        json.loads(index.read_bytes())
        reading = time.perf_counter() - started
        node = folder / "node.json"
        node.write_text('{"flags": {}, "attributes": {}, "instances": {}}')
        command = [*HPCCOMPAT, "check", "--spack", f"/{last}", "--mirror", str(root), "--features", str(node)]
        started = time.perf_counter()
        done = subprocess.run(command, env={"PATH": os.defpath}, capture_output=True, text=True, check=False)
        taken = time.perf_counter() - started
        if "the instructions of" not in done.stdout:
            raise SystemExit(done.stdout + done.stderr)
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"{binaries} binaries, an index of {index.stat().st_size / 2**20:.1f} MiB: one judged in {taken:.1f} s, "
            f"{taken / reading:.1f} x reading it as JSON, {memory:.0f} MiB"
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    for binaries in [int(each) for each in sys.argv[1:]] or [100, 1000, 10_000]:
        measure(binaries)


if __name__ == "__main__":
    main()
