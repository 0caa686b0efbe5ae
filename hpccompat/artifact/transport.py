"""HTTP to one registry, over oras-py, with its faults fenced here.

Of oras the session, its undecorated request with its way of answering a 401, and its place for a token are used. Its
retry loop waits two minutes on a dead registry, it sets no timeouts, reads without limit, sends a token to any host,
never renews it, and knows one auth file (versions up to 0.2.43).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import oras.auth.token
import oras.provider
import requests
from requests.adapters import HTTPAdapter

from hpccompat.artifact.challenge import Challenge, chosen, parse_challenges, scope
from hpccompat.artifact.credentials import Credentials, find_credentials
from hpccompat.errors import RegistryDown, RegistryError

# Where distributions keep the certificates that the system trusts; requests would take a list of its own.
_SYSTEM_CA = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# What passes, and is worth another try; and how often.
_PASSING = (429, 502, 503, 504)
_TRIES = 3
_TOKEN_LIMIT = 64 * 1024
_REDIRECTS = 5


@dataclass(frozen=True)
class Response:
    """`headers`: names in any case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class _Fence(HTTPAdapter):
    """Every request passes here, also those of redirects: none lasts beyond the end, none carries credentials to
    another host, and none leaves TLS."""

    def __init__(self, base: str, ends: float) -> None:
        super().__init__()
        self._base, self._ends = urlsplit(base), ends

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        to = urlsplit(request.url or "")
        if self._base.scheme == "https" and to.scheme != "https":
            raise RegistryError(f"it leads on to {to.scheme}://{to.netloc}, which is not encrypted")
        if to.netloc != self._base.netloc or to.scheme != self._base.scheme:
            if request.method not in ("GET", "HEAD"):
                raise RegistryError(f"it wants what we upload at another host, {to.netloc}")
            request.headers.pop("Authorization", None)
        left = self._ends - time.monotonic()
        if left <= 0:
            raise requests.Timeout
        options["timeout"] = left
        return super().send(request, **options)


class _Login(oras.auth.token.TokenAuth):  # type: ignore[misc]
    """Answers a registry's challenge. What it finds is sent with each request from then on: to this host alone."""

    def __init__(self, log_in: Callable[[Sequence[Challenge]], str], forbidden: Callable[[int], RegistryError]) -> None:
        super().__init__()
        self._log_in, self._forbidden = log_in, forbidden

    def get_auth_header(self) -> dict[str, str]:
        return {"Authorization": self.token} if self.token else {}

    def authenticate_request(
        self, original: requests.Response, headers: dict[str, str], refresh: bool = False
    ) -> tuple[dict[str, str], bool]:
        if original.status_code == 403 or refresh:
            raise self._forbidden(403)
        original.close()
        self.token = self._log_in(parse_challenges(original.headers.get("WWW-Authenticate", "")))
        headers.update(self.get_auth_header())
        return headers, True


class Transport:
    """Requests below `/v2/REPOSITORY/` of one registry. `host`: the registry's name as people write it. `ends`: the
    moment, by time.monotonic, that no request outlasts. `actions`: what a token must allow, as `pull,push`. `guessed`:
    nobody has said that it speaks plain HTTP; where it answers that it wants TLS, it gets that."""

    def __init__(
        self,
        endpoint: str,
        repository: str,
        plain_http: bool,
        ends: float,
        host: str = "",
        actions: str = "pull",
        ca_bundle: str = "",
        environment: Mapping[str, str] | None = None,
        guessed: bool = False,
    ) -> None:
        self.endpoint, self.repository = endpoint, repository
        self._host, self._actions, self._ends = host or endpoint, actions, ends
        self._environment = os.environ if environment is None else environment
        self._verify = _certificates(ca_bundle, self._environment)
        self._guessed = guessed and plain_http
        self._open(plain_http)

    def _open(self, plain_http: bool) -> None:
        self._root = f"{'http' if plain_http else 'https'}://{self.endpoint}"
        self._base = f"{self._root}/v2/{self.repository}"
        self._registry = oras.provider.Registry(self.endpoint, insecure=plain_http, tls_verify=self._verify)
        self._registry.auth = _Login(self._log_in, self._forbidden)
        session = self._registry.session
        session.max_redirects = _REDIRECTS
        # Without this, requests puts the password of ~/.netrc into every request.
        session.auth = lambda request: request
        for prefix in ("http://", "https://"):
            session.mount(prefix, _Fence(self._root, self._ends))

    def get(self, path: str, limit: int, accept: Sequence[str] = (), method: str = "GET") -> Response:
        """The answer's body, of at most `limit` bytes; any HTTP status is returned but those of a log-in. `path`: below
        the repository, or what `next_page` gave. Raises RegistryError, RegistryDown."""
        headers = {"Accept-Encoding": "identity"}
        if accept:
            headers["Accept"] = ", ".join(accept)
        for attempt in range(1, _TRIES + 1):
            answer = self._request(method, self._url(path), headers, None, limit)
            if self._guessed and answer.status == 400 and (method == "HEAD" or b"HTTPS" in answer.body):
                self._guessed = False
                self._open(plain_http=False)
                answer = self._request(method, self._url(path), headers, None, limit)
            if answer.status not in _PASSING or attempt == _TRIES or not self._wait(answer, attempt):
                break
        return answer

    def send(
        self, method: str, path: str, data: bytes | None = None, media_type: str = "", limit: int = 65536
    ) -> Response:
        """A request that changes something; never repeated. Raises RegistryError, RegistryDown."""
        headers = {"Content-Type": media_type} if media_type else {}
        return self._request(method, self._url(path), headers, data, limit)

    def next_page(self, link: str, current: str) -> str:
        """Where a `Link: <…>; rel="next"` header leads; "" without one. Raises RegistryError for another host."""
        for each in link.split(","):
            target, _, parameters = each.strip().partition(">")
            if target.startswith("<") and 'rel="next"' in parameters.replace(" ", "").replace("rel=next", 'rel="next"'):
                return self.own_url(urljoin(self._url(current), target[1:]), "the next page")
        return ""

    def own_url(self, url: str, what: str) -> str:
        """The address, if it is one of this registry's. Raises RegistryError."""
        url = urljoin(f"{self._base}/", url)
        if not url.startswith(f"{self._root}/"):
            raise RegistryError(f"registry {self.endpoint} names another host for {what}: {urlsplit(url).netloc}")
        return url

    def _url(self, path: str) -> str:
        return path if path.startswith(f"{self._root}/") else f"{self._base}/{path}"

    def _request(self, method: str, url: str, headers: dict[str, str], data: bytes | None, limit: int) -> Response:
        request = oras.provider.Registry.do_request.__wrapped__
        try:
            with request(
                self._registry, url, method, data=data, headers=dict(headers), stream=True
            ) as answer:  # fmt: skip
                if answer.status_code in (401, 403):
                    raise self._forbidden(answer.status_code)
                return Response(answer.status_code, _body(answer, limit), answer.headers)
        except RegistryError as error:
            if str(error).startswith(("registry ", "image ")):
                raise
            raise type(error)(f"registry {self.endpoint}: {error}") from error
        except requests.TooManyRedirects as error:
            raise RegistryError(f"registry {self.endpoint} leads on more than {_REDIRECTS} times") from error
        except (requests.ConnectionError, requests.Timeout, OSError) as error:
            raise RegistryDown(f"registry {self.endpoint} can't be reached: {_cause(error)}") from error
        except (requests.RequestException, ValueError) as error:
            raise RegistryError(f"registry {self.endpoint}: {_cause(error)}") from error

    def _wait(self, answer: Response, attempt: int) -> bool:
        """Waits as long as the registry asks for, if there is time."""
        after = answer.headers.get("Retry-After", "").strip()
        seconds = float(after) if after.isdecimal() else 0.2 * 2**attempt
        if time.monotonic() + seconds >= self._ends:
            return False
        time.sleep(seconds)
        return True

    def _forbidden(self, status: int) -> RegistryError:
        found, complaint = find_credentials(self._host, self.repository, self._environment)
        who = f"as {found.user or 'the identity token'} of {found.origin}" if found else "without a log-in"
        remark = f" ({complaint})" if complaint else ""
        way_out = "" if found else "; log in with: oras login, docker login, podman login or apptainer registry login"
        return RegistryError(
            f"registry {self.endpoint} answers {status} for {self.repository} {who}{remark}: the image is not there, "
            f"or not for us{way_out}"
        )

    def _log_in(self, challenges: Sequence[Challenge]) -> str:
        """The value of Authorization. Raises RegistryError."""
        challenge = chosen(tuple(challenges))
        if challenge is None:
            raise self._forbidden(401)
        found, _ = find_credentials(self._host, self.repository, self._environment)
        if challenge.scheme == "basic":
            if found is None or found.identity_token:
                raise self._forbidden(401)
            return found.basic()
        return f"Bearer {self._token(challenge, found)}"

    def _token(self, challenge: Challenge, found: Credentials | None) -> str:
        """A token of the server that the registry names (distribution, token authentication). A password goes there
        only if it is the registry's own host, or one of the same domain."""
        realm = challenge.parameters.get("realm", "")
        to = urlsplit(realm)
        if to.scheme not in ("https", "http") or not to.hostname:
            raise RegistryError(f"registry {self.endpoint} asks for a token of {realm!r}, which is no address")
        if to.scheme == "http" and self._root.startswith("https://"):
            raise RegistryError(f"registry {self.endpoint} asks for a token without encryption, of {to.netloc}")
        related = _same_site(to.hostname, urlsplit(self._root).hostname or "")
        known = found if related else None
        parameters = {
            "service": challenge.parameters.get("service", ""),
            "scope": scope(self.repository, self._actions, challenge.parameters.get("scope", "")),
        }
        with requests.Session() as session:
            session.auth = lambda request: request
            for prefix in ("http://", "https://"):
                session.mount(prefix, _Fence(f"{to.scheme}://{to.netloc}", self._ends))
            try:
                if known is not None and known.identity_token:
                    form = {
                        "grant_type": "refresh_token",
                        "refresh_token": known.identity_token,
                        "client_id": "hpccompat",
                    }
                    answer = session.post(realm, data={**parameters, **form}, verify=self._verify, stream=True)
                else:
                    headers = {"Authorization": known.basic()} if known is not None else {}
                    answer = session.get(realm, params=parameters, headers=headers, verify=self._verify, stream=True)
                if answer.status_code != 200:
                    raise self._forbidden(answer.status_code)
                top = json.loads(_body(answer, _TOKEN_LIMIT))
                token = top.get("token") or top.get("access_token")
                if not isinstance(token, str) or not token.isascii() or not token.isprintable():
                    raise ValueError("no token in the answer")
                return token
            except (requests.ConnectionError, requests.Timeout) as error:
                raise RegistryDown(f"{to.netloc}, which gives tokens, can't be reached: {_cause(error)}") from error
            except (requests.RequestException, ValueError, AttributeError, RecursionError) as error:
                raise RegistryError(f"{to.netloc} gives no token: {_cause(error)}") from error


def _same_site(one: str, other: str) -> bool:
    """The same host, or two of one domain (registry.example.org, auth.example.org); of addresses the same."""
    if one == other:
        return True
    if ":" in one + other or one.replace(".", "").isdecimal() or other.replace(".", "").isdecimal():
        return False
    parts, others = one.split(".")[-2:], other.split(".")[-2:]
    # docker.io's server of tokens is auth.docker.io; of co.uk and the like three parts have to be equal.
    if len(parts) == 2 and len(parts[-1]) == 2 and len(parts[0]) <= 3:
        parts, others = one.split(".")[-3:], other.split(".")[-3:]
    return len(parts) > 1 and parts == others


def _certificates(ca_bundle: str, environment: Mapping[str, str]) -> str | bool:
    """The setting's, those that the environment names, the system's, or what requests brings along."""
    if ca_bundle and not os.path.exists(ca_bundle):
        raise RegistryError(f"ca_bundle: {ca_bundle} is not there")
    named = [ca_bundle, *(environment.get(each, "") for each in _CA_VARIABLES)]
    return next((each for each in (*named, *_SYSTEM_CA) if each and os.path.exists(each)), True)


def _body(answer: requests.Response, limit: int) -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(65536):
        body += chunk
        if len(body) > limit:
            raise RegistryError(f"{urlsplit(answer.url).path} is larger than {limit} bytes")
    return bytes(body)


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
