"""Literal numbers, strings and runes to what they stand for (the Go specification's "Lexical elements")."""

from __future__ import annotations

import math
import re

from hpccompat.rules.template.refused import TemplateSyntaxError
from hpccompat.rules.template.tree import Number
from hpccompat.rules.template.values import go_string

_BASES = {"0x": 16, "0o": 8, "0b": 2}
_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_HEXADECIMAL = re.compile(r"([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?[0-9]+))?", re.ASCII)
# An underscore stands between digits, or between a prefix and a digit.
_BAD_UNDERSCORE = re.compile(r"(?<![0-9])_|_(?![0-9])")
_BAD_HEXADECIMAL_UNDERSCORE = re.compile(r"(?<![0-9a-fA-FxX])_|_(?![0-9a-fA-F])")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_MOST_DIGITS = 400


def parse_integer(text: str, base: int = 0) -> int | None:
    """strconv.ParseInt without its range: `base` 0 goes by the prefix, and only then allows underscores. Texts that
    can't be in any integer's range are None too."""
    sign, digits = (text[:1], text[1:]) if text[:1] in ("+", "-") else ("", text)
    if len(digits) > _MOST_DIGITS or not digits.isascii():
        return None
    if base == 0:
        prefix = digits[:2].lower()
        if prefix in _BASES:
            base, digits = _BASES[prefix], digits[2:].removeprefix("_")
        elif len(digits) > 1 and digits[0] == "0":
            base, digits = 8, digits[1:].removeprefix("_")
        else:
            base = 10
    elif "_" in digits:
        return None
    if not digits or digits[0] in "+-_ " or not digits.replace("_", "").isalnum():
        return None
    try:
        return int(sign + digits, base)
    except ValueError:
        return None


def int64(text: str, base: int = 0) -> int | None:
    number = parse_integer(text, base)
    return number if number is not None and -(2**63) <= number < 2**63 else None


def uint64(text: str, base: int = 0) -> int | None:
    number = None if text[:1] in ("+", "-") else parse_integer(text, base)
    return number if number is not None and number < 2**64 else None


def parse_float(text: str) -> float | None:
    """strconv.ParseFloat; None also where the number is out of range."""
    if text.lstrip("+-").lower() in ("inf", "infinity", "nan") and len(text) - len(text.lstrip("+-")) <= 1:
        return float(text)
    if len(text) > 10 * _MOST_DIGITS:
        return None
    if "_" in text:
        is_hexadecimal = text.lstrip("+-")[:2].lower() == "0x"
        if (_BAD_HEXADECIMAL_UNDERSCORE if is_hexadecimal else _BAD_UNDERSCORE).search(text):
            return None
        text = text.replace("_", "")
    hexadecimal = _HEXADECIMAL.fullmatch(text)
    if hexadecimal:
        return _hexadecimal(*hexadecimal.groups(default=""))
    if not _DECIMAL.fullmatch(text):
        return None
    number = float(text)
    return None if math.isinf(number) else number


def _hexadecimal(sign: str, whole: str, part: str, exponent: str) -> float | None:
    """The exponent, a power of two, must be there."""
    digits = whole + part
    if not digits or not exponent or len(digits) > _MOST_DIGITS or len(exponent) > 6:
        return None
    try:
        number = math.ldexp(float(int(digits, 16)), int(exponent) - 4 * len(part))
    except OverflowError:
        return None
    return -number if sign == "-" else number


def number(text: str) -> Number:
    """A literal, with all that it may stand for. Raises TemplateSyntaxError."""
    if text.endswith("i"):
        imaginary = parse_float(text[:-1])
        if imaginary is not None:
            return _complex(text, complex(0, imaginary))
    signed, unsigned = int64(text), uint64(text)
    integer = signed if signed is not None else unsigned
    real = float(integer) if integer is not None else parse_float(text)
    if real is None:
        raise TemplateSyntaxError(f"illegal number syntax: {text!r}")
    if integer is None:
        if not any(each in text for each in ".eEpP"):
            raise TemplateSyntaxError(f"integer overflow: {text!r}")
        signed = int(real) if real.is_integer() and -(2.0**63) <= real < 2.0**63 else None
    is_hexadecimal = text[:2].lower() == "0x" and len(text) > 2 and not any(each in text for each in "pP")
    if not is_hexadecimal and any(each in text for each in ".eEpP"):
        # 1e3 is an int to the parser, and a float64 where nothing says what it should be.
        return Number(text, real, signed, real)
    return Number(text, signed, signed, real)


def complex_number(text: str) -> Number:
    """`1+2i`."""
    split = max(text.rfind("+"), text.rfind("-"))
    if text[split - 1] in "eEpP":
        split = max(text.rfind("+", 0, split), text.rfind("-", 0, split))
    real, imaginary = parse_float(text[:split]), parse_float(text[split:-1])
    if real is None or imaginary is None:
        raise TemplateSyntaxError(f"bad number syntax: {text!r}")
    return _complex(text, complex(real, imaginary))


def _complex(text: str, value: complex) -> Number:
    real = value.real if value.imag == 0 else None
    integer = int(real) if real is not None and real.is_integer() and abs(real) < 2.0**63 else None
    return Number(text, value, integer, real)


def rune(text: str) -> Number:
    """`'x'` is an int."""
    decoded = _unquoted(text[1:-1], "'")
    value = decoded.decode("utf-8", "replace")
    if text[1:3] == "\\x" or (len(text) == 6 and text[1] == "\\"):
        number = decoded[0] if len(decoded) == 1 else -1
    else:
        number = ord(value) if len(value) == 1 else -1
    if number < 0:
        raise TemplateSyntaxError(f"malformed character constant: {text}")
    return Number(text, number, number, float(number))


def string(text: str) -> bytes:
    """strconv.Unquote of a string or raw string."""
    if text[0] == "`":
        return go_string(text[1:-1].replace("\r", ""))
    return _unquoted(text[1:-1], '"')


def _unquoted(text: str, quote: str) -> bytes:
    if "\\" not in text:
        return go_string(text)
    found, position = [], 0
    for match in _ESCAPE.finditer(text):
        found += [go_string(text[position : match.start()]), _escaped(match, quote)]
        position = match.end()
    return b"".join([*found, go_string(text[position:])])


def _escaped(match: re.Match[str], quote: str) -> bytes:
    byte, short, long, octal, single = match.groups()
    code = int(short or long or "0", 16)
    if byte is not None:
        return bytes([int(byte, 16)])
    if octal is not None and int(octal, 8) < 256:
        return bytes([int(octal, 8)])
    if (short or long) is not None and code <= 0x10FFFF and not 0xD800 <= code < 0xE000:
        return chr(code).encode()
    if single in _ESCAPES and (single not in "'\"" or single == quote):
        return bytes([_ESCAPES[single]])
    raise TemplateSyntaxError(f"invalid escape {match.group()}")
