"""The rule engine: how many evaluations a second, and what hostile input costs.

    make bench, or python -m benchmarks.rules

The first figure is also given as a ratio to decoding the same node's features from JSON, in this same run.
"""

from __future__ import annotations

import functools
import json
import statistics
import time
from collections.abc import Callable

import hpccompat
from hpccompat.errors import EvaluationError, HpccompatError
from hpccompat.rules.vars_template import VarsTemplate
from tests.rules.test_template_limits import FLAGS
from tests.rules.test_template_limits import MANY as TEMPLATES

# The specification that the project began with: a module, a vendor, one of two adapters.
SEED = """
version: v1alpha1
compatibilities:
- description: "My image requirements"
  rules:
  - name: "kernel and cpu"
    matchFeatures:
    - {feature: kernel.loadedmodule, matchExpressions: {vfio-pci: {op: Exists}}}
    - {feature: cpu.model, matchExpressions: {vendor_id: {op: In, value: [Intel, AMD]}}}
  - name: "one of available nics"
    matchAny:
    - matchFeatures:
      - {feature: pci.device, matchExpressions: {vendor: {op: In, value: ["0eee"]}, class: {op: In, value: ["0200"]}}}
    - matchFeatures:
      - {feature: pci.device, matchExpressions: {vendor: {op: In, value: ["0fff"]}, class: {op: In, value: ["0200"]}}}
"""
DEVICE = {"class": "0604", "device": "2014", "vendor": "8086", "subsystem_vendor": "0000", "subsystem_device": "0000"}
ADAPTER = {**DEVICE, "class": "0200", "vendor": "0fff"}
NODE = {
    "flags": {
        "kernel.loadedmodule": {"elements": {name: {} for name in ["vfio-pci", *(f"module_{n}" for n in range(150))]}},
        "cpu.cpuid": {"elements": {f"FLAG{n}": {} for n in range(80)}},
    },
    "attributes": {
        "cpu.model": {"elements": {"vendor_id": "AMD", "family": "25", "id": "1"}},
        "kernel.config": {"elements": {f"CONFIG{n}": "y" for n in range(2000)}},
    },
    "instances": {"pci.device": {"elements": [{"attributes": DEVICE}] * 40 + [{"attributes": ADAPTER}]}},
}
REGEX = (
    "compatibilities: [{rules: [{name: r, matchFeatures: [{feature: cpu.model, matchExpressions: "
    "{vendor_id: {op: InRegexp, value: ['%s']}}}]}]}]"
)
HOSTILE = {
    "nested quantifiers": REGEX % "(((a*)*)*)*b",
    "overlapping alternatives": REGEX % ("(a|a|aa)*" * 200 + "$"),
    "counted repetitions": REGEX % "((((a{1,9}){1,9}){1,9}){1,9}){1,9}",
    "long pattern": REGEX % ("a?" * 2000),
    "longer pattern": REGEX % ("a?" * 200_000),
    "unicode complements": REGEX % r"[\P{LC}\p{Cn}\pC]{2}",
    "alias bomb": "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
    "100,000 levels": "[" * 100_000,
    "as many values as allowed": "compatibilities: [" + "{}," * 9_990 + "]",
    "more values than allowed": "compatibilities: [" + "{}," * 300_000 + "]",
    "2 MiB": "x" * 2**21,
    "endless template": "compatibilities: [{rules: [{name: r, matchFeatures: [{feature: cpu.model}], "
    "varsTemplate: '{{range 99999}}{{range 99999}}x{{end}}{{end}}'}]}]",
}


def seconds(call: Callable[[], object], times: int) -> float:
    """The median of some runs."""
    runs = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        runs.append(time.perf_counter() - started)
    return statistics.median(runs)


def outcome(text: str) -> str:
    features = hpccompat.load_features(NODE)
    try:
        hpccompat.check_node(hpccompat.load_spec(text), features)
    except HpccompatError as error:
        return f"refused: {getattr(error, 'kind', type(error).__name__)}"
    return "answered"


def _stopped(template: VarsTemplate) -> None:
    try:
        template.variables([FLAGS])
    except EvaluationError:
        return
    raise AssertionError("it was not stopped")


def main() -> None:
    spec, features = hpccompat.load_spec(SEED), hpccompat.load_features(NODE)
    assert hpccompat.check_node(spec, features).compatible
    evaluation = seconds(lambda: hpccompat.check_node(spec, features), 2000)
    text = json.dumps(NODE)
    decoding = seconds(lambda: hpccompat.load_features(json.loads(text)), 50)
    loading = seconds(lambda: hpccompat.load_spec(SEED), 50)
    print(f"evaluations of the seed's spec on one node   {1 / evaluation:10,.0f} a second")
    print(f"decoding the node's features                 {decoding / evaluation:10.1f} × one evaluation")
    print(f"loading the spec                             {loading / evaluation:10.1f} × one evaluation")
    print()
    taken = []
    for text in TEMPLATES:
        template = VarsTemplate(text)
        taken.append((seconds(functools.partial(_stopped, template), 5), text[-50:]))
    slowest, which = max(taken)
    print(f"{len(taken)} hostile templates, the slowest stopped after {1000 * slowest:.1f} ms (target 100): {which}")
    print()
    for name, hostile in HOSTILE.items():
        started = time.perf_counter()
        found = outcome(hostile)
        took = time.perf_counter() - started
        print(f"{name:<26}{len(hostile):>10,} bytes  {took * 1000:8.1f} ms  {found}")


if __name__ == "__main__":
    main()
