"""Every error that hpccompat raises, with the exit code of a command that ends with it.

HpccompatError
├── UsageError            2   the command line is wrong
├── SettingsError         2   a settings file, or a variable of the environment
├── InvalidReference      2   not the name of an image
├── DocumentError         2   YAML or JSON that can't be read: kind, line, column
│   ├── SpecError         2   a compatibility spec: kind
│   ├── FeaturesError     2   a feature file: kind
│   ├── RecordError       2   a node record, or a node's name
│   └── SpackError        2   Spack's metadata, or the name of a Spack binary
├── EvaluationError       1   the rule engine stopped: kind (nothing is compatible then)
├── Unavailable           3   something needed can't be reached or isn't there
│   ├── RegistryError     3   registry, image or artifact
│   │   └── RegistryDown  3   the registry can't be reached, or is silent
│   ├── ImageUnknown      3   what an image's name stands for can't be known here
│   ├── ImageError        3   an image file or layout that can't be read
│   ├── SlurmError        3   a Slurm command
│   ├── StoreError        3   the store of node records
│   └── BuildcacheError   3   a Spack mirror, install or lockfile, or a binary that should be there
└── Refused               4   the policy forbids it
"""

from __future__ import annotations


class HpccompatError(Exception):
    exit_code = 2


class UsageError(HpccompatError):
    pass


class SettingsError(HpccompatError):
    pass


class InvalidReference(HpccompatError):
    pass


class DocumentError(HpccompatError):
    """`kind` is `yaml-syntax`, `spec-type`, `limit` or `unsupported-template`; of a record also `absent`.

    `path` names the place in the document (`compatibilities[0].rules[1].name`), empty at the top;
    `line` and `column` count from 1 and are 0 where they are not known.
    """

    def __init__(self, kind: str, text: str, path: str = "", line: int = 0, column: int = 0) -> None:
        self.kind, self.text, self.path, self.line, self.column = kind, text, path, line, column
        where = f"line {line}, column {column}: " if line else ""
        super().__init__(f"{where}{path}: {text}" if path else f"{where}{text}")


class SpecError(DocumentError):
    pass


class FeaturesError(DocumentError):
    pass


class RecordError(DocumentError):
    pass


class SpackError(DocumentError):
    pass


class EvaluationError(HpccompatError):
    """The rule engine stops where NFD's would; `kind` is one of NFD's error kinds, `panic`
    (NFD crashes there), or `limit`."""

    exit_code = 1

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        super().__init__(text)


class Unavailable(HpccompatError):
    exit_code = 3


class RegistryError(Unavailable):
    pass


class RegistryDown(RegistryError):
    pass


class ImageUnknown(Unavailable):
    pass


class ImageError(Unavailable):
    pass


class SlurmError(Unavailable):
    pass


class StoreError(Unavailable):
    pass


class BuildcacheError(Unavailable):
    pass


class Refused(HpccompatError):
    exit_code = 4
