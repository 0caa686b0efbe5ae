"""Recorded answers of NFD's own engine (mid-2026), and the comparison of ours with them.

One JSON object a line: `features` or `features_ref`, `spec` or `spec_yaml`, `tags`, and `expect`: NFD's
status list and variables, or the kind of its error, or that it crashed.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hpccompat
from hpccompat.errors import DocumentError, EvaluationError

OWN = Path(__file__).parent / "vectors"
_SURROGATES = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}")
Case = dict[str, Any]


def own_groups() -> list[str]:
    return sorted(file.name.removesuffix(".jsonl.xz") for file in OWN.glob("*.jsonl.xz"))


def own_cases(group: str) -> list[Case]:
    features = json.loads(lzma.decompress((OWN / "features.json.xz").read_bytes()))
    lines = lzma.decompress((OWN / f"{group}.jsonl.xz").read_bytes()).decode().split("\n")
    return [_resolved(json.loads(line), features) for line in lines if line]


def shared_cases(folder: Path, group: str) -> list[Case]:
    features = {file.name: json.loads(file.read_text()) for file in (folder / "features").glob("*.json")}
    lines = (folder / "vectors" / f"{group}.jsonl").read_text().split("\n")
    return [_resolved(json.loads(line), features) for line in lines if line]


def _resolved(case: Case, features: Mapping[str, Any]) -> Case:
    if "features_ref" in case:
        case["features"] = features[case["features_ref"]]
    return case


def text_of(case: Case) -> str:
    """The spec's text. A spec given as JSON is read as YAML, which knows no escapes of surrogates, and to
    which some bare control characters are line breaks."""
    if "spec_yaml" in case:
        return str(case["spec_yaml"])
    return _SURROGATES.sub(lambda pair: str(json.loads(f'"{pair.group()}"')), json.dumps(case["spec"]))


def verdict(case: Case) -> object:
    """What our engine says of a case, at the level of verdicts."""
    try:
        spec = hpccompat.load_spec(text_of(case))
        features = hpccompat.load_features(case["features"])
        report = hpccompat.check_node(spec, features, case.get("tags") or ())
    except (DocumentError, EvaluationError) as error:
        return ("error", error.kind)
    rules = [[(rule.rule.name, rule.matched) for rule in each.rules] for each in report.sets]
    return ("status", rules, report.matched_vars if any(report.matched_vars) else None)


def expected(case: Case) -> Iterator[object]:
    """The verdicts that agree with NFD's."""
    expect = case["expect"]
    if "error_kind" in expect:
        kinds = expect["error_kind"]
        yield from (("error", kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))
    elif "panic" in expect:
        # Where NFD crashes, any error of ours will do.
        ours = verdict(case)
        yield ours if isinstance(ours, tuple) and ours[0] == "error" else None
    else:
        rules = [[(rule["name"], rule["isMatch"]) for rule in each.get("rules") or []] for each in expect["status"]]
        yield ("status", rules, expect.get("vars"))


def status(case: Case) -> object:
    """NFD's list as we print it; None where there is an error instead."""
    try:
        spec = hpccompat.load_spec(text_of(case))
        report = hpccompat.check_node(spec, hpccompat.load_features(case["features"]), case.get("tags") or ())
    except (DocumentError, EvaluationError):
        return None
    return report.to_nfd()
