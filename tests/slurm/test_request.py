"""What Slurm reports of a request, our own lines in the script, and the inventory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.errors import SlurmError
from hpccompat.slurm.inventory import parse_inventory
from hpccompat.slurm.options import scan
from hpccompat.slurm.plan import exclude
from hpccompat.slurm.request import CompatLines, JobRequest, compat_lines, defined_options

# As sbatch 22.05 prints it.
REPORT = """\
sbatch: defined options
sbatch: -------------------- --------------------
sbatch: comment             : hello world
sbatch: constraint          : a&b
sbatch: exclude             : n1,n[2-3]
sbatch: nodelist            : n0
sbatch: nodes               : 2-4
sbatch: partition           : all,old
sbatch: prefer              : b
sbatch: test-only           : set
sbatch: verbose             : 1
sbatch: -------------------- --------------------
sbatch: end of defined options
sbatch: select/linear: init: Linear node selection plugin loaded with argument 1
sbatch: Job 2 to start at 2026-11-23T13:39:25 using 1 processors on nodes n0 in partition all
"""


def test_the_merged_request() -> None:
    (request,) = defined_options(REPORT)
    assert request == JobRequest("a&b", "b", "n1,n[2-3]", "n0", ("all", "old"), "", 2, comment="hello world")
    assert len(defined_options(REPORT + REPORT)) == 2
    assert defined_options("sbatch: error: invalid\n") == ()


def test_a_value_with_a_line_break_is_not_trusted() -> None:
    with pytest.raises(SlurmError, match="'exclude' twice"):
        defined_options(REPORT.replace("hello world", "x\nsbatch: exclude             : n9"))


@given(st.text())
def test_no_answer_breaks_it(text: str) -> None:
    defined_options(f"sbatch: defined options\n{text}\nsbatch: end of defined options\n".replace("exclude", ""))


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("#!/bin/sh\n#COMPAT image=a/b:1\n", {"image": ("a/b:1",)}),
        ("#!/bin/sh\n\n# x\n  # y\n#SBATCH -N1\n#COMPAT   spec='x y.yaml'  \necho\n", {"spec": ("x y.yaml",)}),
        ("#!/bin/sh\necho\n#COMPAT image=late\n", {}),
        ("#!/bin/sh\n #COMPAT image=indented\n##COMPAT image=x\n#COMPAT\n#COMPATimage=x\n", {}),
        ("#!/bin/sh\n#COMPAT tag=a\n#COMPAT tag=b\n", {"tag": ("a", "b")}),
        ("", {}),
    ],
)
def test_compat_lines(script: str, found: dict[str, tuple[str, ...]]) -> None:
    assert compat_lines(script).values == found


@pytest.mark.parametrize(
    "line", ["#COMPAT image: x", "# COMPAT image=x", "#compat image=x", "#COMPAT images=x", "##COMPAT"]
)
def test_lines_that_look_like_ours_are_told(line: str) -> None:
    assert compat_lines(f"#!/bin/sh\n{line}\n") == CompatLines({}, (line,))
    assert compat_lines(f"#!/bin/sh\ntrue\n{line}\n") == CompatLines({})


NODES = """\
NodeName=n1 Arch=x86_64 OS=Linux 6.1 #1 SMP State=IDLE Partitions=all Comment=State=DOWN NodeName=n9
NodeName=n2 State=DOWN*+DRAIN Partitions=all
NodeName=n3 State=FUTURE
"""
PARTITIONS = """\
PartitionName=all AllocNodes=ALL Default=YES DefaultTime=NONE Nodes=n[1-2] TotalNodes=2
PartitionName=cloud Default=NO Nodes=c[1-2]
PartitionName=empty Default=NO Nodes=(null)
"""


def test_the_inventory_has_what_only_partitions_show() -> None:
    inventory = parse_inventory(NODES, PARTITIONS)
    assert inventory.nodes == {"n1", "n2", "n3", "c1", "c2"}
    assert inventory.states["n1"] == "IDLE"
    assert inventory.of_partitions(()) == {"n1", "n2"}
    assert inventory.of_partitions(("all", "cloud", "nosuch")) == {"n1", "n2", "c1", "c2"}
    assert inventory.of_partitions(("empty",)) == set()
    assert [node for node in sorted(inventory.nodes) if not inventory.expected_to_report(node)] == ["n2", "n3"]


def test_ours_stands_last_among_the_options() -> None:
    line = scan(["-x", "n1", "-N1", "job.sh", "a"], {})
    rewrite = exclude(["n1", "n2", "n3", "n4"], {"n2"}, ["n1"])
    assert rewrite.arguments(line) == ("-x", "n1", "-N1", "--exclude=n[1,3-4]", "job.sh", "a")  # type: ignore[arg-type]
    dashes = scan(["-N1", "--", "job.sh"], {})
    assert rewrite.arguments(dashes) == ("-N1", "--exclude=n[1,3-4]", "--", "job.sh")  # type: ignore[arg-type]
    assert rewrite.arguments(dashes, "/tmp/x")[1] == "--exclude=/tmp/x"  # type: ignore[arg-type]
    assert exclude(["n1"], {"n1"}, []).arguments(dashes) == ("-N1", "--", "job.sh")  # type: ignore[arg-type]
