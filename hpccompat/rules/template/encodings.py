"""Encodings and checksums (sprig, "Encoding Functions", "Cryptographic and Security Functions")."""

from __future__ import annotations

import base64
import hashlib
import zlib

from hpccompat.rules.template.limits import Limits

_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_BASE32 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_PAD = ord("=")


def base64_encode(limits: Limits, text: bytes) -> bytes:
    limits.make(2 * len(text))
    return base64.b64encode(text)


def base32_encode(limits: Limits, text: bytes) -> bytes:
    limits.make(2 * len(text))
    return base64.b32encode(text)


def base64_decode(limits: Limits, text: bytes) -> bytes:
    """Where it can't be decoded, what is wrong is the result, as in sprig. Line ends are passed over."""
    limits.characters(len(text))
    wrong = _wrong_base64(text)
    if wrong is not None:
        return b"illegal base64 data at input byte %d" % wrong
    return base64.b64decode(text.replace(b"\r", b"").replace(b"\n", b""))


def base32_decode(limits: Limits, text: bytes) -> bytes:
    limits.characters(len(text))
    text = text.replace(b"\r", b"").replace(b"\n", b"")
    wrong = _wrong_base32(text)
    if wrong is not None:
        return b"illegal base32 data at input byte %d" % wrong
    # What follows complete padding Go does not look at.
    end = text.find(b"=")
    kept = text if end < 0 else text[: -(-end // 8) * 8]
    return base64.b32decode(kept)


def _wrong_base64(text: bytes) -> int | None:
    """Where Go sees the first fault."""
    digits = 0
    for position, each in enumerate(text):
        if each in _BASE64:
            digits += 1
        elif each not in b"\r\n":
            if each != _PAD or digits % 4 < 2:
                return position
            return _wrong_padding(text, position + 1, 3 - digits % 4)
    return len(text) - digits % 4 if digits % 4 else None


def _wrong_padding(text: bytes, position: int, more: int) -> int | None:
    """`more`: how many further pads there must be."""
    for _ in range(more):
        while position < len(text) and text[position] in b"\r\n":
            position += 1
        if position == len(text):
            return position
        if text[position] != _PAD:
            return position - 1
        position += 1
    while position < len(text) and text[position] in b"\r\n":
        position += 1
    return position if position < len(text) else None


def _wrong_base32(text: bytes) -> int | None:
    for position, each in enumerate(text):
        place = position % 8
        if each == _PAD and place >= 2 and len(text) - position - 1 < 8:
            missing = 7 - place
            following = text[position + 1 : position + 1 + missing]
            if len(text) - position - 1 < missing:
                return len(text)
            wrong = next((i for i, other in enumerate(following) if other != _PAD), None)
            if wrong is not None:
                return position + wrong
            return position if place in (3, 6) else None
        if each not in _BASE32:
            return position
    return len(text) - len(text) % 8 if len(text) % 8 else None


def sha1sum(limits: Limits, text: bytes) -> bytes:
    limits.make(len(text))
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()


def sha256sum(limits: Limits, text: bytes) -> bytes:
    limits.make(len(text))
    return hashlib.sha256(text).hexdigest().encode()


def sha512sum(limits: Limits, text: bytes) -> bytes:
    limits.make(len(text))
    return hashlib.sha512(text).hexdigest().encode()


def adler32sum(limits: Limits, text: bytes) -> bytes:
    limits.make(len(text))
    return b"%d" % zlib.adler32(text)
