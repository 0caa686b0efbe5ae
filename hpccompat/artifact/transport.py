"""HTTP to one registry, over oras-py, with its faults fenced here.

Of oras only the session and the undecorated request are used: its retry loop waits two minutes on a dead
registry, it sets no timeouts, checks no digests and reads without limit (versions up to 0.2.43).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import oras.auth.token
import oras.provider
import requests
from requests.adapters import HTTPAdapter

from hpccompat.errors import RegistryError


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes


class _TimedAdapter(HTTPAdapter):
    def __init__(self, timeout: float) -> None:
        super().__init__()
        self._timeout = timeout

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        options["timeout"] = self._timeout
        return super().send(request, **options)


class _Anonymous(oras.auth.token.TokenAuth):  # type: ignore[misc]
    """oras-py would send a Basic challenge's realm a request, and resend a stale token: no log-in at all."""

    def authenticate_request(
        self, original: requests.Response, headers: dict[str, str], refresh: bool = False
    ) -> tuple[dict[str, str], bool]:
        raise RegistryError(f"it answers {original.status_code}: the image is not public, or not there")


class Transport:
    """Requests below `/v2/REPOSITORY/` of one registry."""

    def __init__(self, endpoint: str, repository: str, plain_http: bool, timeout: float) -> None:
        self.endpoint = endpoint
        self._base = f"{'http' if plain_http else 'https'}://{endpoint}/v2/{repository}"
        self._registry = oras.provider.Registry(endpoint, insecure=plain_http)
        self._registry.auth = _Anonymous()
        session = self._registry.session
        # Without this, requests puts the password of ~/.netrc into every request.
        session.auth = lambda request: request
        for prefix in ("http://", "https://"):
            session.mount(prefix, _TimedAdapter(timeout))

    def get(self, path: str, limit: int, accept: Sequence[str] = ()) -> Response:
        """The answer's body, of at most `limit` bytes. Raises RegistryError; any HTTP status is returned."""
        headers = {"Accept-Encoding": "identity"}
        if accept:
            headers["Accept"] = ", ".join(accept)
        request = oras.provider.Registry.do_request.__wrapped__
        try:
            with request(self._registry, f"{self._base}/{path}", "GET", headers=headers, stream=True) as answer:
                body = bytearray()
                for chunk in answer.iter_content(65536):
                    body += chunk
                    if len(body) > limit:
                        raise RegistryError(f"{self.endpoint}: {path} is larger than {limit} bytes")
                return Response(answer.status_code, bytes(body))
        except RegistryError as error:
            raise RegistryError(f"registry {self.endpoint}: {error}") from error
        except (requests.RequestException, OSError, ValueError) as error:
            raise RegistryError(f"registry {self.endpoint} can't be reached: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """The operating system's reason, which requests and urllib3 wrap several times."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        if isinstance(inner, requests.Timeout):
            return "it does not answer"
        inner = inner.__cause__ or inner.__context__
    return str(error) or type(error).__name__
