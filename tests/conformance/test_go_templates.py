"""Templates written at random, and what Go's text/template (1.26) with sprig (3.2) made of them.

One JSON value a line: first what matched, then [template, "ok", text] or [template, "parse" or "exec", ""].
"""

from __future__ import annotations

import json
import lzma
from collections import Counter
from pathlib import Path

from hpccompat.errors import EvaluationError
from hpccompat.rules.template.execute import execute
from hpccompat.rules.template.functions import FUNCTIONS
from hpccompat.rules.template.limits import Limits
from hpccompat.rules.template.parser import parse_template
from hpccompat.rules.template.refused import TemplateSyntaxError
from hpccompat.rules.template.values import Map, template_data

FILE = Path(__file__).parent / "go-templates.jsonl.xz"
FIRST, *ANSWERS = [json.loads(line) for line in lzma.decompress(FILE.read_bytes()).decode().split("\n")]


def answer(text: str, data: Map) -> tuple[str, str]:
    try:
        return "ok", execute(parse_template(text), data, Limits()).decode()
    except TemplateSyntaxError:
        return "parse", ""
    except EvaluationError as error:
        return error.kind.removeprefix("template-"), ""


def test_go_says_the_same() -> None:
    # A template may change what it is given (sortAlpha does, of a list of texts), so each gets its own.
    wrong = [
        f"{text}: {ours}, not {(kind, written)}"
        for text, kind, written in ANSWERS
        if (ours := answer(text, template_data(Limits(), FIRST["matched"]))) != (kind, written)
    ]
    assert wrong == []


def test_the_answers_are_of_all_kinds_and_functions() -> None:
    kinds = Counter(kind for _, kind, _ in ANSWERS)
    assert min(kinds["ok"], kinds["parse"], kinds["exec"]) > 500
    used = {name for name in FUNCTIONS if any(f"{{{{{name}" in text or f"({name} " in text for text, *_ in ANSWERS)}
    assert len(FUNCTIONS.keys() - used) < 10
