"""`spec embed` without apptainer: what it refuses, and what it would run. With apptainer: tests/apptainer."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hpccompat.cli.main import main
from hpccompat.spec.decode import load_spec
from hpccompat.spec.encode import dump_spec
from tests.artifact.sif_bytes import FILE_SYSTEM, PULLED, SIGNED, Part, sif, spec
from tests.integration.line import SOLVER

NORMAL = dump_spec(load_spec(SOLVER.read_bytes()))


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    path = tmp_path / "app.sif"
    path.write_bytes(sif([PULLED, FILE_SYSTEM]))
    return path


def program(folder: Path, name: str, script: str) -> Path:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def embed(image: Path, *options: str, spec: Path = SOLVER) -> int:
    return main(["spec", "embed", str(image), str(spec), *options])


@pytest.mark.parametrize(
    ("parts", "options", "status", "said"),
    [
        ([PULLED, FILE_SYSTEM, SIGNED], [], 4, "is signed, and .* would fail .*beside it .*app.sif.compat.yaml"),
        ([FILE_SYSTEM, spec("{}"), SIGNED], ["--replace"], 4, "is signed"),
        ([FILE_SYSTEM, spec("{}")], [], 4, "holds another spec already .object 2.; --replace puts"),
        ([FILE_SYSTEM], [], 3, "apptainer is not there; name it by --apptainer"),
        ([FILE_SYSTEM], ["--apptainer", "/nonexistent"], 3, "/nonexistent is not there"),
        ([FILE_SYSTEM], ["--nonsense"], 2, "unrecognized arguments: --nonsense"),
    ],
)  # fmt: skip
def test_refusals_change_nothing(
    image: Path, parts: list[Part], options: list[str], status: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = sif(parts)
    image.write_bytes(data)
    try:
        found = embed(image, *options)
    except SystemExit as error:
        found = int(str(error.code))
    assert found == status
    assert re.search(said, capfd.readouterr().err)
    assert image.read_bytes() == data


def test_an_invalid_spec_is_refused(image: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "spec.yaml"
    wrong.write_text("compatibilities:\n- rules:\n  - name: a\n    matchFeatures:\n    - feature: cpu.cpuid\n"
                     "      matchExpressions:\n        AVX: {op: Exist}\n")  # fmt: skip
    assert embed(image, spec=wrong) == 2
    said = capfd.readouterr().err
    assert f"{wrong}:7:" in said
    assert "has errors, and is not embedded" in said
    assert embed(image, spec=tmp_path / "absent.yaml") == 2
    assert embed(tmp_path / "absent.sif") == 3
    assert embed(SOLVER) == 3


def test_what_would_run(image: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert embed(image, "--dry-run") == 0
    line = capfd.readouterr().out.splitlines()[-1]
    options = "--datatype 6 --groupid 1 --filename image-compatibility.json"
    assert line == f"apptainer sif add {options} {image} image-compatibility.json"


def test_the_old_spec_goes_after_the_new_one_is_there(image: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In the group that the image has."""
    image.write_bytes(sif([replace(each, group=3) for each in (FILE_SYSTEM, spec("1"), spec("2"))]))
    program(image.parent, "singularity", "exit 0")
    assert main(["--output", "json", "spec", "embed", str(image), str(SOLVER), "--replace", "--dry-run"]) == 0
    added, *deleted = json.loads(capfd.readouterr().out)["commands"]
    assert added[:7] == ["singularity", "sif", "add", "--datatype", "6", "--groupid", "3"]
    assert deleted == [["singularity", "sif", "del", id, str(image)] for id in "23"]


def test_a_spec_that_is_there_stays(image: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for signed in ([], [SIGNED]):
        image.write_bytes(sif([FILE_SYSTEM, spec(NORMAL), *signed]))
        assert embed(image) == 0
        assert "holds this spec already" in capfd.readouterr().out


def test_what_apptainer_is_told(image: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also that its word is not taken for it."""
    program(tmp_path, "apptainer", f'printf "%s\\n" "$@" >{tmp_path}/words; /bin/cp "${{10}}" {tmp_path}/spec')
    assert embed(image) == 3
    assert "reported success, but the file does not hold the spec" in capfd.readouterr().err
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:2] + words[-2:-1] == ["sif", "add", str(image)]
    assert (tmp_path / "spec").read_text() == NORMAL
    assert not Path(words[-1]).exists()


def test_what_apptainer_complains_of_is_told(image: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program(tmp_path, "apptainer", "echo; echo 'Error: no room' >&2; exit 255")
    assert embed(image) == 3
    assert "exit status 255: Error: no room" in capfd.readouterr().err
