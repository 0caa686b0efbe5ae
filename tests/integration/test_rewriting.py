"""A rewritten command line asks Slurm for the same, but for the nodes that are excluded besides."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from hpccompat.nodes.hostlist import expand
from hpccompat.slurm.options import CommandLine, scan
from hpccompat.slurm.plan import exclude
from tests.cluster.site import Site
from tests.integration.line import User

OPTIONS = [
    ["-N2"], ["-N", "1-2"], ["--nodes=2"], ["--nodelis", "arm1"], ["-x", "zen1"], ["-xhsw1,snb1"],
    ["--exclude=eth[1-2]"],
    ["--exclud=icx1"], ["--exclude", "./list"], ["-w", "arm1"], ["-H"], ["-HN1"], ["-HN", "1"], ["--hold"],
    ["--comment", "-x zen1"], ["--comment=--exclude=zen1"], ["-J", "--"], ["-J--wrap"], ["--job-name", ":"],
    ["-C", "a|b"], ["--prefer", "a"], ["-p", "old,all"], ["-Q"], ["--quiet"], ["-v"], ["--exclusive"],
    ["--exclusive=user"], ["-k"], ["--no-kill"], ["--nice"], ["--nice=5"], ["-W"], ["--wait"], ["-t", "5"],
       ["--mem", "1"], ["-o", "out put"], ["-o/dev/null"], ["--export=NONE"], ["--get-user-env"], ["-a1-3"],
    ["--compat-image", "x"], ["--compat=warn"], ["--compat-tag=-x"],
]  # fmt: skip
ENDINGS = [
    ["job.sh"], ["job.sh", "-x", "zen1"], ["job.sh", "--exclude=zen1", "--compat=off"], ["--", "job.sh", "--"],
    ["--wrap", "true"], ["--wrap=true --exclude=zen2"], ["./job.sh", ":", "a b"],
]  # fmt: skip
SCRIPT = "#!/bin/sh\n#SBATCH --exclude=icx1 --comment='a # b'\n#SBATCH -n 2\n"


@pytest.fixture
def user(site: Site, tmp_path: Path) -> User:
    (tmp_path / "list").write_text("eth1\nzen2\n")
    (tmp_path / "job.sh").write_text(SCRIPT)
    return User(site, tmp_path)


def report(user: User, words: list[str]) -> tuple[dict[str, str], set[str]]:
    """What sbatch understands: its defined options but for exclude, and the excluded nodes. A later --test-only
    and -v are ours alone."""
    answer = user.bare("sbatch", "--test-only", *words).stderr
    found = {}
    for line in answer.splitlines():
        name, colon, value = line.removeprefix("sbatch: ").partition(": ")
        if colon and name.strip() == name.split(" ")[0]:
            found.setdefault(name.strip(), value)
    found.pop("verbose", None)
    return found, set(expand(found.pop("exclude", "")))


def test_only_the_exclusions_differ(user: User) -> None:
    chance = random.Random(7)
    compared = 0
    for _ in range(120):
        words = [word for option in chance.sample(OPTIONS, chance.randint(0, 6)) for word in option]
        words += chance.choice(ENDINGS)
        line = scan(words, {})
        assert isinstance(line, CommandLine)
        if line.components > 1:
            continue  # such jobs are left alone
        before, own = report(user, ["-v", *line.loud, *line.tail])
        if "test-only" not in before:
            continue  # sbatch takes no such combination
        rewrite = exclude(["arm1", "zen1", "zen2"], {"zen1"}, own)
        loud = replace(line, options=line.loud)
        after, excluded = report(user, ["-v", *rewrite.arguments(loud)])
        assert after == before, words
        assert excluded == own | {"arm1", "zen2"}, words
        compared += 1
    assert compared > 60
