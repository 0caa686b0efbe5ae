"""The error tree: the picture in the docstring is the tree in the code."""

from __future__ import annotations

import re

import hpccompat.errors as errors


def drawn() -> dict[str, int]:
    lines = re.findall(r"[├└]── (\w+) +(\d)", errors.__doc__ or "")
    return {name: int(code) for name, code in lines}


def test_every_error_is_drawn_with_its_exit_code() -> None:
    classes = {
        name: each.exit_code
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, errors.HpccompatError) and each is not errors.HpccompatError
    }
    assert classes == drawn()


def test_a_document_error_says_where() -> None:
    error = errors.SpecError("spec-type", "must be a list", "compatibilities[0].rules", 4, 7)
    assert str(error) == "line 4, column 7: compatibilities[0].rules: must be a list"
    assert str(errors.SpecError("limit", "too large")) == "too large"
