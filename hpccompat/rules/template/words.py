"""Cases and words (sprig's abbrev, wrap, snakecase ..., which come from the libraries goutils and xstrings)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

from hpccompat.rules.template.limits import Limits
from hpccompat.rules.template.text import lower_rune, title_rune, upper_rune
from hpccompat.rules.template.values import runes
from hpccompat.rules.vars_template import WHITE_SPACE


def _is_upper(character: str) -> bool:
    return unicodedata.category(character) == "Lu"


def untitle(limits: Limits, text: bytes) -> bytes:
    limits.characters(len(text))
    found, starts = [], True
    for each in runes(text):
        white = each in WHITE_SPACE
        found.append(lower_rune(each) if starts and not white else each)
        starts = white or (starts and white)
    return "".join(found).encode()


def swapcase(limits: Limits, text: bytes) -> bytes:
    limits.characters(len(text))
    found, white = [], True
    for each in runes(text):
        category = unicodedata.category(each)
        if category in ("Lu", "Lt"):
            found.append(lower_rune(each))
            white = False
        elif category == "Ll":
            found.append(title_rune(each) if white else upper_rune(each))
            white = False
        else:
            found.append(each)
            white = each in WHITE_SPACE
    return "".join(found).encode()


def nospace(limits: Limits, text: bytes) -> bytes:
    """Byte by byte: where there is a space, other bytes than ASCII become characters of their own, as in Go."""
    limits.characters(len(text))
    kept = [each for each in text.decode("latin-1") if each not in WHITE_SPACE]
    return text if len(kept) == len(text) else "".join(kept).encode()


def initials(limits: Limits, text: bytes) -> bytes:
    limits.characters(len(text))
    found, gap = [], True
    for each in text.decode("latin-1"):
        white = each in WHITE_SPACE
        found += [each] if gap and not white else []
        gap = white
    return "".join(found).encode()


def abbreviate(width: int, text: bytes) -> bytes:
    return text if width < 4 else _abbreviated(text, 0, width)


def abbreviate_both(left: int, right: int, text: bytes) -> bytes:
    return text if right < 4 or (left > 0 and right < 7) else _abbreviated(text, left, right)


def _abbreviated(text: bytes, offset: int, width: int) -> bytes:
    """`width` bytes from `offset` on, dots included."""
    if len(text) <= width:
        return text
    offset = min(offset, len(text))
    if len(text) - offset < width - 3:
        offset = len(text) - (width - 3)
    if offset <= 4:
        return text[: width - 3] + b"..."
    if width < 7:
        return b""
    if offset + width - 3 < len(text):
        return b"..." + _abbreviated(text[offset:], 0, width - 3)
    return b"..." + text[len(text) - (width - 3) :]


def wrap(limits: Limits, width: int, text: bytes) -> bytes:
    return _wrapped(limits, width, b"\n", text, long_words=False)


def wrap_with(limits: Limits, width: int, separator: bytes, text: bytes) -> bytes:
    return _wrapped(limits, width, separator or b"\n", text, long_words=True)


def _wrapped(limits: Limits, width: int, separator: bytes, text: bytes, long_words: bool) -> bytes:
    """Lines of at most `width` bytes, broken at blanks, and in words that are longer if `long_words`."""
    width, offset, lines = max(width, 1), 0, []
    while len(text) - offset > width:
        limits.make(width + len(separator) + 8)
        limits.step(3)
        if text[offset : offset + 1] == b" ":
            offset += 1
            continue
        blank = text.rfind(b" ", offset, offset + width + 1)
        if blank < 0 and not long_words:
            blank = text.find(b" ", offset + width)
            if blank < 0:
                break
        if blank < 0:
            lines.append(text[offset : offset + width])
            offset += width
        else:
            lines.append(text[offset:blank])
            offset = blank + 1
    return separator.join([*lines, text[offset:]])


def _is_connector(character: str) -> bool:
    return character in "-_" or character in WHITE_SPACE


def camelcase(limits: Limits, text: bytes) -> bytes:
    """some_name -> SomeName; connectors at the beginning, and all but one of several, stay."""
    limits.characters(len(text))
    characters = runes(text)
    start = next((i for i, each in enumerate(characters) if not _is_connector(each)), len(characters))
    found = list(characters[:start])
    if start == len(characters):
        # The library writes the last one twice.
        return (characters + characters[-1:]).encode()
    last, first_was_upper = upper_rune(characters[start]), _is_upper(characters[start])
    for each in characters[start + 1 :]:
        before, last = last, each
        if _is_connector(before) and _is_connector(each):
            found.append(before)
        elif _is_connector(before):
            first_was_upper, last = _is_upper(each), upper_rune(each)
        else:
            if first_was_upper and _is_upper(each):
                last = lower_rune(each)
            else:
                first_was_upper = False
            found.append(before)
    return "".join([*found, last]).encode()


def snakecase(limits: Limits, text: bytes) -> bytes:
    return _connected(limits, text, "_")


def kebabcase(limits: Limits, text: bytes) -> bytes:
    return _connected(limits, text, "-")


def _is_letter(character: str) -> bool:
    """Of a script that has words."""
    chinese = "\u4e00" <= character <= "\u9fcc" or "\u3400" <= character <= "\u4d85"
    return character.isalpha() and not (chinese or "\U00020000" <= character <= "\U0002b81d")


def _is_number(character: str) -> bool:
    return unicodedata.category(character)[0] == "N"


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] == "P"


def _is_lower_letter(character: str) -> bool:
    return _is_letter(character) and not _is_upper(character)


def _is_other(character: str) -> bool:
    kinds = (_is_connector, _is_letter, _is_number, _is_punctuation)
    return not any(is_kind(character) for is_kind in kinds)


def _words(text: str) -> Iterator[tuple[str, str]]:
    """Runs of one kind: connector, punctuation, upper, letters, number, other. `upper` is `Word` or `WORD`."""
    kinds: tuple[tuple[str, Callable[[str], bool]], ...] = (
        ("connector", _is_connector),
        ("punctuation", _is_punctuation),
        ("upper", _is_upper),
        ("letters", _is_letter),
        ("number", _is_number),
        ("other", _is_other),
    )
    position = 0
    while position < len(text):
        kind, belongs = next(each for each in kinds if each[1](text[position]))
        end = position + 1
        if kind == "upper":
            following = text[end : end + 1]
            belongs = _is_upper if following and _is_upper(following) else _is_lower_letter
        elif kind == "letters":
            belongs = _is_lower_letter
        while end < len(text) and belongs(text[end]):
            end += 1
        if kind == "upper" and belongs is _is_upper and end < len(text) and _is_letter(text[end]):
            # HTTPServer: the last one begins the next word.
            end -= 1
        yield kind, text[position:end]
        position = end


def _connected(limits: Limits, text: bytes, connector: str) -> bytes:
    """HTTPServer10 -> http_server_10."""
    limits.characters(3 * len(text))
    words = [*_words(runes(text)), ("", "")]
    found: list[str] = []
    position = 0

    def add(kind: str, word: str) -> None:
        if kind == "connector":
            found.append(connector * len(word))
        else:
            found.append("".join(map(lower_rune, word)) if kind == "upper" else word)

    def add_letters_and_numbers() -> None:
        nonlocal position
        while words[position][0] in ("letters", "number"):
            add(*words[position])
            position += 1

    def connect() -> None:
        if words[position][0] not in ("", "connector", "punctuation"):
            found.append(connector)

    while position < len(words) - 1:
        kind, word = words[position]
        position += 1
        add(kind, word)
        if kind == "number":
            add_letters_and_numbers()
            connect()
        elif kind in ("connector", "punctuation"):
            continue
        elif words[position][0] != "number":
            connect()
        elif words[position + 1][0] == "letters":
            # a4bc: letters that follow a number belong to it.
            found.append(connector)
            add_letters_and_numbers()
            connect()
        elif words[position + 1][0]:
            add(*words[position])
            position += 1
            connect()
        else:
            add(*words[position])
            position += 1
    return "".join(found).encode()
