"""The label of an image that holds its compatibility spec (pure)."""

from __future__ import annotations

# OCI image configs, apptainer definition files: the value is the spec's text, YAML or JSON.
LABEL = "org.hpccompat.spec"
