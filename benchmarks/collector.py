"""What a node pays for its record: the collector as a whole process, the prolog of an unchanged node, many at once.

All as ratios within one run. NFD's own client is not needed here: `nfd export features` was measured at 56 ms where
`python3 -I -S -c pass` takes 9, and the targets are parts of that (collector 0.8, unchanged node 0.1).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).parents[1]
HOST = PROJECT / "tests" / "data" / "hosts" / "sapphirerapids-rocky9-h100"
PROLOG = PROJECT / "slurm" / "prolog.d" / "50-hpccompat"
PYTHON = [sys.executable, "-I", "-S", "-c", "pass"]
HPCCOMPAT = [str(Path(sys.executable).parent / "hpccompat")]
NFD = 56 / 9
ROUNDS, AT_ONCE = 30, 200


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "config.toml"
        config.write_text(f'store = "{folder}/store"\n')
        collect = [*HPCCOMPAT, "--config", str(config), "features", "collect", "--node", "n1"]
        defaults = folder / "default"
        defaults.write_text(f"HPCCOMPAT=/bin/true\nHPCCOMPAT_CONFIG={config}\nHPCCOMPAT_STATE={folder}/state\n")
        prolog = [str(PROLOG), str(defaults)]
        node = {"SLURMD_NODENAME": "n1"}
        run(prolog, node)  # makes the stamp
        commands: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {
            "bare": (PYTHON, {}),
            "written": ([*collect, "--root", str(HOST)], {}),
            "live": (collect, {}),
            "sh": (["sh", "-c", ":"], {}),
            "unchanged": (prolog, node),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):  # in turn, so that what else the machine does hits all alike
            for name, (command, environment) in commands.items():
                times[name].append(run(command, environment))
        median = {name: statistics.median(each) for name, each in times.items()}
        for name, what in (("written", "collector, host with 2 GPUs below --root"), ("live", "collector, this host")):
            ratio = median[name] / median["bare"]
            print(f"{what:44} {ratio:6.1f} x python3 -I -S -c pass ({1000 * median[name]:.0f} ms), "
                  f"{ratio / NFD:.2f} x nfd export features (target 0.8)")  # fmt: skip
        print(f"{'prolog of an unchanged node':44} {median['unchanged'] / median['sh']:6.1f} x sh -c : "
              f"({1000 * median['unchanged']:.1f} ms), {median['unchanged'] / median['bare'] / NFD:.2f} x nfd export "
              "features (target 0.1)")  # fmt: skip
        at_once(config, folder / "store" / "nodes")


def at_once(config: Path, records: Path) -> None:
    """As many collectors as nodes that booted together; half of them for one and the same node."""
    alone = run([*HPCCOMPAT, "--config", str(config), "features", "collect", "--node", "m0", "--root", str(HOST)], {})
    started = time.perf_counter()
    running = [
        subprocess.Popen(
            [
                *HPCCOMPAT, "--config", str(config),
                "features", "collect", "--node", f"m{number}" if number % 2 else "same", "--root", str(HOST),
            ],
        )
        for number in range(AT_ONCE)
    ]  # fmt: skip
    failed = sum(each.wait() != 0 for each in running)
    taken = time.perf_counter() - started
    expected = {"same", "m0", "n1", *(f"m{number}" for number in range(1, AT_ONCE, 2))}
    found = {file.stem for file in records.glob("[!.]*.json")}
    torn = [file.name for file in records.glob("[!.]*.json") if json.loads(file.read_text())["node"] != file.stem]
    left = [file.name for file in records.iterdir() if file.name.startswith(".")]
    print(f"{f'{AT_ONCE} collectors at once':44} {taken / AT_ONCE / alone:6.2f} x one alone, each, on "
          f"{os.cpu_count()} cores; failed {failed}, lost {len(expected - found)}, torn {len(torn)}, "
          f"left over {len(left)}")  # fmt: skip


def run(command: Sequence[str], environment: Mapping[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env={"PATH": os.defpath, **environment}, stdin=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
