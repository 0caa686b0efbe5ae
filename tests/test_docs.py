"""The documents say what the code does."""

from __future__ import annotations

import re
import textwrap
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

import hpccompat
from hpccompat.artifact.label import LABEL
from hpccompat.artifact.sidecar import SUFFIXES
from hpccompat.artifact.sif import SPEC_NAMES
from hpccompat.cli.embed import _parser
from hpccompat.cli.main import COMMANDS
from hpccompat.features.identity import IDENTITY
from hpccompat.features.known import KNOWN_SETS
from hpccompat.rules.template import limits
from hpccompat.rules.template.functions import FUNCTIONS
from hpccompat.rules.template.refused import DEPTH, REFUSED
from hpccompat.rules.template.regexes import PATTERN_LIMIT
from hpccompat.settings import Policy, Settings
from hpccompat.slurm.options import OURS
from hpccompat.sources.cpuid import X86_TABLE

DOCS = Path(__file__).parents[1] / "docs"
README = Path(__file__).parents[1] / "README.md"


def rows(text: str) -> dict[str, str]:
    """First column -> second, of the tables whose first column is code."""
    return dict(re.findall(r"^\| `([a-z_]+)` \| `([^`]*)` \|", text, re.MULTILINE))


def test_every_setting_is_documented_with_its_default() -> None:
    keys, states = (DOCS / "settings.md").read_text().split("## Policy")
    defaults = {each.name: getattr(Settings(), each.name) for each in fields(Settings)}
    shown = {
        name: {(): "[]", True: "true", False: "false"}[value]
        if isinstance(value, (tuple, bool)) and value in ((), True, False)
        else f"{value:g}"
        if isinstance(value, (int, float))
        else str(value)
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


def test_what_images_on_disk_carry_is_documented() -> None:
    text = (DOCS / "images.md").read_text()
    for name in (LABEL, *SPEC_NAMES, *(f"IMAGE{suffix}" for suffix in SUFFIXES)):
        assert f"`{name}`" in text
    usage = _parser().format_usage()
    for option in re.findall(r"--[a-z-]+", usage):
        assert f"`{option}" in text


EXAMPLE = re.compile(r"^```yaml (rule|node [^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str, str]]:
    """(rules, node, expected) of docs/rules.md: each node belongs to the rules above it."""
    found, rules = [], ""
    for kind, text in EXAMPLE.findall((DOCS / "rules.md").read_text()):
        if kind == "rule":
            rules = text
        else:
            found.append((rules, text, kind.removeprefix("node ")))
    return found


def features_of(text: str) -> object:
    """A mapping is attributes, a list of words flags, a list of mappings instances."""
    kinds: dict[str, dict[str, object]] = {"flags": {}, "attributes": {}, "instances": {}}
    for name, value in yaml.safe_load(text).items():
        if isinstance(value, dict):
            kinds["attributes"][name] = {"elements": value}
        elif value and isinstance(value[0], dict):
            kinds["instances"][name] = {"elements": [{"attributes": each} for each in value]}
        else:
            kinds["flags"][name] = {"elements": {each: {} for each in value}}
    return kinds


@pytest.mark.parametrize(("rules", "node", "expected"), examples())
def test_the_examples_of_the_spec_language(rules: str, node: str, expected: str) -> None:
    spec = hpccompat.load_spec("version: v1alpha1\ncompatibilities:\n- rules:\n" + textwrap.indent(rules, "  "))
    features = hpccompat.load_features(features_of(node))
    if expected.startswith("error "):
        with pytest.raises(hpccompat.EvaluationError) as error:
            hpccompat.check_node(spec, features)
        assert error.value.kind == expected.removeprefix("error ")
    else:
        assert expected in ("matches", "does not match")
        assert hpccompat.check_node(spec, features).compatible == (expected == "matches")


def test_there_are_examples() -> None:
    assert len(examples()) >= 38


def test_the_functions_of_templates_are_listed() -> None:
    chapter = (DOCS / "rules.md").read_text().split("## Templates")[1].split("## What surprises")[0]
    has, lacks = chapter.split("| because it | functions |")
    functions, refused = (
        {name for line in re.findall(r"^\| [^|`]+ \| (`.*`) \|$", part, re.M) for name in re.findall(r"`(\w+)`", line)}
        for part in (has, lacks)
    )
    with_must = {f"must{name[0].upper()}{name[1:]}" for name in functions}
    assert functions <= FUNCTIONS.keys() <= functions | with_must
    assert refused == REFUSED.keys()


def test_the_limits_of_templates_are_told() -> None:
    text = " ".join((DOCS / "rules.md").read_text().split("## Differences from NFD")[1].split())
    assert f"may take {limits.STEPS:,} steps" in text
    assert f"together {limits.ALL_STEPS:,}" in text
    assert f"make {limits.SIZE // 2**20} MiB" in text
    assert f"nest {DEPTH} deep in its text and {limits.DEPTH} deep when it runs" in text
    assert f"in a template of {PATTERN_LIMIT:,}" in text


FEATURE = re.compile(
    r"^\| `([a-z.]+)` \| (flags|attributes|instances) \| ([^|]*) \| ([^|]*) \|(?:[^|]*\|){3} (yes|no) \|$", re.M
)


def test_every_feature_is_documented() -> None:
    """docs/features.md against the sets that are known, and against those that differ on every node."""
    text = (DOCS / "features.md").read_text()
    table = FEATURE.findall(text)
    assert len(table) == len([line for line in text.splitlines() if line.startswith("| `")]), "a row is of another form"
    documented: dict[str, set[str]] = {}
    kinds: dict[str, set[str]] = {}
    for name, kind, elements, _, differs in table:
        names = set(re.findall(r"`([^`]+)`", elements))
        documented.setdefault(name, set()).update(names)
        kinds.setdefault(name, set()).add(kind)
        assert (differs == "yes") == bool(names & IDENTITY.get(name, frozenset())), name
    assert documented.keys() == KNOWN_SETS.keys() - {"rule.matched"}
    for name, elements in documented.items():
        known = KNOWN_SETS[name]
        assert kinds[name] == set(known.kinds), name
        assert elements == (known.elements or {"*"}) or (name == "cpu.cpuid" and "*" in elements), name


def test_the_flags_that_cpuinfo_does_not_tell_are_listed() -> None:
    told: dict[str, set[str]] = {}
    for row in map(str.split, X86_TABLE.strip().splitlines()):
        told.setdefault(row[0], set()).add(row[5])
    section = (DOCS / "features.md").read_text().split("These are then missing:")[1].split("Which Linux flag")[0]
    assert set(re.findall(r"`([^`]+)`", section)) == {name for name, linux in told.items() if linux == {"-"}}


def test_the_grades_of_spack_binaries_are_documented() -> None:
    """docs/spack.md against the sets that a binary with everything gets."""
    from hpccompat.spack.compatibility import FULL_WEIGHT, compatibility_of
    from hpccompat.spack.facts import Facts
    from hpccompat.spack.microarchitecture import features_of
    from hpccompat.spack.model import Target

    zen3 = Target("zen3", "AuthenticAMD")
    facts = Facts("app", "x86_64", (zen3,), features_of(zen3), gpu=("nvidia",), cuda_arch=("80",), fabrics=("efa",))
    single = {each.tag: each.weight for each in compatibility_of(facts).compatibilities if "-" not in each.tag}
    table = re.findall(r"^\| `(\w+)` \| (−?\d+) \|", (DOCS / "spack.md").read_text(), re.M)
    documented = {tag: int(text.replace("−", "-")) for tag, text in table}
    assert {tag: weight if weight > 0 else FULL_WEIGHT + weight for tag, weight in documented.items()} == single
