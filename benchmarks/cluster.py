"""One question to a cluster: what it costs at 100 to 100,000 nodes, by the index and record by record.

    make bench, or python benchmarks/cluster.py [NODES …]

Records are made up, but of the size and the variety of real ones: 12 kinds of hardware with 6 software stacks each,
names and serials of their own, and 1 or 30 % of the nodes differing from their kind in some feature set. Up to 10,000
nodes they are files of a store; above that the same entries go into the index without files (11 GB of them).
Everything is a ratio within one run; the targets are those of the project's design.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hpccompat.features.model import Features
from hpccompat.nodes import indexing
from hpccompat.nodes.index import DIGEST_SIZE, encoded, open_index
from hpccompat.nodes.record import NodeRecord, dump_record
from hpccompat.nodes.store import Store
from hpccompat.plan.selection import Verdict, select
from hpccompat.spec.decode import load_spec

SPEC = """
compatibilities:
- rules:
  - name: "CPU, kernel, fabric"
    matchFeatures:
    - {feature: cpu.cpuid, matchExpressions: {AVX2: {op: Exists}, FLAG7: {op: Exists}}}
    - {feature: kernel.version, matchExpressions: {major: {op: Gt, value: ["4"]}}}
    - {feature: kernel.loadedmodule, matchExpressions: {mlx5_ib: {op: Exists}}}
    - {feature: pci.device, matchExpressions: {vendor: {op: In, value: ["15b3"]}, class: {op: In, value: ["0207"]}}}
"""
HARDWARE, STACKS = 12, 6
FILES_LIMIT = 10_000
BARE = [sys.executable, "-I", "-S", "-c", "pass"]
IMPORTS = [sys.executable, "-c", "import hpccompat.cli.check, hpccompat.cli.render"]
HPCCOMPAT = [str(Path(sys.executable).parent / "hpccompat")]


def cluster(nodes: int, drift: float) -> Iterator[NodeRecord]:
    chance = random.Random(nodes)
    kinds = [(hardware, stack) for hardware in range(HARDWARE) for stack in range(STACKS)]
    each = -(-nodes // len(kinds))
    parts = {kind: _kind(*kind) for kind in kinds}
    for number in range(nodes):
        features = parts[kinds[number // each]]
        flags, attributes, instances = dict(features.flags), dict(features.attributes), dict(features.instances)
        if chance.random() < drift:
            odd = chance.randrange(150)
            what = chance.choice(("module", "flag", "device", "disk"))
            if what == "module":
                flags["kernel.loadedmodule"] = (flags["kernel.loadedmodule"] or frozenset()) | {f"odd{odd}"}
            elif what == "flag":
                flags["cpu.cpuid"] = (flags["cpu.cpuid"] or frozenset()) - {f"FLAG{odd % 60}"}
            elif what == "device":
                instances["pci.device"] = (*instances["pci.device"], _device(f"{odd:04x}", "0108"))
            else:
                instances["storage.block"] = ({"name": f"sd{odd}", "rotational": "1"},)
        name = f"n{number:06d}"
        attributes["system.name"] = {"nodename": name}
        attributes["system.dmiid"] = {**(attributes["system.dmiid"] or {}), "chassis_asset_tag": f"T{number}"}
        instances["usb.device"] = ({"class": "09", "vendor": "1d6b", "serial": f"S{number}"},)
        yield NodeRecord(name, Features(flags, attributes, instances), collected="2026-01-01T00:00:00Z")


def _kind(hardware: int, stack: int) -> Features:
    chance = random.Random(hardware * 100 + stack)
    fabric = hardware % 3 != 0
    modules = {f"module_{number}" for number in range(150) if number % 12 != hardware or number % 6 != stack}
    return Features(
        {
            "cpu.cpuid": frozenset(
                {"SSE2", *({"AVX2"} if hardware > 1 else ()), *(f"FLAG{n}" for n in range(60 + hardware))}
            ),
            "kernel.loadedmodule": frozenset(modules | ({"mlx5_ib"} if fabric else set())),
            "kernel.enabledmodule": frozenset(modules | {f"builtin_{number}" for number in range(400)}),
            "hpc.filesystem.type": frozenset({"xfs", "lustre"}),
        },
        {
            "kernel.version": {
                "full": f"5.{stack}.0",
                "major": "5" if stack else "4",
                "minor": str(stack),
                "revision": "0",
            },
            "kernel.config": {f"OPTION_{number}": chance.choice("ymn") for number in range(6000)}
            if hardware == 0
            else _config(stack),
            "cpu.model": {"vendor_id": "AMD" if hardware % 2 else "Intel", "family": "25", "id": str(hardware)},
            "system.osrelease": {"ID": "rocky", "VERSION_ID": f"9.{stack}"},
            "system.dmiid": {"sys_vendor": "Vendor", "product_name": f"Model {hardware}"},
            "hpc.libc": {"name": "glibc", "version": f"2.{30 + stack}"},
            "memory.numa": {"is_numa": "true", "node_count": "2"},
        },
        {
            "pci.device": (
                *(_device(f"{number:04x}", "0604") for number in range(40)),
                *((_device("15b3", "0207"),) if fabric else ()),
            ),
            "storage.block": ({"name": "nvme0n1", "rotational": "0"},),
            "network.device": ({"name": "eth0", "speed": "25000"},),
        },
    )


_CONFIGS: dict[int, dict[str, str]] = {}


def _config(stack: int) -> dict[str, str]:
    chance = random.Random(stack)
    return _CONFIGS.setdefault(stack, {f"OPTION_{number}": chance.choice("ymn") for number in range(6000)})


def _device(vendor: str, kind: str) -> dict[str, str]:
    return {"class": kind, "device": "2014", "vendor": vendor, "subsystem_vendor": vendor, "subsystem_device": "0001"}


def built(nodes: int, drift: float) -> indexing.Build:
    """The entries without records: values of a kind are encoded once."""
    build = indexing.Build(passed=time.time())
    known: dict[tuple[int, ...], tuple[bytes, str]] = {}
    for record in cluster(nodes, drift):
        values, sides, features = {}, {}, record.features
        for name in features.names():
            parts = (features.flags.get(name), features.attributes.get(name), features.instances.get(name))
            key = (*map(id, parts),)
            if name in ("system.name", "system.dmiid", "usb.device"):
                values[name], sides[name] = encoded(features, name)
            else:
                values[name], _ = known.get(key) or known.setdefault(key, encoded(features, name))
                _ALIVE.extend(parts)  # an id is its own only as long as its object lives
        digest = random.Random(record.node).randbytes(DIGEST_SIZE)
        build.entries[record.node] = indexing.Entry(build.shared(values), sides, digest, 0.0, (0, 0))
    return build


_ALIVE: list[object] = []


def measure(nodes: int, drift: float, folder: Path, evaluation: dict[int, float]) -> None:
    store = Store(folder / "store")
    store.check()
    (store.path / "changed").mkdir()
    size = 0
    print(f"\n{nodes} nodes, {100 * drift:.0f} % drift")
    if nodes <= FILES_LIMIT:
        for record in cluster(nodes, drift):
            text = dump_record(record)
            size += len(text)
            (store.path / "nodes" / f"{record.node}.json").write_text(text)
        full = once(lambda: indexing.write_index(store, full=True))
    else:
        size = nodes * len(dump_record(next(cluster(nodes, drift))))
        full = 0.0
        indexing.replace(store.path, built(nodes, drift))
    index_size = (store.path / "index.sqlite").stat().st_size
    print(f"  index {index_size / 2**20:.1f} MiB, {100 * index_size / size:.2f} % of the records (target 1)")

    spec = load_spec(SPEC)
    index = open_index(store)
    assert index is not None
    evaluation[nodes] = median(lambda: select(spec, open_index(store) or index))
    counts = select(spec, index)
    shown = ", ".join(f"{len(counts.nodes(each))} {each.value}" for each in Verdict if counts.nodes(each))
    print(f"  in process {1000 * evaluation[nodes]:.1f} ms ({shown})", end="")
    if 1000 in evaluation and nodes == 100_000:
        print(f", {evaluation[nodes] / evaluation[1000]:.1f} x that of 1,000 nodes (target 4)", end="")
    print()
    config = folder / "config.toml"
    config.write_text(f'store = "{store.path}"\n')
    (folder / "spec.yaml").write_text(SPEC)
    query = [
        *HPCCOMPAT,
        "--output",
        "json",
        "--config",
        str(config),
        "check",
        "--spec",
        str(folder / "spec.yaml"),
        "--node",
        f"n[000000-{nodes - 1:06d}]",
    ]
    bare = median(lambda: run(BARE))
    whole = median(lambda: run(query))
    target = {10_000: " (target 4)", 100_000: " (target 10)"}.get(nodes, "")
    imports = median(lambda: run(IMPORTS))
    print(
        f"  query as a process {1000 * whole:.0f} ms, {whole / bare:.1f} x python3 -I -S -c pass{target}; "
        f"what it imports alone {imports / bare:.1f} x"
    )
    if nodes <= FILES_LIMIT:
        names = store.names()
        loop = once(lambda: select(spec, store.table(names)))
        print(f"  record by record {loop:.2f} s, {loop / evaluation[nodes]:.0f} x the index (target 300, of NFD's)")
        changed = next(record for record in cluster(nodes, 1.0) if record.node == names[len(names) // 2])
        store.write(changed)
        one = once(lambda: indexing.write_index(store))
        print(f"  one changed node taken in {1000 * one:.0f} ms, {100 * one / full:.2f} % of reading all (target 2)")
    print(f"  memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most")


def once(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def median(call: Callable[[], object]) -> float:
    return statistics.median(once(call) for _ in range(7))


def run(command: list[str]) -> None:
    subprocess.run(command, env={"PATH": os.defpath}, stdout=subprocess.DEVNULL, check=False)


def main() -> None:
    chosen = [int(each) for each in sys.argv[1:]]
    for drift, sizes in ((0.01, [100, 1000, 10_000, 100_000]), (0.3, [1000, 100_000])):
        evaluation: dict[int, float] = {}
        for nodes in chosen or sizes:
            folder = Path(tempfile.mkdtemp())
            try:
                measure(nodes, drift, folder, evaluation)
            finally:
                shutil.rmtree(folder)


if __name__ == "__main__":
    main()
