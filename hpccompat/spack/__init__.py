"""What Spack knows of a binary, before it is installed: buildcaches, installs and lockfiles, read without Spack."""

from __future__ import annotations


def get_extension_path() -> str:
    """The folder of our extension to Spack, for Spack's entry points (group `spack.extensions`).

    It lies beside the package in a checkout, and under `share` of the environment that we are installed in."""
    from importlib import metadata
    from pathlib import Path

    beside = Path(__file__).parents[2] / "spack" / "spack-compat"
    if beside.is_dir():
        return str(beside)
    try:
        files = metadata.files("hpccompat") or []
    except metadata.PackageNotFoundError:
        files = []
    core = next((each for each in files if each.parts[-3:] == ("spack-compat", "compat", "core.py")), None)
    return str(Path(str(core.locate())).resolve().parents[1]) if core is not None else str(beside)
