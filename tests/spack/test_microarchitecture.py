"""What targets ask of a CPU, bound to archspec's table and to NFD's names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from archspec.cpu import TARGETS

from hpccompat.sources.cpuid import ARM_FLAGS, X86_TABLE
from hpccompat.spack.microarchitecture import features_of, nfd_flag, outermost, x86_flags
from hpccompat.spack.model import Target

# On x86: NFD has no name for these.
UNNAMED = {"clflushopt", "clwb", "fsgsbase", "pku", "rdpid", "sha512", "tsc_adjust"}


def test_names_are_those_of_the_collector() -> None:
    linux: dict[str, set[str]] = {}
    for row in map(str.split, X86_TABLE.strip().splitlines()):
        linux.setdefault(row[5], set()).add(row[0])
    for feature, flag in x86_flags().items():
        # Linux calls SSE3 pni; and it has it where it has SSSE3.
        assert flag in linux[{"sse3": "pni"}.get(feature, feature)], feature


@pytest.mark.parametrize(("family", "unnamed"), [("x86_64", UNNAMED), ("aarch64", None)])
def test_every_feature_of_archspec_has_a_name_or_is_known_to_have_none(family: str, unnamed: set[str] | None) -> None:
    features = {each for target in TARGETS.values() if target.family.name == family for each in target.features}
    without = {each for each in features if not nfd_flag(each, family)}
    assert without == (unnamed if unnamed is not None else features - set(ARM_FLAGS.lower().split()))


def test_the_names_that_others_wrote_down(shared: Path) -> None:
    theirs = json.loads((shared / "spack/nfd-cpuid-to-archspec.json").read_text())["map"]
    assert {feature: flag for flag, feature in theirs.items() if feature in x86_flags()}.items() <= x86_flags().items()


def test_the_outermost_targets() -> None:
    def names(*targets: str) -> list[str]:
        return [each.name for each in outermost({Target(target) for target in targets})]

    assert names("x86_64_v3", "icelake", "x86_64") == ["icelake"]
    assert names("zen3", "icelake", "x86_64_v3") == ["icelake", "zen3"]
    assert names("unheard", "x86_64") == ["unheard", "x86_64"]


def test_the_name_counts_and_not_the_builders_archspec() -> None:
    assert features_of(Target("zen3", "AuthenticAMD", frozenset({"avx512f"}))) == TARGETS["zen3"].features
    assert features_of(Target("zen99", "AuthenticAMD", frozenset({"avx512f"}))) == {"avx512f"}
