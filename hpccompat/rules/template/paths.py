"""Paths and URLs (sprig, "Path and Filepath Functions", "URL Functions"; Go's path and net/url)."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

from hpccompat.rules.template.limits import Limits, failed
from hpccompat.rules.template.values import DICT, Map, Value, runes

_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Escapes in a host are for other characters than ASCII's, and for the percent sign.
_BAD_HOST = re.compile(rb"[ \\^`{|}]|%(?!25)[0-7]")
_PORT = re.compile(rb"(?::[0-9]*)?")
_USER = re.compile(rb"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_PARTS = ("scheme", "host", "path", "query", "opaque", "fragment", "userinfo")


def base(path: bytes) -> bytes:
    return b"." if not path else path.rstrip(b"/").rpartition(b"/")[2] or b"/"


def clean(limits: Limits, path: bytes) -> bytes:
    """The shortest path that means the same."""
    limits.elements(path.count(b"/"))
    rooted, kept = path.startswith(b"/"), list[bytes]()
    for part in path.split(b"/"):
        if part == b".." and kept and kept[-1] != b"..":
            kept.pop()
        elif (part == b".." and not rooted) or part not in (b"", b".", b".."):
            kept.append(part)
    return (b"/" if rooted else b"") + b"/".join(kept) or b"."


def directory(limits: Limits, path: bytes) -> bytes:
    return clean(limits, path[: path.rfind(b"/") + 1])


def extension(path: bytes) -> bytes:
    name = path.rpartition(b"/")[2]
    return name[name.rindex(b".") :] if b"." in name else b""


def is_absolute(path: bytes) -> bool:
    return path.startswith(b"/")


def url_parse(limits: Limits, text: bytes) -> Map:
    limits.elements(8)
    limits.make(3 * len(text))
    found = dict.fromkeys((*_PARTS, "hostname"), b"")
    rest, _, fragment = text.partition(b"#")
    found["fragment"] = _unescaped(fragment)
    if any(each < 32 or each == 127 for each in rest):
        raise failed("unable to parse url: invalid control character in URL")
    scheme = _SCHEME.match(rest)
    if rest.startswith(b":"):
        raise failed("unable to parse url: missing protocol scheme")
    if scheme:
        found["scheme"], rest = scheme.group(1).lower(), rest[scheme.end() :]
    rest, _, found["query"] = rest.partition(b"?")
    if scheme and not rest.startswith(b"/"):
        found["opaque"], rest = rest, b""
    elif not rest.startswith(b"/") and b":" in rest.partition(b"/")[0]:
        raise failed("unable to parse url: first path segment in URL cannot contain colon")
    if rest.startswith(b"//") and (scheme or not rest.startswith(b"///")):
        authority, slash, path = rest[2:].partition(b"/")
        rest = slash + path
        user, at, host = authority.rpartition(b"@")
        if at:
            found["userinfo"] = _user(user)
        found["host"] = _host(found["scheme"], host)
        found["hostname"] = _hostname(found["host"])
    found["path"] = _unescaped(rest)
    return Map({key.encode(): value for key, value in found.items()}, DICT)


def _unescaped(text: bytes) -> bytes:
    if _BAD_ESCAPE.search(text):
        raise failed("unable to parse url: invalid URL escape")
    return unquote_to_bytes(text)


def _host(scheme: bytes, host: bytes) -> bytes:
    """What follows the name must be a port: of http, all that follows the first colon."""
    if host.startswith(b"["):
        port = host.rpartition(b"]")[2]
    else:
        colon = host.find(b":") if scheme in (b"http", b"https") else host.rfind(b":")
        port = host[colon:] if colon >= 0 else b""
    unclosed = b"[" in host[1:] or (host.startswith(b"[") and b"]" not in host)
    if unclosed or not _PORT.fullmatch(port):
        raise failed("unable to parse url: invalid host")
    if _BAD_HOST.search(host):
        raise failed("unable to parse url: invalid character in host name")
    return _unescaped(host)


def _hostname(host: bytes) -> bytes:
    name, colon, port = host.rpartition(b":")
    name = name if colon and _PORT.fullmatch(colon + port) else host
    return name[1:-1] if name.startswith(b"[") and name.endswith(b"]") else name


def _user(user: bytes) -> bytes:
    if not _USER.fullmatch(user):
        raise failed("unable to parse url: invalid userinfo")
    name, colon, password = user.partition(b":")
    return _escaped(_unescaped(name), "$&+,;=") + colon + _escaped(_unescaped(password), "$&+,;=")


def _escaped(text: bytes, safe: str) -> bytes:
    return quote(text, safe=safe + "-_.~").encode()


def url_join(limits: Limits, parts: Map) -> bytes:
    found = {each: _part(parts, each.encode()) for each in _PARTS}
    limits.make(6 * sum(map(len, found.values())))
    text = found["scheme"] + b":" if found["scheme"] else b""
    path = b"*" if found["path"] == b"*" else _escaped(found["path"], "$&+,/:;=@")
    user = b""
    if found["userinfo"]:
        parsed = url_parse(limits, b"proto://" + found["userinfo"] + b"@host").items[b"userinfo"]
        user = parsed if isinstance(parsed, bytes) else b""
    if found["opaque"]:
        text += found["opaque"]
    else:
        if found["host"] or user or (found["scheme"] and path):
            text += b"//" + (user + b"@" if user else b"") + _escaped(found["host"], "!$&'()*+,;=:[]<>\"")
        if path and not path.startswith(b"/") and found["host"]:
            text += b"/"
        if not text and b":" in path.partition(b"/")[0]:
            text += b"./"
        text += path
    text += b"?" + found["query"] if found["query"] else b""
    return text + (b"#" + _escaped(found["fragment"], "!$&'()*+,/:;=?@") if found["fragment"] else b"")


def _part(parts: Map, key: bytes) -> bytes:
    value: Value = parts.items.get(key, b"")
    if not isinstance(value, bytes):
        raise failed(f"unable to parse {runes(key)} key, must be of type string")
    return value
