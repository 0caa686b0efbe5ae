"""YAML as Go reads it, and its limits; the many corners are in the conformance vectors (hand-yaml)."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.document.scalar import as_string, plain
from hpccompat.document.tree import Mapping, Scalar, Sequence, as_data
from hpccompat.document.yaml import Limits, parse
from hpccompat.errors import DocumentError


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("yes", "true"), ("off", "false"), ("~", ""), ("010", "8"), ("0o10", "8"), ("08", "8"), ("0x1F", "31"),
        ("0b101", "5"), ("1_000", "1000"), ("+1", "1"), ("-0", "0"), ("1.10", "1.1"), ("1.0", "1"), ("1e6", "1e+06"),
        ("1000000.0", "1e+06"), ("3.1415926535", "3.1415927"), ("0.0001", "0.0001"), ("0.00001", "1e-05"),
        ("16777216.0", "1.6777216e+07"), ("123456.7", "123456.7"),
        (".inf", "+Inf"), ("-.inf", "-Inf"), (".nan", "NaN"), ("1e100", "+Inf"),
        ("2024-01-01", "2024-01-01"), ("12:30:45", "12:30:45"), ("8.10.0", "8.10.0"),
        ("18446744073709551615", "18446744073709551615"),
        ("9" * 5000, "9" * 5000), ("1e400", "1e400"), ("-1e400", "-1e400"), (".5", "0.5"),
        (".5_5", ".5_5"), ("5_5.5", "55.5"),
        ("18446744073709551616", "1.8446744e+19"), ("0_8", "8"), ("_1", "_1"), ("+0x1F", "31"),
        ("-0b11", "-3"), ("-_5", "-5"), (".e5", ".e5"),
        ("-", "-"), ("1e", "1e"), ("٣", "٣"),
    ],
)  # fmt: skip
def test_unquoted_scalars_become_what_go_prints(text: str, printed: str) -> None:
    assert as_string(plain(text)) == printed


def test_keys_merges_and_documents() -> None:
    text = "base: &b {u: 1, v: 2}\nyes: 1\n8: 2\nuse: {v: 3, <<: *b}\nall: {<<: [{z: 1}, {z: 2}]}\n---\nsecond: 1\n"
    assert as_data(parse(text)) == {
        "base": {"u": 1, "v": 2},
        "true": 1,
        "8": 2,
        "use": {"v": 2, "u": 1},
        "all": {"z": 1},
    }


def test_what_looks_like_a_merge_or_a_number_and_is_text() -> None:
    text = 'a: &a {x: 1}\nb: {"<<": *a}\nc: {.inf: 1, -.inf: 2, 1.50: 3, !!str 1: 4}\nd: [<<, !!bool "yes", ! "010"]'
    assert as_data(parse(text)) == {
        "a": {"x": 1},
        "b": {"<<": {"x": 1}},
        "c": {".inf": 1, "-.inf": 2, "1.5": 3, "1": 4},
        "d": ["<<", True, 8],
    }


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        ("a: [", "yaml-syntax", (2, 1)),
        ("a: b: c", "yaml-syntax", (1, 5)),
        ("? [x]\n: 1", "yaml-syntax", (1, 3)),
        ("~: 1", "yaml-syntax", (1, 1)),
        ("a: !!python/object:os.system x", "yaml-syntax", (1, 4)),
        ("a: *nowhere", "yaml-syntax", (1, 4)),
        ("%YAML 1.2\n---\na: 1", "yaml-syntax", (1, 1)),
        ("a: \x01", "yaml-syntax", None),
        (b"a: \xff", "yaml-syntax", None),
        ("a: !!int x", "yaml-syntax", (1, 4)),
        ("x" * 1_100_000, "limit", None),
        ("[" * 100, "limit", (1, 65)),
        ("a: &a x\nb: [" + "*a, " * 101 + "]", "limit", None),
        ("[" + "1," * 10_001 + "]", "limit", None),
        ("[" + "{}," * 10_001 + "]", "limit", None),
        ("[" + "[[]]," * 5_001 + "]", "limit", None),
    ],
)
def test_errors_name_the_place(text: str | bytes, kind: str, place: tuple[int, int] | None) -> None:
    with pytest.raises(DocumentError) as error:
        parse(text)
    assert error.value.kind == kind
    if place:
        assert (error.value.line, error.value.column) == place


def test_aliases_do_not_multiply() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [" + ",".join([f"*a{n - 1}"] * 9) + "]\n" for n in range(1, 9)
    )
    started = time.perf_counter()
    with pytest.raises(DocumentError) as error:
        parse(bomb)
    assert error.value.kind == "limit"
    assert time.perf_counter() - started < 1


def test_the_limits_are_arguments() -> None:
    assert as_data(parse("[[1]]", Limits(depth=2))) == [[1]]
    with pytest.raises(DocumentError):
        parse("[[1]]", Limits(depth=1))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(codec="ascii", min_codepoint=32)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_means_itself(value: object) -> None:
    assert as_data(parse(json.dumps(value))) == value


@given(st.text() | st.binary())
def test_no_input_raises_anything_but_our_error(text: str | bytes) -> None:
    try:
        node = parse(text)
    except DocumentError:
        return
    assert isinstance(node, (Scalar, Sequence, Mapping))
