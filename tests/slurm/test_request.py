"""What Slurm reports of a request, our own lines in the script, and the inventory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.slurm.directives import CompatLines, compat_lines
from hpccompat.slurm.inventory import parse_inventory
from hpccompat.slurm.options import CommandLine, scan
from hpccompat.slurm.request import JobRequest, Requests, merge


def merged(text: str, script: str = "", environment: dict[str, str] | None = None, command: str = "sbatch") -> Requests:
    line = scan(text.split(), {}, command)
    assert isinstance(line, CommandLine)
    return merge(line, script, environment or {})


@pytest.mark.parametrize(
    ("command", "text", "environment", "expected"),
    [
        ("sbatch", "-Ca j", {"SBATCH_CONSTRAINT": "b"}, JobRequest("a")),
        ("sbatch", "j", {"SBATCH_CONSTRAINT": "b", "SALLOC_CONSTRAINT": "c"}, JobRequest("b")),
        ("salloc", "-p x", {"SBATCH_CONSTRAINT": "b", "SALLOC_CONSTRAINT": "c"}, JobRequest("c", partitions=("x",))),
        ("srun", "-w n1 j", {"SLURM_PARTITION": "p,q"}, JobRequest(nodelist="n1", partitions=("p", "q"))),
        ("sbatch", "-N2-4 --comment=x j", {"SLURM_CLUSTERS": "far"},
         JobRequest(min_nodes=2, comment="x", clusters="far")),
        ("sbatch", "-N1 -x n1 --prefer p j", {}, JobRequest(exclude="n1", prefer="p", one_node=True)),
        ("sbatch", "--reservation r --array 1-3 j", {}, JobRequest(reservation="r", array="1-3")),
    ],
)  # fmt: skip
def test_the_command_line_outranks_the_environment(
    command: str, text: str, environment: dict[str, str], expected: JobRequest
) -> None:
    assert merged(text, "#!/bin/sh\n", environment, command).components == (expected,)


def test_each_component_of_a_script_has_its_lines() -> None:
    script = """\
#!/bin/sh
#SBATCH -C a --comment='two words'
#COMPAT image=one
#SBATCH hetjob
#SBATCH -C "b|c"  # a comment
#COMPAT image=two
#COMPAT tag=t
true
#SBATCH -C late
"""
    first, second = merged("j", script).components
    assert (first.constraint, first.comment, first.compat) == ("a", "two words", {"image": ("one",)})
    assert (second.constraint, second.compat) == ("b|c", {"image": ("two",), "tag": ("t",)})
    first, second = merged("-Cx : -Cy j", script).components
    assert (first.constraint, second.constraint) == ("x", "y")


def test_what_can_not_be_known_is_said() -> None:
    assert merged("j", "#!/bin/sh\n#SBATCH --never-heard-of\n").unknown == ("never-heard-of",)
    assert merged("j", "#!/bin/sh\n#PBS -l mppnodes=5\n").doubts
    assert merged("j", "#!/bin/sh\n#PBS -q long\n").components[0].partitions == ("long",)


@given(st.lists(st.sampled_from(["-N", "1", "-C", "a", ":", "--", "x", "--wrap"]) | st.text(max_size=4)), st.text())
def test_no_request_breaks_it(words: list[str], text: str) -> None:
    line = scan(words, {})
    if isinstance(line, CommandLine):
        merge(line, f"#!/bin/sh\n#SBATCH {text}\n#PBS {text}\n#BSUB {text}\n", {})


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("#!/bin/sh\n#COMPAT image=a/b:1\n", {"image": ("a/b:1",)}),
        ("#!/bin/sh\n#COMPAT spack='/m#app +mpi target=zen3'\n", {"spack": ("/m#app +mpi target=zen3",)}),
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
