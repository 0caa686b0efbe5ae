"""The extension to Spack: its form, and its work, inside a stand-in for Spack's own modules.

(What it takes of Spack, and how Spack loads it, is what Spack 0.20 to 1.x have in common.)
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import os
import re
import stat
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpccompat.spack import get_extension_path
from hpccompat.spack.specfile import load_specfile
from tests.cluster.site import PROJECT
from tests.spack.mirrors import Package

EXTENSION = PROJECT / "spack/spack-compat"
FILES = sorted(EXTENSION.rglob("*.py"))
STANDARD = {"json", "os", "shutil", "subprocess", "sys", "tempfile"}
# All that is used of Spack.
OF_SPACK = {
    "spack.cmd",
    "spack.binary_distribution",
    "spack.store",
    "spack.environment",
    "spack.extensions.compat.core",
}


def test_it_lies_where_spack_looks() -> None:
    assert re.fullmatch(r"spack-(\w[-\w]*)", EXTENSION.name)
    assert (EXTENSION / "compat/cmd/compat.py").is_file()
    assert Path(get_extension_path()) == EXTENSION


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(EXTENSION)))
def test_it_runs_on_old_pythons_with_the_standard_library(file: Path) -> None:
    tree = ast.parse(file.read_text(), feature_version=(3, 6))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= STANDARD | OF_SPACK
    # Of later Pythons, but no matter of syntax.
    calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not calls & {"removeprefix", "removesuffix", "capture_output"}


class Spec:
    """A concrete spec, as far as the extension asks."""

    def __init__(self, package: Package, prefix: str = "", external: bool = False) -> None:
        self.package, self.name, self.prefix, self.external = package, package.name, prefix, external
        self.installed = bool(prefix)

    def dag_hash(self) -> str:
        return self.package.hash

    def satisfies(self, wanted: str) -> bool:
        return self.name == wanted.split("@")[0]

    def to_json(self) -> str:
        return json.dumps({"spec": self.package.spec()})

    def format(self, form: str) -> str:
        return form.format(name=self.name, version=self.package.version, arch=self.package.target, hash="x")


APP, OTHER, TWIN = Package("app", target="zen3"), Package("other"), Package("app", target="icelake")


class Spack:
    """Spack, and an `hpccompat` that keeps what it is called with, and answers by the target."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.installed: list[Spec] = []
        self.mirrored = [Spec(APP), Spec(OTHER), Spec(Package("glibc", external="/usr"), external=True)]
        self.active: Any = None
        for name in ("spack", "spack.extensions", "spack.extensions.compat"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        self.module(monkeypatch, "spack.cmd", parse_specs=lambda words: list(words))
        self.module(monkeypatch, "spack.binary_distribution", update_cache_and_get_specs=lambda: self.mirrored)
        database = types.SimpleNamespace(query=lambda: self.installed)
        self.module(monkeypatch, "spack.store", STORE=types.SimpleNamespace(db=database))
        self.module(
            monkeypatch, "spack.environment", read=lambda name: self.environment(name),
            active_environment=lambda: self.active,
        )  # fmt: skip
        self.load(monkeypatch, "spack.extensions.compat.core", EXTENSION / "compat/core.py")
        command = self.load(monkeypatch, "spack.extensions.compat.cmd.compat", EXTENSION / "compat/cmd/compat.py")
        self.setup: Callable[[argparse.ArgumentParser], None] = command.setup_parser
        self.compat = command.compat
        program = folder / "hpccompat"
        program.write_text(
            f'#!{sys.executable}\nimport json, os, sys\nfile = sys.argv[sys.argv.index("--spack") + 1]\n'
            f'open("{folder}/calls", "a").write(json.dumps(sys.argv[1:]) + "\\n")\n'
            f'if os.path.isfile(file): open("{folder}/handed", "w").write(open(file).read())\n'
            'fits = "zen3" in (open(file).read() if os.path.isfile(file) else "zen3")\n'
            'if "json" in sys.argv: print(json.dumps({"compatible": fits}))\n'
            "sys.exit(0 if fits else 1)\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("HPCCOMPAT", str(program))

    @staticmethod
    def module(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
        module = types.ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(sys.modules["spack"], name.partition(".")[2], module, raising=False)

    @staticmethod
    def load(monkeypatch: pytest.MonkeyPatch, name: str, file: Path) -> Any:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    def environment(self, name: str) -> Any:
        return types.SimpleNamespace(name=name, lock_path=str(self.folder / name / "spack.lock"))

    def run(self, *words: str) -> int:
        parser = argparse.ArgumentParser(prog="spack compat")
        self.setup(parser)
        status = self.compat(parser, parser.parse_args(words))
        assert isinstance(status, int)
        return status

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]


@pytest.fixture
def spack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spack:
    return Spack(tmp_path, monkeypatch)


@pytest.mark.parametrize("word", ["app", "app@1.0", f"/{APP.hash}", f"/{APP.hash[:6]}", f"app/{APP.hash[:6]}"])
def test_a_binary_of_a_mirror_is_handed_over_as_a_spec_file(spack: Spack, word: str) -> None:
    assert spack.run("check", word) == 0
    (call,) = spack.calls()
    assert call[:2] == ["check", "--spack"]
    assert not os.path.exists(call[2])  # it is removed again
    assert load_specfile((spack.folder / "handed").read_bytes(), "handed").roots == (APP.hash,)


def test_of_an_installed_one_the_files_count(spack: Spack) -> None:
    prefix = spack.folder / "prefix"
    (prefix / ".spack").mkdir(parents=True)
    spack.installed = [Spec(APP, str(prefix))]
    assert spack.run("check", "app") == 0
    assert spack.calls() == [["check", "--spack", str(prefix)]]


def test_of_several_each_has_a_line(spack: Spack, capsys: pytest.CaptureFixture[str]) -> None:
    spack.mirrored.append(Spec(TWIN))
    assert spack.run("check", "app", "--node", "n[1-4]") == 0
    assert [line.split()[1:] for line in capsys.readouterr().out.splitlines()] == [
        ["zen3", "/x", "compatible"], ["icelake", "/x", "incompatible"],
    ]  # fmt: skip
    assert all(call[-2:] == ["--node", "n[1-4]"] for call in spack.calls())


def test_each_spec_has_to_have_one(spack: Spack) -> None:
    assert spack.run("check", "app", "other") == 1


def test_nodes(spack: Spack) -> None:
    assert spack.run("nodes", f"/{APP.hash}") == 0
    assert spack.calls()[0][-1] == "--all"


def test_environments(spack: Spack, capsys: pytest.CaptureFixture[str]) -> None:
    assert spack.run("check") == 2
    assert "name specs, or an environment" in capsys.readouterr().err
    assert spack.run("check", "-e", "work") == 2
    assert "environment work has no spack.lock" in capsys.readouterr().err
    (spack.folder / "work").mkdir()
    (spack.folder / "work/spack.lock").write_text("zen3")
    spack.active = spack.environment("work")
    assert spack.run("check", "-e", "work") == spack.run("nodes") == 0
    lock = str(spack.folder / "work/spack.lock")
    assert spack.calls() == [["check", "--spack", lock], ["check", "--spack", lock, "--all"]]
    assert spack.run("check", "-e", "work", "app") == 2


def test_what_is_missing_is_said(
    spack: Spack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert spack.run("check", "nothing") == 3
    assert "no binary is meant by 'nothing'" in capsys.readouterr().err
    assert spack.run() == 2
    monkeypatch.setenv("HPCCOMPAT", "/nowhere/hpccompat")
    assert spack.run("check", "app") == 3
    assert "hpccompat is not on the PATH" in capsys.readouterr().err
