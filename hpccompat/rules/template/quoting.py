"""Texts in quotes (Go's strconv.Quote)."""

from __future__ import annotations

_SHORT = {7: "\\a", 8: "\\b", 12: "\\f", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v", 92: "\\\\"}


def quoted(text: bytes, mark: str = '"', only_ascii: bool = False) -> bytes:
    """Bytes that are no characters become \\x..; what can't be printed becomes an escape."""
    decoded = text.decode("utf-8", "surrogateescape")
    if decoded.isascii() and decoded.isprintable() and mark not in decoded and "\\" not in decoded:
        return f"{mark}{decoded}{mark}".encode()
    return f"{mark}{''.join(_escaped(each, mark, only_ascii) for each in decoded)}{mark}".encode()


def _escaped(character: str, mark: str, only_ascii: bool) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character == mark:
        return f"\\{mark}"
    if code in _SHORT:
        return _SHORT[code]
    if character.isprintable() and (code < 128 or not only_ascii):
        return character
    if code < 128:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def can_backquote(text: bytes) -> bool:
    """Whether a raw string can hold it unchanged: one line, no other control character than the tab."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        return False
    return not any((each < " " and each != "\t") or each in "`\x7f\ufeff" for each in decoded)
