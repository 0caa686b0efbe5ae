"""Texts (sprig, "String Functions"). Lengths and places count bytes, as in Go; what works on characters says so."""

from __future__ import annotations

from hpccompat.rules.template.convert import strings, to_string
from hpccompat.rules.template.limits import Limits, failed
from hpccompat.rules.template.printing import print_all, printed
from hpccompat.rules.template.quoting import quoted
from hpccompat.rules.template.values import STRING_MAP, STRINGS, Map, Slice, Value, runes
from hpccompat.rules.vars_template import WHITE_SPACE


def upper_rune(character: str) -> str:
    """unicode.ToUpper: one character for one; the sharp s stays."""
    return next((each for each in (character.upper(), character.title()) if len(each) == 1), character)


def lower_rune(character: str) -> str:
    return character.lower()[:1]


def title_rune(character: str) -> str:
    titled = character.title()
    return titled if len(titled) == 1 else character


def _kept(text: bytes) -> str:
    """Characters, and bytes that are none such that `_bytes` gives them back."""
    return text.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def upper(limits: Limits, text: bytes) -> bytes:
    limits.make(2 * len(text))
    characters = runes(text)
    changed = characters.upper()
    if len(changed) != len(characters):
        limits.characters(len(characters))
        changed = "".join(map(upper_rune, characters))
    return changed.encode()


def lower(limits: Limits, text: bytes) -> bytes:
    limits.make(2 * len(text))
    characters = runes(text)
    changed = characters.lower()
    # Python knows that a sigma at the end of a word looks different.
    if len(changed) != len(characters) or "\u03a3" in characters:
        limits.characters(len(characters))
        changed = "".join(map(lower_rune, characters))
    return changed.encode()


def title(limits: Limits, text: bytes) -> bytes:
    """The first letter of each word; words end at what is no letter, digit or underscore."""
    limits.characters(len(text))
    found, before = [], " "
    for each in runes(text):
        inside = before.isalpha() or before.isdecimal() or before == "_"
        starts = not inside and (before in WHITE_SPACE or before.isascii())
        found.append(title_rune(each) if starts else each)
        before = each
    return "".join(found).encode()


def trim(text: bytes) -> bytes:
    return _bytes(_kept(text).strip(WHITE_SPACE))


def trim_all(cut: bytes, text: bytes) -> bytes:
    return _bytes(_kept(text).strip(_kept(cut)))


def trim_prefix(prefix: bytes, text: bytes) -> bytes:
    return text.removeprefix(prefix)


def trim_suffix(suffix: bytes, text: bytes) -> bytes:
    return text.removesuffix(suffix)


def repeat(limits: Limits, count: int, text: bytes) -> bytes:
    if count < 0:
        raise failed("strings: negative Repeat count")
    limits.make(count * len(text))
    return text * count if text else b""


def substring(start: int, end: int, text: bytes) -> bytes:
    """From the beginning if `start` is negative, to the end if `end` is negative or lies beyond it."""
    first, last = max(start, 0), end
    if start >= 0 and (end < 0 or end > len(text)):
        last = len(text)
    if not 0 <= first <= last <= len(text):
        raise failed("slice bounds out of range")
    return text[first:last]


def truncate(count: int, text: bytes) -> bytes:
    """The first bytes; with a negative count the last ones."""
    if count < 0 and len(text) + count > 0:
        return text[len(text) + count :]
    return text[:count] if count >= 0 else text


def contains(part: bytes, text: bytes) -> bool:
    return part in text


def has_prefix(prefix: bytes, text: bytes) -> bool:
    return text.startswith(prefix)


def has_suffix(suffix: bytes, text: bytes) -> bool:
    return text.endswith(suffix)


def replace(limits: Limits, old: bytes, new: bytes, text: bytes) -> bytes:
    """An empty `old` stands between all characters."""
    count = text.count(old) if old else len(text) + 1
    limits.make(len(text) + count * len(new))
    return text.replace(old, new) if old else _bytes(_kept(text).replace("", _kept(new)))


def quote(limits: Limits, *values: Value) -> bytes:
    texts = [to_string(limits, each) for each in values if each is not None]
    limits.characters(sum(map(len, texts)))
    return b" ".join(map(quoted, texts))


def single_quote(limits: Limits, *values: Value) -> bytes:
    texts = [b"'" + printed(limits, each) + b"'" for each in values if each is not None]
    limits.make(sum(map(len, texts)))
    return b" ".join(texts)


def cat(limits: Limits, *values: Value) -> bytes:
    texts = [printed(limits, each) for each in values if each is not None]
    limits.make(sum(map(len, texts)))
    return b" ".join(texts)


def indent(limits: Limits, spaces: int, text: bytes) -> bytes:
    padding = repeat(limits, spaces, b" ")
    return padding + replace(limits, b"\n", b"\n" + padding, text)


def nindent(limits: Limits, spaces: int, text: bytes) -> bytes:
    return b"\n" + indent(limits, spaces, text)


def plural(one: bytes, many: bytes, count: int) -> bytes:
    return one if count == 1 else many


def join(limits: Limits, separator: bytes, value: Value) -> bytes:
    texts = [each for each in strings(limits, value).items if isinstance(each, bytes)]
    limits.make(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def split_list(limits: Limits, separator: bytes, text: bytes) -> Slice:
    return Slice([*_parts(limits, separator, -1, text)], STRINGS)


def split(limits: Limits, separator: bytes, text: bytes) -> Map:
    """_0, _1, ... -> the parts."""
    return splitn(limits, separator, -1, text)


def splitn(limits: Limits, separator: bytes, count: int, text: bytes) -> Map:
    """At most `count` parts."""
    parts = _parts(limits, separator, count, text)
    return Map({b"_%d" % position: each for position, each in enumerate(parts)}, STRING_MAP)


def _parts(limits: Limits, separator: bytes, count: int, text: bytes) -> list[bytes]:
    """An empty separator parts all characters."""
    limits.elements(text.count(separator) + 1 if separator else len(text))
    if count == 0:
        return []
    if separator:
        return text.split(separator, count - 1 if count > 0 else -1)
    characters = _kept(text)
    if 0 < count < len(characters):
        return [*map(_bytes, characters[: count - 1]), _bytes(characters[count - 1 :])]
    return list(map(_bytes, characters))


def print_line(limits: Limits, *values: Value) -> bytes:
    texts = [printed(limits, each) if each is not None else b"<nil>" for each in values]
    limits.make(sum(map(len, texts)))
    return b" ".join(texts) + b"\n"


def sprint(limits: Limits, *values: Value) -> bytes:
    return print_all(limits, values)
