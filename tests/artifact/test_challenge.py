"""WWW-Authenticate headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpccompat.artifact.challenge import Challenge, chosen, parse_challenges, scope


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ('Basic realm="here"', [("basic", {"realm": "here"})]),
        (
            'Bearer realm="https://auth.example.org/token",service="registry",scope="repository:a/b:pull,push"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.example.org/token",
                        "service": "registry",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        ('Basic realm="x", Bearer realm="y"', [("basic", {"realm": "x"}), ("bearer", {"realm": "y"})]),
        ("Negotiate, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        (r'Basic realm="a \"quoted\" name"', [("basic", {"realm": 'a "quoted" name'})]),
        ("BEARER Realm=x", [("bearer", {"realm": "x"})]),
    ],
)
def test_challenges(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(each.scheme, dict(each.parameters)) for each in parse_challenges(header)] == expected


@given(st.text(st.characters(max_codepoint=127), max_size=200))
def test_no_header_makes_it_stumble(header: str) -> None:
    parse_challenges(header)


def test_a_token_goes_before_a_password() -> None:
    assert chosen((Challenge("basic"), Challenge("bearer"))) == Challenge("bearer")
    assert chosen((Challenge("negotiate"),)) is None


def test_scopes() -> None:
    assert scope("a/b", "pull", "") == "repository:a/b:pull"
    assert scope("a", "pull", "repository:a:pull repository:b:pull") == "repository:a:pull repository:b:pull"
