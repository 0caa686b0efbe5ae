"""The command line, as people and programs meet it; no cluster is needed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from hpccompat.cli.main import COMMANDS, printable
from tests.cluster.site import HOSTS, HPCCOMPAT
from tests.integration.line import SOLVER, run_hpccompat

SPEC_ON_KERNEL = (
    '{"compatibilities": [{"weight": 3, "rules": [{"name": "Linux", "matchFeatures": [{"feature": '
    '"kernel.version", "matchExpressions": {"major": {"op": "Ge", "value": ["2"]}}}]}]}]}'
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A site whose six kinds of node have all reported."""
    config = tmp_path / "config.toml"
    config.write_text(f'store = "{tmp_path}/store"\nhost_root = "{HOSTS}/%n"\n')
    for root in HOSTS.iterdir():
        run_hpccompat("--config", config, "features", "collect", "--node", root.name)
    return config


def test_help_teaches() -> None:
    text = run_hpccompat("--help").stdout
    assert all(name in text for name in COMMANDS)
    assert "exit status" in text
    for command in ("check", "plan", "features"):
        answer = run_hpccompat(command, "--help")
        assert (answer.returncode, answer.stderr) == (0, "")
        assert "usage: " in answer.stdout
    assert run_hpccompat("--version").stdout.startswith("hpccompat ")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["--output", "xml", "check"], ["check"], ["features"], ["plan"]])
def test_wrong_usage_is_status_2(words: list[str]) -> None:
    assert run_hpccompat(*words).returncode == 2


def test_all_recorded_nodes(config: Path) -> None:
    answer = run_hpccompat("--output", "json", "--config", config, "check", "--spec", SOLVER, "--all")
    assert answer.returncode == 0
    found = json.loads(answer.stdout)
    assert found["eligible"] == "icelake-rocky9-infiniband,zen3-rocky9-infiniband,sapphirerapids-rocky9-h100"
    assert found["counts"] == {"eligible": 3, "incompatible": 8, "error": 0, "unknown": 0}
    assert {each["text"] for each in found["reasons"] if each["nodes"] == "sandybridge-rocky9-infiniband"} == {
        "cpu.cpuid: X86_64_V3 missing"
    }
    table = run_hpccompat("--config", config, "check", "--spec", SOLVER, "--all")
    assert table.returncode == 0
    assert "X86_64_V3 missing" in table.stdout


def test_of_several_specs_a_node_must_satisfy_each(config: Path, tmp_path: Path) -> None:
    other = tmp_path / "amd.json"
    other.write_text(SPEC_ON_KERNEL.replace("kernel.version", "cpu.model").replace(
        '{"major": {"op": "Ge", "value": ["2"]}}', '{"vendor_id": {"op": "In", "value": ["AMD"]}}'
    ))  # fmt: skip
    command = ("--output", "json", "--config", config, "check", "--spec", SOLVER, "--spec", other)
    answer = run_hpccompat(*command, "--all")
    assert (answer.returncode, json.loads(answer.stdout)["eligible"]) == (0, "zen3-rocky9-infiniband")
    assert run_hpccompat(*command).returncode == 2


@pytest.mark.parametrize(
    ("nodes", "status"),
    [
        ("zen3-rocky9-infiniband", 0),
        ("zen3-rocky9-infiniband,icelake-rocky9-infiniband", 0),
        ("zen3-rocky9-infiniband,haswell-centos7-infiniband", 1),
        ("zen3-rocky9-infiniband,never-seen", 1),
        ("n[1-", 2),
    ],
)
def test_named_nodes(config: Path, nodes: str, status: int) -> None:
    assert run_hpccompat("--config", config, "check", "--spec", SOLVER, "--node", nodes).returncode == status


def test_one_feature_file(config: Path, tmp_path: Path) -> None:
    features = tmp_path / "features.json"
    features.write_text(run_hpccompat("features", "discover", "--root", HOSTS / "haswell-centos7-infiniband").stdout)
    answer = run_hpccompat("check", "--spec", SOLVER, "--features", features)
    assert answer.returncode == 1
    assert "-- kernel 4.18 or newer" in answer.stdout
    assert "ok CPU instructions" in answer.stdout
    assert "major is '3' (wanted Gt [4])" in answer.stdout
    found = json.loads(run_hpccompat("--output", "json", "check", "--spec", SOLVER, "--features", features).stdout)
    assert (found["compatible"], found["weight"], found["errors"]) == (False, None, [])
    assert [rule["match"] for rule in found["sets"][0]["rules"]] == [True, False, True]


def test_a_feature_file_may_be_yaml(tmp_path: Path) -> None:
    features, spec = tmp_path / "features.yaml", tmp_path / "spec.yaml"
    features.write_text("attributes:\n  kernel.version:\n    elements: {major: '6', minor: '1'}\n")
    spec.write_text(SPEC_ON_KERNEL)
    answer = run_hpccompat("check", "--spec", spec, "--features", features)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "kernel.version: major is '6'" in answer.stdout
    features.write_text("attributes:\n  kernel.version:\n    elements: {major: 6}\n")
    assert "elements.major: must be a string, not a number" in run_hpccompat(
        "check", "--spec", spec, "--features", features
    ).stderr  # fmt: skip


def test_nfds_own_list(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC_ON_KERNEL)
    answer = run_hpccompat("--output", "nfd-json", "check", "--spec", spec)
    expression = {"feature": "kernel.version", "name": "major", "expression": {"op": "Ge", "value": ["2"]}}
    row = {**expression, "matcherType": "matchExpression", "isMatch": True}
    assert json.loads(answer.stdout) == [
        {"rules": [{"name": "Linux", "isMatch": True, "matchedExpressions": [row]}], "weight": 3}
    ]
    assert run_hpccompat("--output", "nfd-json", "check", "--spec", spec, "--all").returncode == 2


def test_specs_are_validated(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SOLVER.read_text().replace("matchAny", "matchAll").replace('"4"', "4.10"))
    answer = run_hpccompat("spec", "validate", SOLVER, spec)
    assert answer.returncode == 2
    assert f"{SOLVER}: no remarks" in answer.stdout
    assert f"{spec}:12:5: error: compatibilities[0].rules[1].matchAll: unknown key" in answer.stdout
    (good, bad) = json.loads(run_hpccompat("--output", "json", "spec", "validate", SOLVER, spec).stdout)
    assert good == {"file": str(SOLVER), "remarks": []}
    assert {each["level"] for each in bad["remarks"]} == {"error", "warning"}


def test_an_error_is_neither_true_nor_false(tmp_path: Path) -> None:
    spec, features = tmp_path / "spec.yaml", tmp_path / "features.json"
    spec.write_text(SOLVER.read_text().replace("op: Gt, value", "op: Gt, type: nonsense, value"))
    features.write_text('{"attributes": {"kernel.version": {"elements": {"major": "6"}}}}')
    answer = run_hpccompat("--output", "json", "check", "--spec", spec, "--features", features)
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["compatible"] is None
    assert "unknown type 'nonsense'" in json.loads(answer.stdout)["errors"][0]


def test_this_host_is_checked_without_more(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(SPEC_ON_KERNEL)
    answer = run_hpccompat("--output", "json", "check", "--spec", spec)
    assert answer.returncode == 0
    assert json.loads(answer.stdout)["weight"] == 3


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        (["--spec", "nowhere.yaml"], 2, "nowhere.yaml: No such file"),
        (["--image", "a/B"], 2, "'a/B' is not the name of an image"),
        (["--image", "app.sif"], 3, "app.sif"),
        (["--spec", str(SOLVER), "--tag", "gpu"], 2, "no set has the tag gpu (there are none)"),
        (["--spec", str(SOLVER), "--node", ""], 3, "the store of node records can't be read"),
        (["--image", "127.0.0.1:1/a"], 3, "Connection refused"),
        (["--spec", str(SOLVER), "--features", "nowhere.json"], 2, "nowhere.json: No such file"),
        (["--spec", str(SOLVER), "--features", str(SOLVER)], 2, "neither a node record nor NFD Features"),
    ],
)
def test_errors_have_their_status_and_stand_on_stderr(arguments: list[str], status: int, named: str) -> None:
    answer = run_hpccompat("check", *arguments)
    assert (answer.returncode, answer.stdout) == (status, "")
    assert named in answer.stderr
    assert "Traceback" not in answer.stderr


def test_records_are_shown(config: Path) -> None:
    rows = json.loads(run_hpccompat("--output", "json", "--config", config, "features", "show").stdout)
    assert {row["node"] for row in rows} == {root.name for root in HOSTS.iterdir()}
    one = run_hpccompat("--config", config, "features", "show", "icelake-rocky9-infiniband")
    assert json.loads(one.stdout)["kind"] == "NodeRecord"
    assert run_hpccompat("--config", config, "features", "show", "never-seen").returncode == 2


def test_a_spec_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    hostile = r'"\e]0;owned\a\u202e"'
    spec.write_text(
        f"compatibilities: [{{description: {hostile}, rules: [{{name: {hostile}, matchFeatures: "
        f"[{{feature: {hostile}, matchExpressions: {{{hostile}: {{op: In, value: [{hostile}]}}}}}}]}}]}}]"
    )
    answer = run_hpccompat("check", "--spec", spec)
    assert answer.returncode == 1
    assert "owned" in answer.stdout
    assert all(each.isprintable() or each == "\n" for each in answer.stdout + answer.stderr)
    assert printable("a\x1b[0m\u202eb\n") == "a\\x1b[0m\\u202eb\n"


def test_a_closed_pipe_is_no_error(config: Path) -> None:
    command = f"{HPCCOMPAT} --config {config} features show zen3-rocky9-infiniband | true"
    done = subprocess.run(["sh", "-c", command], env=os.environ, capture_output=True, text=True, check=False)
    assert done.stderr == ""
