"""Who may import whom, which packages are pure, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hpccompat"

# Part -> the parts that it may import; what those may import, it may too. `errors` is everyone's.
BELOW = {
    "errors": (),
    "reference": (),
    "document": (),
    "plan_cache": (),
    "launch": ("plan_cache",),
    "decision_log": (),
    "settings": (),
    "features": ("document",),
    "rules": ("features",),
    "spec": ("rules", "document"),
    "artifact": ("reference",),
    "runtimes": ("reference",),
    "sources": ("features",),
    "nodes": ("features",),
    "plan": ("spec", "nodes"),
    "spack": ("spec", "features", "reference", "artifact"),
    "slurm": ("plan", "nodes", "launch"),
    "demand": ("slurm", "runtimes"),
    "resolution": ("demand", "artifact", "spec", "spack"),
    "guess": ("demand", "resolution", "reference"),
    "diagnosis": ("settings", "slurm"),
    "job_plan": ("guess", "resolution", "plan", "slurm"),
    "judging": ("settings", "resolution", "artifact", "plan", "slurm"),
    "workflow": (
        "settings",
        "job_plan",
        "judging",
        "guess",
        "resolution",
        "plan_cache",
        "artifact",
        "runtimes",
        "plan",
        "spack",
        "slurm",
    ),
}
# A command: the workflow, settings, and what it fronts.
FRONTS = {
    "submit": ("slurm", "plan_cache", "decision_log"),
    "hook": ("slurm", "plan_cache", "runtimes", "decision_log"),
    "plan": ("slurm",),
    "check": ("resolution", "plan", "sources"),
    "binaries": ("resolution", "plan", "sources"),
    "generate": ("resolution",),
    "features": ("sources", "nodes"),
    "records": ("sources", "nodes"),
    "index": ("sources", "nodes"),
    "publish": ("slurm",),
    "why": ("slurm", "nodes"),
    "doctor": ("diagnosis", "slurm", "nodes"),
    "validation": ("spec",),
    "attachments": ("resolution", "artifact", "spec"),
    "embed": ("spec", "artifact"),
    "image_files": ("artifact", "reference"),
    "cache": ("artifact",),
    "render": ("plan",),
}
EFFECTS = {"os", "subprocess", "socket", "logging", "time", "shutil", "tempfile", "requests", "pathlib", "threading"}
PURE = [
    "reference.py",
    "document",
    "runtimes",
    "spec",
    "rules",
    "features",
    "plan",
    "nodes/hostlist.py",
    "demand.py",
    "spack/model.py",
    "spack/specfile.py",
    "spack/query.py",
    "spack/facts.py",
    "spack/gpus.py",
    "spack/microarchitecture.py",
    "spack/compatibility.py",
    "spack/elf.py",
    "slurm/options.py",
    "slurm/plan.py",
    "slurm/directives.py",
    "slurm/dialects.py",
    "slurm/request.py",
    "slurm/constraint.py",
    "slurm/labels.py",
    "slurm/labelling.py",
    "slurm/cli_filter.py",
]


def reach(part: str) -> set[str]:
    found = {part}
    for below in BELOW[part]:
        found |= reach(below)
    return found


def imports(file: Path) -> set[str]:
    """All that a module imports, also inside functions and for type checkers."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found.add(node.module or "")
    return found


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_only_what_lies_below_is_imported(file: Path) -> None:
    part = part_of(file)
    used = {name.split(".")[1] for name in imports(file) if name.startswith("hpccompat.")}
    if part in ("__init__", "__main__"):
        return
    if part == "cli":
        command = file.stem
        allowed = {"cli", "settings", "workflow", "job_plan", "judging", "errors"}
        for below in FRONTS.get(command, ()):
            allowed |= reach(below)
        if command == "main":
            allowed = {"cli", "errors"}
    else:
        allowed = reach(part) | {"errors"}
    assert used <= allowed, f"{part} must not import {used - allowed}"


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_have_no_effects(name: str) -> None:
    path = PACKAGE / name
    for file in path.rglob("*.py") if path.is_dir() else [path] if path.exists() else []:
        effects = {each for each in imports(file) if each.split(".")[0] in EFFECTS}
        assert not effects, f"{file.name} imports {effects}"


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after the statement."""
    code = f"import sys; before = set(sys.modules)\n{statement}\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_bare_import_loads_nothing_else() -> None:
    assert loaded_by("import hpccompat") <= {"hpccompat", "__future__", "typing", "re", "typing.re", "typing.io"} | set(
        loaded_by("import typing")
    )
    assert not {name for name in loaded_by("import hpccompat") if name.startswith("hpccompat.")}


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        (
            "import hpccompat.cli.features",
            {"yaml", "oras", "requests", "re2", "ClusterShell", "tabulate", "subprocess"},
        ),
        ("import hpccompat.cli.submit", {"oras", "requests", "re2", "ClusterShell", "tabulate", "yaml", "jsonschema"}),
        ("import hpccompat.workflow", {"oras", "requests", "re2", "ClusterShell", "tabulate", "jsonschema", "yaml"}),
    ],
)
def test_heavy_libraries_load_where_they_are_used(statement: str, heavy: set[str]) -> None:
    assert not loaded_by(statement) & heavy


def test_the_short_way_of_a_submission_imports_next_to_nothing() -> None:
    statement = "from hpccompat.launch import launch; assert launch(['sbatch', 'job.sh']) is None"
    assert loaded_by(statement) - loaded_by("import os, stat, time") <= {
        "__future__", "_blake2", "hpccompat", "hpccompat.launch", "hpccompat.plan_cache"
    }  # fmt: skip


def test_public_names_load_on_first_use() -> None:
    import hpccompat

    for name in hpccompat.__all__:
        assert getattr(hpccompat, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        hpccompat.nonsense  # noqa: B018
