"""What this version does not evaluate."""

from __future__ import annotations


class UnsupportedTemplate(Exception):
    """Never leaves the package's loader: `load_spec` turns it into its SpecError. The text names the part."""
