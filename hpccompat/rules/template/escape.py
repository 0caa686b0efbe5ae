"""Texts for other languages (text/template's html, js, urlquery)."""

from __future__ import annotations

from urllib.parse import quote_plus

from hpccompat.rules.template.limits import Limits
from hpccompat.rules.template.printing import print_all
from hpccompat.rules.template.values import Value

_HTML = {0: "\ufffd", ord('"'): "&#34;", ord("'"): "&#39;", ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_JS = {ord("\\"): "\\\\", ord("'"): "\\'", ord('"'): '\\"'} | {
    code: f"\\u{code:04X}" for code in (*range(32), *b"<>&=")
}


def _text(limits: Limits, values: tuple[Value, ...]) -> str:
    text = print_all(limits, tuple(b"<no value>" if each is None else each for each in values))
    limits.characters(len(text))
    return text.decode("utf-8", "surrogateescape")


def html(limits: Limits, *values: Value) -> bytes:
    return _text(limits, values).translate(_HTML).encode("utf-8", "surrogateescape")


def js(limits: Limits, *values: Value) -> bytes:
    escaped = _text(limits, values).translate(_JS)
    return "".join(each if each.isascii() else _js(each) for each in escaped).encode("utf-8", "surrogateescape")


def _js(character: str) -> str:
    is_byte = "\udc80" <= character <= "\udcff"
    return character if is_byte or character.isprintable() else f"\\u{ord(character):04X}"


def urlquery(limits: Limits, *values: Value) -> bytes:
    return quote_plus(_text(limits, values).encode("utf-8", "surrogateescape"), safe="~").encode()
