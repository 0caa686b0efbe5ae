"""What is found wrong, by what was seen; the commands themselves are tried on a real cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hpccompat.diagnosis import Seen, diagnose
from hpccompat.settings import Settings
from hpccompat.slurm.inventory import Inventory
from hpccompat.slurm.site import SlurmSite, parse_site

NOW = 1_800_000_000.0
GOOD = {"prolog": "/etc/slurm/prolog.d/*", "prologflags": "Alloc,DeferBatch", "clifilterplugins": "cli_filter/lua"}
NODES = ("n1", "n2", "n3", "n4")
WELL = Seen(
    NOW,
    Settings(store=Path("/store"), spool=Path("/spool"), start_check="requeue"),
    "1",
    SlurmSite((24, 11), GOOD),
    inventory=Inventory(dict.fromkeys(NODES, "IDLE"), {"all": frozenset(NODES)}, "all"),
    records=dict.fromkeys(NODES, NOW - 60),
    store=(0, 0o40755),
    spool=(0, 0o41777),
    published=NOW - 10,
    collectors={"hpccompat 1": NODES},
    libraries={"yaml": ""},
)


def slurm(**parameters: str) -> Mapping[str, object]:
    return {"site": SlurmSite((24, 11), {**GOOD, **parameters})}


# What is seen otherwise, the level, what the text says, what the way out says.
CASES = [
    (slurm(prologflags=""), "warning", "PrologFlags has no Alloc", "PrologFlags=Alloc"),
    (slurm(prologflags="Alloc"), "warning", "no DeferBatch", "PrologFlags=Alloc,DeferBatch"),
    (slurm(prolog=""), "warning", "there is no Prolog", "Prolog=/etc/slurm/prolog.d/*"),
    (slurm(privatedata="jobs,nodes"), "error", "PrivateData=nodes hides the nodes", "publish"),
    (slurm(nodefeaturesplugins="node_features/helpers"), "note", "labels are not used", ""),
    (slurm(clifilterplugins=""), "note", "the cli_filter plugin is not installed", "The plugin"),
    ({"site": SlurmSite((99, 1), GOOD)}, "warning", "Slurm 99.01 is none of those", "observe"),
    ({"site": None, "slurm_error": "no answer"}, "error", "no answer", "is the controller up?"),
    ({"store": None, "store_error": "No such file"}, "error", "the store /store can't be used", "install -d"),
    ({"writable": ("/store/nodes",)}, "error", "/store/nodes can be written by others", "chmod 755"),
    ({"unreadable": {"n1": "not JSON"}}, "warning", "record of n1: not JSON", "next job"),
    ({"failing": {"hpc.gpu": ("n2",)}}, "warning", "the source hpc.gpu failed on 1 nodes: n2", "features show n2"),
    ({"collectors": {"hpccompat 1": ("n1",), "hpccompat 2": ("n2",)}}, "warning", "different collectors", "one"),
    ({"records": {"n1": NOW}}, "warning", "25 % of its nodes have reported", "n[2-4]"),
    ({"records": {**dict.fromkeys(NODES, NOW), "old": NOW}}, "note", "Slurm has no node old", "prune 'old'"),
    ({"records": dict.fromkeys(NODES, NOW - 1e6)}, "note", "not seen for more than 24 hours", "docs/admin.md"),
    ({"records": dict.fromkeys(NODES, NOW + 600)}, "warning", "are from the future", "chrony"),
    ({"index_error": "damaged"}, "error", "damaged", "hpccompat index --full"),
    ({"index": {"markers": 500, "passed": NOW, "nodes": 4}}, "warning", "500 changes are not in the index", "timer"),
    ({"spool": None}, "note", "there is no spool /spool", "Labels"),
    ({"spool": (0, 0o40777)}, "error", "has mode 777", "chmod 1777"),
    ({"published": 0.0}, "note", "no labels were ever published", "publish"),
    ({"published": NOW - 600}, "warning", "last alive 10 min ago", "publish"),
    ({"published": NOW + 600}, "warning", "heartbeat is from the future", "agree on the time"),
    ({"failed": {"a" * 64: "too slow"}}, "warning", "requirement aaaaaaaaaa… has no label: too slow", "--check"),
    ({"libraries": {"re2": "no module"}}, "error", "re2 can't be loaded", "install it"),
    ({"settings": Settings(disabled=True)}, "warning", "switched off", "remove the file"),
]  # fmt: skip


def test_an_installation_that_is_well() -> None:
    assert {each.level for each in diagnose(WELL)} == {"ok"}


@pytest.mark.parametrize(("changes", "level", "text", "help"), CASES)
def test_what_is_found(changes: Mapping[str, object], level: str, text: str, help: str) -> None:
    found = [each for each in diagnose(replace(WELL, **changes)) if text in each.text]  # type: ignore[arg-type]
    assert [each.level for each in found] == [level]
    assert help in found[0].help
    assert found[0].help or level == "note", "a way out"


def test_a_large_store_wants_an_index() -> None:
    many = {f"m{number}": NOW for number in range(300)}
    found = [each for each in diagnose(replace(WELL, records=many, inventory=None)) if each.about == "index"]
    assert [each.level for each in found] == ["warning"]


def test_how_slurm_shows_its_configuration() -> None:
    site = parse_site("Configuration data as of x\nSLURM_VERSION           = 22.05.8\nPrologFlags             = Alloc,DeferBatch\nProlog                  = (null)\n")  # fmt: skip  # noqa: E501
    assert site.version == (22, 5)
    assert site.words("PrologFlags") == {"Alloc", "DeferBatch"}
    assert site.parameters["prolog"] == ""
