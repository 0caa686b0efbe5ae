"""Random submissions: command lines, scripts and environments, as users write them and as they should not."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NODES = ("arm1", "eth1", "eth2", "hsw1", "icx1", "snb1", "zen1", "zen2")
HOSTS = (*NODES, "eth[1-2]", "zen[1-2],hsw1", "./hosts.txt", "zen1,zen1", "eth1,,eth2")
VALUES = {
    "constraint": ("base", "a&b", "(a|b)&c", "", "x y", "[a*1&b*1]", "a,b"),
    "prefer": ("a", "b&c", ""),
    "exclude": (*HOSTS, ""),
    "nodelist": (*HOSTS, ""),
    "nodefile": ("hosts.txt", "./hosts.txt"),
    "partition": ("all", "old", "old,all", "all,,old", "nosuch"),
    "clusters": ("other",),
    "nodes": ("1", "2", "1-1", "2-3", "-3", "1k", "03", " 2", "0", "-1"),
    "ntasks": ("1", "2", "8"),
    "comment": (
        "plain",
        "two words",
        'a "quoted" word',
        "it's",
        "a#b",
        "# no comment",
        "",
        "ä€",
        "k=v",
        ":",
        "-N3",
        "\\",
    ),
    "array": ("1-3", "0,4-6%2"),
    "container": ("/images/x", ""),
    "reservation": ("weekly",),
    "chdir": ("/tmp", "/"),
    "job-name": ("hetjob", "x hetjob y", "name", "--wrap"),
    "cpus-per-task": ("1", "2"),
    "mem": ("1", "2M"),
    "time": ("10", "1:00:00"),
    "output": ("/dev/null", "a b.txt"),
    "distribution": ("block", "cyclic"),
    "export": ("NONE", "ALL,A=b"),
}
WEIGHTS = [1 if name in ("clusters", "nodefile", "chdir", "array", "reservation") else 4 for name in VALUES]
SHORT = {
    **{"constraint": "C", "exclude": "x", "nodelist": "w", "nodefile": "F", "partition": "p", "clusters": "M"},
    **{"nodes": "N", "ntasks": "n", "array": "a", "chdir": "D", "job-name": "J", "cpus-per-task": "c"},
    **{"time": "t", "output": "o", "distribution": "m"},
}
# The shortest beginning that no other option of any release has.
SHORTEST = {
    **{"constraint": "constr", "prefer": "pref", "exclude": "exclud", "nodelist": "nodel", "nodefile": "nodef"},
    **{"partition": "part", "comment": "com", "array": "ar", "reservation": "reser", "chdir": "ch"},
    **{"job-name": "j", "distribution": "di", "output": "ou"},
}
FLAGS = (
    "-H",
    "-O",
    "-s",
    "-k",
    "--exclusive",
    "--exclusive=user",
    "--contiguous",
    "--hold",
    "-W",
    "--nice",
    "--nice=5",
)
VARIABLES = {
    "SBATCH_CONSTRAINT": ("env", ""),
    "SBATCH_PARTITION": ("old", "all"),
    "SBATCH_CONTAINER": ("/env",),
    "SBATCH_RESERVATION": ("env",),
    "SBATCH_ARRAY_INX": ("5-6",),
    "SLURM_CLUSTERS": ("env1",),
    "SBATCH_CLUSTERS": ("env2",),
    "SBATCH_IGNORE_PBS": ("", "0", "1", "yes", "no"),
    "SBATCH_EXCLUDE": ("eth1",),
    "SBATCH_COMMENT": ("env",),
    "SLURM_JOB_NUM_NODES": ("3",),
    "SLURM_CONSTRAINT": ("of-srun",),
    "SBATCH_DISTRIBUTION": ("block",),
}
DIALECTS = (
    "#PBS -q old", "#PBS -l nodes=2:ppn=2", "#PBS -l nodes=eth1+eth2", "#PBS -l walltime=10:00", "#PBS -N x -t 1-2",
    "#PBS -l select=2", "#PBS -l mem=1mb,nodes=2", "#PBS -W depend=after:1 -J 3-4", "#PBS -l proc=a", "#PBS -j oe",
    "#BSUB -q old -J x", '#BSUB -m "eth1 eth2"', "#BSUB -n 2,4 -o out", "#BSUB -cwd /tmp",
)  # fmt: skip
OTHER_LINES = ("", "# a comment", "   # another", "\t", "##SBATCH -C never", " #SBATCH -C never", "#sbatch -C never")


@dataclass(frozen=True)
class Submission:
    """`script`: None with --wrap. `stdin`: it comes that way, else as the file `job.sh`."""

    arguments: tuple[str, ...]
    script: str | None
    stdin: bool
    environment: Mapping[str, str] = field(default_factory=dict)


def submission(seed: int) -> Submission:
    pick = random.Random(seed)
    wrap = pick.random() < 0.15
    components = pick.choice((1, 1, 1, 1, 2, 3))
    words: list[str] = []
    for index in range(components):
        words += [":"] if index else []
        for _ in range(pick.choice((0, 1, 1, 2, 3, 5))):
            words += _option(pick)
    if wrap:
        words += pick.choice((["--wrap", "true"], ["--wrap=srun : x"]))
    variables = pick.sample(sorted(VARIABLES), pick.choice((0, 0, 1, 2, 3)))
    environment = {name: pick.choice(VARIABLES[name]) for name in variables}
    script = None if wrap else _script(pick)
    stdin = not wrap and pick.random() < 0.2
    if not wrap and not stdin:
        words += pick.choice((["job.sh"], ["job.sh", "-N7", "a"], ["--", "job.sh"], ["job.sh", ":", "-C", "x"]))
    return Submission(tuple(words), script, stdin, environment)


def _option(pick: random.Random) -> list[str]:
    if pick.random() < 0.2:
        return [pick.choice(FLAGS)]
    name = pick.choices(list(VALUES), WEIGHTS)[0]
    value = pick.choice(VALUES[name])
    form = pick.randrange(5)
    if form == 0 and name in SHORT:
        return [f"-{SHORT[name]}", value]
    if form == 1 and name in SHORT and value:
        return [f"-{pick.choice(('', 'H', 'Os'))}{SHORT[name]}{value}"]
    if form == 2 and name in SHORTEST:
        name = name[: pick.randint(len(SHORTEST[name]), len(name))]
    return [f"--{name}={value}"] if pick.random() < 0.6 else [f"--{name}", value]


def _script(pick: random.Random) -> str:
    lines = ["#!/bin/sh"]
    for _ in range(pick.choice((0, 1, 2, 3, 5))):
        kind = pick.random()
        if kind < 0.2:
            lines.append(pick.choice(OTHER_LINES))
        elif kind < 0.3:
            lines.append(pick.choice(("#SBATCH hetjob", "#SBATCH   HETJOB  # next", "#SBATCH packjob")))
        elif kind < 0.38:
            lines.append(pick.choice(DIALECTS))
        elif kind < 0.42:
            lines.append("true")
        else:
            lines.append(_directive(pick))
    return "\n".join(lines) + pick.choice(("", "\n", "\ntrue\n#SBATCH -C late\n"))


def _directive(pick: random.Random) -> str:
    words = [word for _ in range(pick.choice((1, 1, 2, 3))) for word in _option(pick)]
    comment = pick.choice(("", "", "", " # a comment -N5", "  ", " hetjob -C never"))
    return (
        pick.choice(("#SBATCH ", "#SBATCH\t", "#SBATCH"))
        + pick.choice((" ", "  ")).join(_quoted(pick, words))
        + comment
    )


def _quoted(pick: random.Random, words: Sequence[str]) -> list[str]:
    return [_quote(pick, word) for word in words]


def _quote(pick: random.Random, word: str) -> str:
    """In one of the ways that sbatch understands, or, rarely, in one that it does not."""
    if pick.random() < 0.04:
        return word
    name, equals, value = word.partition("=")
    if equals and name.startswith("--") and pick.random() < 0.5:
        return f"{name}={_quote(pick, value)}"
    plain = bool(word) and not any(sign in word for sign in " \t\"'#\\") and not word.startswith(":")
    if plain and pick.random() < 0.6:
        return word
    if pick.random() < 0.3 and word and not any(sign in word for sign in " \t"):
        return "".join(f"\\{sign}" if sign in "\"'#\\:" or pick.random() < 0.1 else sign for sign in word)
    mark = pick.choice("\"'")
    return mark + word.replace("\\", "\\\\").replace(mark, f"\\{mark}") + mark
