"""A selection by the index is the one by every record alone: random specs, random clusters, markers pending."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from hpccompat.errors import SpecError
from hpccompat.features.model import Features
from hpccompat.nodes.index import open_index
from hpccompat.nodes.indexing import write_index
from hpccompat.nodes.record import NodeRecord
from hpccompat.nodes.store import Store
from hpccompat.plan.selection import Selection, Verdict, select
from hpccompat.spec.decode import load_spec
from hpccompat.spec.model import CompatibilitySpec

NAMES = [f"n{number}" for number in range(8, 13)] + ["n1-ib", "gpu", "x07", "x08"]
WORDS = ["1", "2", "10", "a", "x", "", "1.2.3"]
# Set -> its elements; of several kinds at once, with identity elements, and one that a rule may read back.
ATTRIBUTES = {
    "kernel.version": ["major", "minor"],
    "cpu.cpuid": ["AVX10_VERSION"],
    "system.dmiid": ["sys_vendor", "chassis_asset_tag"],
    "system.name": ["nodename"],
    "both": ["AVX2", "b"],
}
FLAGS = {"cpu.cpuid": ["AVX2", "SSE"], "both": ["AVX2", "b"], "kernel.loadedmodule": ["m1", "m2", "m3"]}
INSTANCES = {"usb.device": ["class", "serial"], "pci.device": ["class", "vendor"], "both": ["b"]}
SETS = sorted({*ATTRIBUTES, *FLAGS, *INSTANCES, "absent.set"})


def some(chance: random.Random, values: list[str]) -> list[str]:
    return [value for value in values if chance.random() < 0.6]


def record(chance: random.Random, name: str) -> NodeRecord:
    flags: dict[str, frozenset[str] | None] = {
        each: None if chance.random() < 0.03 else frozenset(some(chance, names)) for each, names in FLAGS.items()
    }
    attributes: dict[str, Any] = {
        each: None if chance.random() < 0.03 else {of: chance.choice(WORDS) for of in some(chance, names)}
        for each, names in ATTRIBUTES.items()
    }
    if attributes["system.name"] is not None:
        attributes["system.name"] = {"nodename": name}
    if chance.random() < 0.1:
        attributes["rule.matched"] = chance.choice([None, {"v": "1"}, {}])
    instances = {
        each: tuple({of: chance.choice(WORDS) for of in some(chance, names)} for _ in range(chance.randrange(3)))
        for each, names in INSTANCES.items()
    }
    for sets in (flags, attributes, instances):
        for gone in [each for each in sets if chance.random() < 0.1]:
            del sets[gone]  # type: ignore[attr-defined]
    errors = {chance.choice(["cpu", "kernel", "usb", "system"]): "broken"} if chance.random() < 0.25 else {}
    features = Features(flags, attributes, instances)
    kept = {each for each in features.names() if each.partition(".")[0] not in errors}
    return NodeRecord(name, features.only(kept), errors)


def expression(chance: random.Random) -> dict[str, Any]:
    op = chance.choice(["Exists", "DoesNotExist", "In", "NotIn", "InRegexp", "Gt", "Ge", "GtLt", "IsTrue"])
    count = {"Exists": 0, "DoesNotExist": 0, "IsTrue": 0, "GtLt": 2}.get(op, 1)
    values = [chance.choice(["1", "2", "9", "a", "x"] if count != 2 else ["0", "5"]) for _ in range(count)]
    if count == 2:
        values = ["0", "5"]
    if chance.random() < 0.01:
        values.append("1")  # too many
    return {"op": op, **({"value": values} if values else {})}


def term(chance: random.Random, variables: list[str]) -> dict[str, Any]:
    if variables and chance.random() < 0.3:
        name, elements = "rule.matched", [*variables, "v"]
    else:
        name = chance.choice(SETS)
        elements = sorted({*ATTRIBUTES.get(name, []), *FLAGS.get(name, []), *INSTANCES.get(name, []), "other"})
    found: dict[str, Any] = {"feature": name}
    if chance.random() < 0.85:
        found["matchExpressions"] = {each: expression(chance) for each in some(chance, elements)[:2]}
    if chance.random() < 0.2 or len(found) == 1:
        found["matchName"] = {"op": chance.choice(["In", "InRegexp"]), "value": [chance.choice(elements)]}
    return found


def spec(chance: random.Random) -> CompatibilitySpec:
    variables: list[str] = []
    sets = []
    for _ in range(chance.randrange(1, 4)):
        rules = []
        for number in range(chance.randrange(1, 3)):
            rule: dict[str, Any] = {"name": f"r{number}"}
            if chance.random() < 0.9:
                rule["matchFeatures"] = [term(chance, variables) for _ in range(chance.randrange(1, 3))]
            if chance.random() < 0.4:
                rule["matchAny"] = [{"matchFeatures": [term(chance, variables)]} for _ in range(2)]
            if chance.random() < 0.3:
                rule["vars"] = {chance.choice(["v", "w"]): chance.choice(WORDS)}
                variables += list(rule["vars"])
            if chance.random() < 0.2 and "matchFeatures" in rule:
                of = rule["matchFeatures"][0]["feature"]
                field = chance.choice([".Name", ".serial", ".Value"])
                rule["varsTemplate"] = f"{{{{range .{of}}}}}t{{{{{field}}}}}=1\n{{{{end}}}}"
                variables += ["tAVX2", "tnodename", "t1"]
            rules.append(rule)
        sets.append({"tag": chance.choice(["a", "b"]), "weight": chance.randrange(3), "rules": rules})
    return load_spec(json.dumps({"compatibilities": sets}))


def disturb(chance: random.Random, store: Store) -> None:
    """What happens to records after the index was built."""
    for name in NAMES:
        fate = chance.random()
        if fate < 0.2:
            store.write(record(chance, name))
        elif fate < 0.25:
            # A collector that was killed between its marker and its record.
            (store.path / "changed" / f"{name}~{'0' * 31}{chance.randrange(10)}").touch()


def told(selection: Selection) -> dict[str, object]:
    reasons = {node: (each.verdict, each.text) for each in selection.reasons for node in each.nodes}
    return {
        "verdicts": dict(selection.verdicts),
        "recorded": selection.recorded,
        "sets": dict(selection.sets),
        "reasons": reasons,
    }


def test_the_index_answers_as_the_records_do(tmp_path: Path) -> None:
    verdicts: Counter[Verdict] = Counter()
    pending = 0
    for seed in range(200):
        chance = random.Random(seed)
        store = Store(tmp_path / str(seed))
        for name in NAMES:
            if chance.random() < 0.9:
                store.write(record(chance, name))
        for broken in some(chance, NAMES)[:1]:
            (store.path / "nodes" / f"{broken}.json").write_text("{torn")
        write_index(store)
        disturb(chance, store)
        for _ in range(4):
            try:
                asked = spec(chance)
            except SpecError:
                continue
            tags = chance.choice([(), (), ("a",)])
            index = open_index(store)
            assert index is not None
            pending += len(index.overlay)
            by_index = select(asked, index.table(NAMES), tags)
            by_record = select(asked, store.table(NAMES), tags)
            assert told(by_index) == told(by_record), f"seed {seed}"
            verdicts.update(by_record.verdicts.values())
        write_index(store)
        index = open_index(store)
        assert index is not None
        assert set(index.overlay) <= {each.partition("~")[0] for each in map(str, NAMES)}
    total = sum(verdicts.values())
    assert all(verdicts[each] > total / 20 for each in Verdict), verdicts
    assert pending > 500
