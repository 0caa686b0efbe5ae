"""Bytes by path or URL: one function for all that is read of a mirror, with limits on size and time."""

from __future__ import annotations

import hashlib
import http.client
import os
import stat
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from hpccompat.artifact.deadline import within
from hpccompat.errors import BuildcacheError

T = TypeVar("T")
_MIB = 1024 * 1024
MANIFEST_LIMIT = _MIB
# A spec of 1,000 packages has some 3 MB.
SPEC_LIMIT = 64 * _MIB
# Of 100,000 binaries.
INDEX_LIMIT = 1024 * _MIB
_PIECE = 256 * 1024


@dataclass(frozen=True)
class Access:
    """`deadline`: seconds for one file over the network. `plain_http`: hosts spoken to without TLS, and loopback."""

    deadline: float = 5
    plain_http: tuple[str, ...] = ()


@dataclass(frozen=True)
class Blob:
    """What a manifest says of a file. `compression`: "none" or "gzip"; size and checksum are of the file as it is."""

    media_type: str
    size: int
    sha256: str
    compression: str = "none"


def fetch(location: str, limit: int, access: Access) -> bytes | None:
    """The file of at most `limit` bytes; None where there is none. Raises BuildcacheError."""
    scheme = urllib.parse.urlsplit(location).scheme if "://" in location else ""
    if scheme in ("", "file"):
        return _read(local_path(location), limit)
    if scheme in ("http", "https"):
        return in_time(access, location, lambda _: _download(location, limit, access))
    raise BuildcacheError(f"{location}: {scheme}:// is not read; give a path, file://, https:// or oci://")


def local_path(location: str) -> str:
    """The path of a file:// URL, or the path that it is."""
    if not location.startswith("file://"):
        return location
    return urllib.parse.unquote(urllib.parse.urlsplit(location).path)


def is_local(location: str) -> bool:
    return "://" not in location or location.startswith("file://")


def verified(data: bytes, blob: Blob, where: str) -> bytes:
    """The content of a blob, after its size and checksum were compared. Raises BuildcacheError."""
    if len(data) != blob.size:
        raise BuildcacheError(f"{where}: has {len(data)} bytes, {blob.size} are announced: cut off, or replaced")
    found = hashlib.sha256(data).hexdigest()
    if found != blob.sha256:
        raise BuildcacheError(f"{where}: its sha256 is {found}, not {blob.sha256}: damaged, or replaced")
    return data


def unpacked(data: bytes, limit: int, where: str) -> bytes:
    """The data, without gzip where it is (by its first bytes; Spack's own labels differ). Raises BuildcacheError."""
    if data[:2] != b"\x1f\x8b":
        return data
    decoder = zlib.decompressobj(wbits=31)
    try:
        text = decoder.decompress(data, limit)
    except zlib.error as error:
        raise BuildcacheError(f"{where}: broken gzip: {error}") from error
    if decoder.unconsumed_tail:
        raise BuildcacheError(f"{where}: unpacks to more than {limit} bytes")
    if not decoder.eof:
        raise BuildcacheError(f"{where}: broken gzip: it is cut off")
    return text


def _read(path: str, limit: int) -> bytes | None:
    try:
        # A pipe would be waited for.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise BuildcacheError(f"{path}: is not a file")
            return _bounded(file, limit, path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise BuildcacheError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _bounded(file: IO[bytes] | http.client.HTTPResponse, limit: int, where: str) -> bytes:
    data = bytearray()
    while piece := file.read(_PIECE):
        data += piece
        if len(data) > limit:
            raise BuildcacheError(f"{where}: is larger than {limit} bytes")
    return bytes(data)


class _Redirections(urllib.request.HTTPRedirectHandler):
    """A mirror may lead elsewhere, but not out of TLS, nor to a file of this host."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        _check_scheme(newurl, self._access)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(url: str, limit: int, access: Access) -> bytes | None:
    _check_scheme(url, access)
    # Built by hand: the standard opener would take ftp:// and file://, and proxies are the environment's.
    opener = urllib.request.build_opener(_Redirections(access))
    try:
        with opener.open(urllib.request.Request(url), timeout=access.deadline) as answer:
            data = _bounded(answer, limit, url)
            announced = answer.headers.get("Content-Length", "")
            if announced.isdecimal() and int(announced) != len(data):
                raise BuildcacheError(f"{url}: {len(data)} of {announced} bytes came")
            return data
    except urllib.error.HTTPError as error:
        # Object stores answer 403 for what isn't there where listing isn't allowed.
        if error.code in (403, 404, 410):
            return None
        raise BuildcacheError(f"{url}: the server answers {error.code}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise BuildcacheError(f"{url}: {getattr(reason, 'strerror', None) or reason}") from error


def _check_scheme(url: str, access: Access) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and may_be_plain(parts.netloc, access)):
        raise BuildcacheError(f"{url}: is not https:// (the setting plain_http lists the hosts where that may be)")


def may_be_plain(host: str, access: Access) -> bool:
    """`host`: with its port, if any."""
    name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    return name in ("localhost", "127.0.0.1", "::1") or bool({host, name} & {*access.plain_http})


def in_time(access: Access, what: str, call: Callable[[float], T]) -> T:
    """What the call returns within the deadline. Raises BuildcacheError where it doesn't."""
    late = f"{what}: nothing came within {access.deadline:g} s (the setting deadline)"
    return within(access.deadline, call, lambda: BuildcacheError(late))
