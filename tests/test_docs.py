"""The documents say what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from hpccompat.cli.main import COMMANDS
from hpccompat.settings import Policy, Settings
from hpccompat.slurm.options import OURS

DOCS = Path(__file__).parents[1] / "docs"
README = Path(__file__).parents[1] / "README.md"


def rows(text: str) -> dict[str, str]:
    """First column -> second, of the tables whose first column is code."""
    return dict(re.findall(r"^\| `([a-z_]+)` \| `([^`]*)` \|", text, re.MULTILINE))


def test_every_setting_is_documented_with_its_default() -> None:
    keys, states = (DOCS / "settings.md").read_text().split("## Policy")
    defaults = {each.name: getattr(Settings(), each.name) for each in fields(Settings)}
    shown = {
        name: "[]" if value == () else f"{value:g}" if isinstance(value, (int, float)) else str(value)
        for name, value in defaults.items()
        if name not in ("policy", "disabled", "notes")
    }
    assert rows(keys) == shown
    assert rows(states) == {each.name: getattr(Policy(), each.name) for each in fields(Policy)}


def test_the_readme_names_what_there_is() -> None:
    text = README.read_text()
    for option in OURS:
        assert f"`{option}" in text
    for command in COMMANDS:
        assert f"hpccompat {command}" in text


def test_links_lead_somewhere() -> None:
    for file in (README, *DOCS.glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name}: {target}"
