"""Paths and URLs (sprig, "Path and Filepath Functions", "URL Functions"; Go's path and net/url)."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

from hpccompat.rules.template.limits import Limits, failed
from hpccompat.rules.template.values import DICT, Map, Value, runes

_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
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
        found["host"] = _host(host)
        found["hostname"] = _hostname(found["host"])
    found["path"] = _unescaped(rest)
    return Map({key.encode(): value for key, value in found.items()}, DICT)


def _unescaped(text: bytes) -> bytes:
    if _BAD_ESCAPE.search(text):
        raise failed("unable to parse url: invalid URL escape")
    return unquote_to_bytes(text)


def _host(host: bytes) -> bytes:
    port = host.rpartition(b"]")[2] if host.startswith(b"[") else b":" + host.partition(b":")[2]
    bracket = b"[" in host[1:] or (host.startswith(b"[") and b"]" not in host)
    if bracket or (port and not port.startswith(b":")) or (port[1:] and not port[1:].isdigit()):
        raise failed("unable to parse url: invalid host")
    if b" " in host or any(each in host for each in (b'"', b"<", b">", b"\\", b"^", b"`", b"{", b"|", b"}")):
        raise failed("unable to parse url: invalid character in host name")
    return _unescaped(host)


def _hostname(host: bytes) -> bytes:
    if host.startswith(b"["):
        return host[1:].partition(b"]")[0]
    return host.partition(b":")[0]


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
    user = found["userinfo"] and _user(found["userinfo"])
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
