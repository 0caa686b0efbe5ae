"""hpccompat: starts HPC jobs only on nodes that can run them.

Public names load on first use, so that importing the package costs nothing:

    load_spec(text)                     str or bytes -> CompatibilitySpec; raises SpecError
    load_features(mapping)              NFD Features JSON -> Features; raises FeaturesError
    check_node(spec, features, tags)    -> NodeReport; raises EvaluationError
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers read it, without the cost of importing typing

__version__ = "0.1.0"

__all__ = [
    "CompatibilitySpec",
    "EvaluationError",
    "Features",
    "FeaturesError",
    "HpccompatError",
    "NodeReport",
    "SpecError",
    "__version__",
    "check_node",
    "load_features",
    "load_spec",
]

if TYPE_CHECKING:
    from hpccompat.errors import EvaluationError, FeaturesError, HpccompatError, SpecError
    from hpccompat.features.codec import load_features
    from hpccompat.features.model import Features
    from hpccompat.spec.check import NodeReport, check_node
    from hpccompat.spec.decode import load_spec
    from hpccompat.spec.model import CompatibilitySpec

_HOME = {
    "CompatibilitySpec": "hpccompat.spec.model",
    "EvaluationError": "hpccompat.errors",
    "Features": "hpccompat.features.model",
    "FeaturesError": "hpccompat.errors",
    "HpccompatError": "hpccompat.errors",
    "NodeReport": "hpccompat.spec.check",
    "SpecError": "hpccompat.errors",
    "check_node": "hpccompat.spec.check",
    "load_features": "hpccompat.features.codec",
    "load_spec": "hpccompat.spec.decode",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
