"""The images that commands of job scripts name."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.runtimes import commands as table
from hpccompat.runtimes import flags
from hpccompat.runtimes.commands import PREFIXES, RUNTIME_COMMANDS, guess_command, guess_images, guess_words
from hpccompat.runtimes.flags import read_flags
from hpccompat.runtimes.mentions import MENTIONS
from hpccompat.runtimes.plugin_options import PLUGIN_OPTIONS
from hpccompat.slurm import options

# A command, what names the image, and the image; "?" where its name can't be known. Without the two: it names none.
RUNTIMES = """
apptainer exec docker://a/b:1 python x.sif              | apptainer exec           | a/b:1
apptainer exec --nv -eC -B/x:/y --pwd /z a.sif          | apptainer exec           | ./a.sif
apptainer exec -B /x,/y --env A=b /img/a.sif run        | apptainer exec           | /img/a.sif
apptainer exec --vm-ram 1 --bind=/x -H /h oras://r/a:1  | apptainer exec           | oras://r/a:1
apptainer -d -c /etc/a.conf run -- sandbox/             | apptainer run            | ./sandbox/
apptainer exec $IMG x                                   | apptainer exec           | ?
apptainer exec library://a/b                            | apptainer exec           | ?
apptainer exec img_*.sif x                              | apptainer exec           | ?
apptainer exec --new thing docker://a/b x               | apptainer exec           | a/b
apptainer exec --new=thing docker://a/b x               | apptainer exec           | a/b
apptainer exec --new thing x                            | apptainer exec           | ?
apptainer exec -eZ thing x                              | apptainer exec           | ?
apptainer shell a.img                                   | apptainer shell          | ./a.img
apptainer test a.sif                                    | apptainer test           | ./a.sif
apptainer instance start a.sif me                       | apptainer instance start | ./a.sif
apptainer instance run a.sif me                         | apptainer instance run   | ./a.sif
/opt/bin/singularity exec ../a.sif x                    | singularity exec         | ../a.sif
singularity run -S /tmp docker://a                      | singularity run          | a
apptainer pull a.sif docker://a
apptainer instance stop me
apptainer exec --help
apptainer exec --nv
apptainer
docker run --rm -it -v /a:/b --gpus all a/b sh          | docker run               | a/b
docker -H tcp://x container create -p80:80 r.org/a@x    | docker container create  | r.org/a@x
docker run --rm=true ubuntu                             | docker run               | ubuntu
docker create ubuntu                                    | docker create            | ubuntu
docker container run ubuntu                             | docker container run     | ubuntu
docker exec me ubuntu
podman run --network host quay.io/a/b sh                | podman run               | quay.io/a/b
podman --root /x create --userns=keep-id docker://a/b   | podman create            | a/b
podman container run localhost/a                        | podman container run     | localhost/a
podman container create localhost/a                     | podman container create  | localhost/a
podman run --rootfs /x sh                               | podman run               | /x
podman run ubuntu                                       | podman run               | ?
spack load hpctool@2.1 target=zen3                      | spack load               | hpctool@2.1 target=zen3
spack -e env load --first /7v3wpi5                      | spack load               | /7v3wpi5
spack load $TOOL                                        | spack load               | ?
spack env activate ./here                               | spack env activate       | ./here/spack.lock
spack env activate -p -d /envs/x                        | spack env activate       | /envs/x/spack.lock
spack env activate mine                                 | spack env activate       | ?
spack load --list
spack find hpctool
spack env deactivate
podman start quay.io/a/b
podman-hpc shared-run --mpi --gpu -v a:b quay.io/a/b    | podman-hpc shared-run    | quay.io/a/b
podman-hpc run --cuda-mpi quay.io/a/b                   | podman-hpc run           | quay.io/a/b
podman-hpc create quay.io/a/b                           | podman-hpc create        | quay.io/a/b
podman-hpc container run quay.io/a/b                    | podman-hpc container run | quay.io/a/b
podman-hpc container create quay.io/a/b                 | podman-hpc container create | quay.io/a/b
podman-hpc pull quay.io/a/b
enroot import docker://me@nvcr.io#a/b:1                 | enroot import            | nvcr.io/a/b:1
enroot import -o x.sqsh -- docker://a                   | enroot import            | a
enroot import podman://a                                | enroot import            | ?
enroot export docker://a
enroot create -n me a.sqsh                              | enroot create            | ./a.sqsh
enroot create --force --name=me /x/a.sqsh               | enroot create            | /x/a.sqsh
enroot remove a.sqsh
enroot start -rw -m /x:/y /x/a.sqsh sh                  | enroot start             | /x/a.sqsh
enroot start --env A=b a.sqsh                           | enroot start             | ./a.sqsh
enroot start me                                         | enroot start             | ?
enroot list a.sqsh
sarus run --mpi --mount=type=bind,source=/x a/b:1 x     | sarus run                | a/b:1
sarus --debug run -t -w /x r.org/a/b                    | sarus run                | r.org/a/b
sarus run load/library/a                                | sarus run                | ?
sarus pull a/b
ch-run -w -b /x /img/a -- x                             | ch-run                   | /img/a
ch-run --set-env=./e r.org:5000/a -- x                  | ch-run                   | r.org:5000/a
ch-run a.sqfs -- x                                      | ch-run                   | ./a.sqfs
ch-run alpine:3.17 -- x                                 | ch-run                   | alpine:3.17
ch-run alpine -- x                                      | ch-run                   | ?
ch-run --version
ch-image pull alpine:3.17
shifter --image=docker:a/b:1 --volume=/x:/y x           | shifter                  | a/b:1
shifter -V /x:/y -i custom:/x y                         | shifter                  | /x
shifter --image id:0123 x                               | shifter                  | ?
shifter a/b:1
shifterimg pull docker:a/b
"""
STARTED = """
srun -N2 --mpi=pmix -c 4 apptainer exec a.sif x         | apptainer exec           | ./a.sif
srun --container-image=nvcr.io#a/b --container-mounts /x a.sif | srun --container-image | nvcr.io/a/b
srun --container-image a/b x                            | srun --container-image   | a/b
srun --image=docker:a/b x                               | srun --image             | a/b
srun -n1 --image custom:/x y                            | srun --image             | /x
srun --uenv=/a.squashfs:/x x                            | srun --uenv              | /a.squashfs
srun --uenv prgenv-gnu x                                | srun --uenv              | ?
srun --container=/bundle x                              | srun --container         | /bundle
srun --container bundle x                               | srun --container         | ./bundle
srun --environment=pytorch x                            | srun --environment       | ?
srun --environment ./x.toml x                           | srun --environment       | ?
srun --singularity-container=a.sif x                    | srun --singularity-container | ./a.sif
srun --singularity-container /a.sif x                   | srun --singularity-container | /a.sif
srun --strange 3 apptainer exec a.sif x                 | apptainer exec           | ./a.sif
srun $OPTIONS apptainer exec a.sif x                    | apptainer exec           | ./a.sif
$LAUNCH apptainer exec a.sif x                          | apptainer exec           | ./a.sif
srun -J apptainer exec a.sif
srun cp a.sif /tmp
srun --container-name=a x
mpirun -np 4 --mca btl self,tcp -x A apptainer run a.sif | apptainer run           | ./a.sif
mpiexec -n 2 -genv A b -hosts x,y singularity run a.sif | singularity run          | ./a.sif
mpirun -np 2 --map-by ppr:1:node:PE=2 docker run a      | docker run               | a
mpirun -np 2 a.out a.sif
env -u C A=b D=e apptainer exec a.sif                   | apptainer exec           | ./a.sif
env -i apptainer exec a.sif                             | apptainer exec           | ./a.sif
env A=apptainer exec a.sif
sudo -E -u me docker run a                              | docker run               | a
sudo A=b podman run quay.io/a                           | podman run               | quay.io/a
sudo -l apptainer
time -p apptainer exec a.sif                            | apptainer exec           | ./a.sif
time -o out -f %e apptainer exec a.sif                  | apptainer exec           | ./a.sif
time x apptainer exec a.sif
timeout -k 5 10m apptainer exec a.sif                   | apptainer exec           | ./a.sif
timeout --signal=INT 5 ch-run a:1 -- x                  | ch-run                   | a:1
timeout apptainer exec a.sif
nice -n 5 apptainer exec a.sif                          | apptainer exec           | ./a.sif
nice apptainer exec a.sif                               | apptainer exec           | ./a.sif
nice x apptainer exec a.sif
numactl -N 0 -m0 apptainer exec a.sif                   | apptainer exec           | ./a.sif
numactl --cpunodebind=0 --localalloc sarus run a/b      | sarus run                | a/b
numactl -H apptainer
stdbuf -oL -e 0 apptainer exec a.sif                    | apptainer exec           | ./a.sif
stdbuf --output=L apptainer exec a.sif                  | apptainer exec           | ./a.sif
stdbuf -oL tee a.sif
taskset -c 0-3 apptainer exec a.sif                     | apptainer exec           | ./a.sif
taskset 0xff apptainer exec a.sif                       | apptainer exec           | ./a.sif
taskset -p 17
chrt -f 5 apptainer exec a.sif                          | apptainer exec           | ./a.sif
chrt 5 apptainer exec a.sif                             | apptainer exec           | ./a.sif
chrt -m
ionice -c 3 apptainer exec a.sif                        | apptainer exec           | ./a.sif
ionice --class=2 -n7 apptainer exec a.sif               | apptainer exec           | ./a.sif
ionice -p 17
setsid -w apptainer exec a.sif                          | apptainer exec           | ./a.sif
setsid apptainer exec a.sif                             | apptainer exec           | ./a.sif
setsid x apptainer
exec apptainer exec a.sif                               | apptainer exec           | ./a.sif
exec -a x apptainer exec a.sif                          | apptainer exec           | ./a.sif
exec x apptainer
nohup apptainer exec a.sif                              | apptainer exec           | ./a.sif
command apptainer exec a.sif                            | apptainer exec           | ./a.sif
nohup x apptainer exec a.sif
bash -lc 'cd /x && apptainer exec a.sif'                | apptainer exec           | ?
bash -lc 'cd /x && apptainer exec /a.sif'               | apptainer exec           | /a.sif
bash -lc 'apptainer exec a.sif; cd /x'                  | apptainer exec           | ./a.sif
sh -e -c "srun apptainer exec a.sif"                    | apptainer exec           | ./a.sif
bash x.sh apptainer exec a.sif
bash -c "echo apptainer exec a.sif"
srun env A=b nice -n 1 numactl -N0 apptainer exec a.sif | apptainer exec           | ./a.sif
echo apptainer exec a.sif
"apptainer exec a.sif"
"""
Row = tuple[str, str, str]


def rows(text: str) -> list[Row]:
    found = []
    for line in filter(None, text.split("\n")):
        command, _, rest = line.partition(" | ")
        by, _, image = rest.partition(" | ")
        found.append((command.strip(), by.strip(), image.strip()))
    return found


ROWS = rows(RUNTIMES) + rows(STARTED)


@pytest.mark.parametrize(("command", "by", "image"), ROWS, ids=[each[0] for each in ROWS])
def test_images_of_commands(command: str, by: str, image: str) -> None:
    words = shlex.split(command)
    found = [(each.command, each.image.name or "?") for each in guess_words(words)]
    assert found == ([(by, image)] if by else [])
    assert [each.name for each in guess_command(words)] == [image.replace("?", "")] * bool(by)


def of(programs: tuple[str, ...], text: str = RUNTIMES + STARTED) -> list[Row]:
    return [each for each in rows(text) if each[0].split()[0].rpartition("/")[2] in programs]


@pytest.mark.parametrize("row", RUNTIME_COMMANDS, ids=lambda row: f"{row.programs[0]}-{row.subcommands[0]}")
def test_every_runtime_has_two_examples_and_a_near_miss(row: table.RuntimeCommand) -> None:
    own = of(row.programs, RUNTIMES)
    names = {" ".join((program, *each)) for program in row.programs for each in row.subcommands}
    assert len([each for each in own if each[1] in names]) >= 2
    assert len([each for each in own if not each[1]]) >= 1
    for program in row.programs:
        assert any(each[1].split()[0] == program for each in own if each[1])
    for subcommand in row.subcommands:
        assert any(each[1] in {" ".join((one, *subcommand)) for one in row.programs} for each in own), subcommand


@pytest.mark.parametrize("row", PREFIXES, ids=lambda row: row.programs[0])
def test_every_prefix_has_two_examples_and_a_near_miss(row: table.Prefix) -> None:
    own = of(row.programs, STARTED)
    assert len([each for each in own if each[1]]) >= 2
    assert len([each for each in own if not each[1]]) >= 1


@pytest.mark.parametrize("row", PLUGIN_OPTIONS, ids=lambda row: row.option)
def test_every_option_of_a_plugin_has_two_examples(row: table.RuntimeCommand) -> None:
    assert len([each for each in rows(STARTED) if each[1] == f"srun --{row.option}"]) >= 2


def test_whatever_names_an_image_is_mentioned() -> None:
    named = {*table.PROGRAMS, *(f"--{row.option}" for row in PLUGIN_OPTIONS)}
    assert named == set(MENTIONS)
    plugin = (Path(__file__).parents[2] / "slurm" / "cli_filter.lua").read_text()
    assert set(re.findall(r'"([^"]+)"', plugin.split("local MENTIONS")[1].split("}")[0])) == named


def test_several_binaries_of_spack() -> None:
    found = guess_command("spack load hpctool@2.1 +mpi %gcc other /abc target=zen3".split())
    assert [(each.name, each.kind) for each in found] == [
        ("hpctool@2.1 +mpi %gcc", "spack"), ("other", "spack"), ("/abc target=zen3", "spack"),
    ]  # fmt: skip


WITH_FLAGS = [row for row in RUNTIME_COMMANDS if not row.option and not row.runtime.startswith("spack")]


@pytest.mark.parametrize("row", WITH_FLAGS, ids=lambda row: f"{row.programs[0]}-{row.subcommands[0]}")
def test_no_option_hides_the_image(row: table.RuntimeCommand) -> None:
    """Each option of the table, in each way that it can be written."""
    image = "docker://a" if row.runtime in ("apptainer", "enroot", "podman", "docker", "sarus") else "/x/a.sqsh"
    for name, count in row.flags.counts.items():
        if name in ("help", "rootfs") or (row.programs == ("enroot",) and name == "h"):
            continue
        dashes = "-" if len(name) == 1 else "--"
        forms = [[dashes + name, *["value"] * count]]
        forms += [[f"--{name}=value"]] if len(name) > 1 else [[f"-{name}value"]] if count else []
        for form in forms:
            (found,) = guess_command([row.programs[0], *row.subcommands[0], *form, image])
            assert found.name == image.removeprefix("docker://"), form


def test_sruns_options_are_those_of_the_request() -> None:
    counts = {name: int(kind is options.Value.REQUIRED) for name, kind in options._LONG["srun"].items()}
    letters = {letter: counts[name] for letter, name in options._LETTERS["srun"].items() if letter != "?"}
    own = flags.SRUN.counts
    assert {name: own.get(name) for name in counts | letters} == counts | letters


@pytest.mark.skipif(not shutil.which("docker"), reason="there is no docker command")
def test_dockers_options_are_those_of_its_help() -> None:
    text = subprocess.run(["docker", "run", "--help"], capture_output=True, text=True, check=True).stdout
    for short, name, value in re.findall(r"^ +(?:-(\w), )?--([a-z0-9-]+)( [a-z0-9-]+)? {2,}", text, re.MULTILINE):
        for each in filter(None, (short, name)):
            assert flags.DOCKER.counts[each] == bool(value), each


def test_options_end_where_they_should() -> None:
    some = flags.table("a b= long long-value= two==")
    assert read_flags(["-ab", "x", "-"], some).rest == ("-",)
    assert read_flags(["-abx", "y"], some).given == (("a", ""), ("b", "x"))
    assert read_flags(["-b=x", "y"], some).given == (("b", "x"),)
    assert read_flags(["--long", "--", "--long"], some).rest == ("--long",)
    assert read_flags(["--two", "1", "2", "y"], some).rest == ("y",)
    assert read_flags(["--long-value"], some) == flags.Read((("long-value", ""),), ())
    assert read_flags(["--other", "x"], some).unknown == "--other"


SCRIPT = """#!/bin/bash
#SBATCH --nodes=2
# apptainer exec comment.sif
IMG=/img/a.sif
OPTIONS="--nv -B /x"
apptainer exec $OPTIONS \\
    "$IMG" python <<EOF
apptainer exec here.sif
EOF
if [ "$1" ]; then
    srun -n2 singularity run docker://r.org/b:1 > out &
fi
VERSION=$(apptainer exec ${OTHER} version)
mpirun -n 1 apptainer run c.sif : -n 2 podman run quay.io/d x
"""


def test_images_of_a_script() -> None:
    assert [(each.line, each.command, each.image.name) for each in guess_images(SCRIPT)] == [
        (6, "apptainer exec", "/img/a.sif"),
        (11, "singularity run", "r.org/b:1"),
        (13, "apptainer exec", ""),
        (14, "apptainer run", "./c.sif"),
        (14, "podman run", "quay.io/d"),
    ]
    assert guess_images(SCRIPT.replace("bash", "perl")) == ()
    assert guess_images("#!/bin/sh\necho hello\n") == ()


@pytest.mark.parametrize(
    ("before", "known"),
    [("cd /x", False), ("pushd $X", False), ("cd", False), ("cd .", True), ('cd "$SLURM_SUBMIT_DIR" || exit', True)],
)
def test_relative_paths_in_another_folder(before: str, known: bool) -> None:
    for image, name in (("a.sif", "./a.sif"), ("oci-archive:a.tar", "oci-archive:a.tar")):
        (found,) = guess_images(f"{before}\napptainer exec {image}\n")
        assert found.image.name == (name if known else "")
    for image in ("/a.sif", "docker://a", "oci-archive:/a.tar"):
        assert guess_images(f"{before}\napptainer exec {image}\n")[0].image.name


WORDS = st.sampled_from(
    [*table.PROGRAMS, *(row.programs[0] for row in PREFIXES), "exec", "run", "bash", "-c", "--", "-n", "--image", ":",
     "x=", "--nv", "a.sif", "docker://a", "$X", "*", "", "-", "=", "apptainer exec a.sif", "/", "bash -c 'srun x : y'"]
)  # fmt: skip


@given(st.lists(WORDS | st.text(max_size=8), max_size=12))
def test_no_words_make_it_stumble(words: list[str]) -> None:
    for each in guess_command(words):
        assert bool(each.name) != bool(each.unknown)


@given(st.text(max_size=80) | st.lists(WORDS, max_size=12).map(" ".join))
def test_no_script_makes_it_stumble(script: str) -> None:
    assert len(guess_images(script)) <= table.GUESS_LIMIT


def test_no_script_makes_it_slow() -> None:
    started = time.process_time()
    for text in ("srun ", "bash -c ", ": ", "apptainer exec -B ", "mpirun : ", "env A=b ", "apptainer run x : \n"):
        guess_images("apptainer srun " + text * (1024 * 1024 // len(text)))
    assert time.process_time() - started < 60
    assert len(guess_images("apptainer run a.sif\n" * 50_000)) == table.GUESS_LIMIT
