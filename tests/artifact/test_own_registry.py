"""Lookups in a registry with the Referrers API, log-ins and faults."""

from __future__ import annotations

import base64
import http.server
import json
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hpccompat.artifact.access import Access
from hpccompat.artifact.registry import Lookup, find_spec, image_digest, list_specs
from hpccompat.errors import RegistryDown, RegistryError
from hpccompat.reference import ImageReference, parse_reference
from tests.cluster.own_registry import SECRET, USER, OwnRegistry

ACCESS = Access(deadline=5)
Handler = http.server.BaseHTTPRequestHandler


def image(registry: OwnRegistry, name: str = "app:1") -> ImageReference:
    reference = parse_reference(f"{registry.host}/{name}")
    assert isinstance(reference, ImageReference)
    return reference


def text_of(lookup: Lookup) -> str:
    return lookup.artifact.data.decode() if lookup.artifact else ""


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No log-in of the person who runs the tests."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def log_in(folder: Path, monkeypatch: pytest.MonkeyPatch, host: str, secret: str = SECRET) -> None:
    auth = base64.b64encode(f"{USER}:{secret}".encode()).decode()
    file = folder / "auth.json"
    file.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))


@pytest.mark.parametrize("page", [0, 2])
@pytest.mark.parametrize("types", [True, False])
def test_the_newest_of_all_pages(page: int, types: bool) -> None:
    with OwnRegistry(page=page, types=types) as registry:
        subject = registry.put_image()
        for number in (3, 1, 5, 2, 4):
            registry.attach(subject, f"spec {number}", f"2025-01-0{number}T00:00:00Z")
        registry.put(json.dumps({"artifactType": "other", "subject": {"digest": subject, "size": 1}}).encode())
        lookup = find_spec(image(registry), ACCESS)
        assert (lookup.image, text_of(lookup)) == (subject, "spec 5")
        listed = list_specs(image(registry), ACCESS)
        assert [each.counts for each in listed] == [True, False, False, False, False]


def test_the_tag_is_asked_after_an_empty_list() -> None:
    with OwnRegistry() as registry:
        subject = registry.put_image()
        assert find_spec(image(registry), ACCESS).artifact is None
        registry.attach(subject, "from before the API", by_tag=True)
        assert text_of(find_spec(image(registry), ACCESS)) == "from before the API"


def test_a_platform_goes_before_the_index() -> None:
    with OwnRegistry() as registry:
        amd, arm = (registry.put_image("", architecture) for architecture in ("amd64", "arm64"))
        index = registry.put_index("1", {"amd64": amd, "arm64": arm})
        registry.attach(index, "of the index", "2026-01-01T00:00:00Z")
        assert text_of(find_spec(image(registry), ACCESS)) == "of the index"
        registry.attach(amd, "of amd64")
        found = {
            each: text_of(find_spec(image(registry), Access(5, architecture=each)))
            for each in ("amd64", "arm64", "s390x")
        }
        assert found == {"amd64": "of amd64", "arm64": "of the index", "s390x": "of the index"}
        assert find_spec(image(registry), ACCESS).image == index


def test_a_label_comes_last() -> None:
    with OwnRegistry() as registry:
        subject = registry.put_image(labels={"org.hpccompat.spec": "labelled"})
        lookup = find_spec(image(registry), ACCESS)
        assert text_of(lookup) == "labelled"
        assert lookup.artifact is not None
        assert "label org.hpccompat.spec" in lookup.artifact.found_at
        registry.attach(subject, "attached")
        assert text_of(find_spec(image(registry), ACCESS)) == "attached"


def test_the_sites_own_specs_for_images_of_others() -> None:
    with OwnRegistry() as theirs, OwnRegistry() as ours:
        subject = theirs.put_image()
        ours.manifests[subject] = theirs.manifests[subject]
        ours.attach(subject, "the site's")
        theirs.attach(subject, "theirs")
        del ours.manifests[subject]
        for key in (theirs.host, f"{theirs.host}/app"):
            value = ours.host if key == theirs.host else f"{ours.host}/app"
            access = Access(5, spec_map={key: value, "elsewhere": "x/y"})
            assert text_of(find_spec(image(theirs), access)) == "the site's"
        assert text_of(find_spec(image(theirs), ACCESS)) == "theirs"
        access = Access(5, spec_map={theirs.host: ours.host}, registries=(theirs.host,))
        with pytest.raises(RegistryError, match="not among those that may be asked"):
            find_spec(image(theirs), access)


def test_only_registries_that_may_be_asked_are() -> None:
    with OwnRegistry() as registry:
        registry.put_image()
        with pytest.raises(RegistryError, match="not among those that may be asked"):
            find_spec(image(registry), Access(5, registries=("registry.example.org",)))
        assert not registry.seen
        assert find_spec(image(registry), Access(5, registries=(registry.host,))).image


def test_a_digest_costs_one_request() -> None:
    with OwnRegistry() as registry:
        subject = registry.put_image()
        assert image_digest(image(registry), ACCESS) == subject
        assert [(each.method, each.path) for each in registry.seen] == [("HEAD", "/v2/app/manifests/1")]
        registry.faults["manifests/1"] = lambda handler: handler.reply(  # type: ignore[attr-defined]
            200, b"" if handler.command == "HEAD" else registry.manifests[subject][1]
        )
        assert image_digest(image(registry), ACCESS) == subject


# -- log-ins


@pytest.mark.parametrize("login", ["basic", "bearer"])
def test_who_is_logged_in_is_let_in(login: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with OwnRegistry(login=login) as registry:
        registry.attach(registry.put_image(), "found")
        with pytest.raises(RegistryError, match=r"answers 401 for app without a log-in.*oras login"):
            find_spec(image(registry), ACCESS)
        log_in(tmp_path, monkeypatch, registry.host, "wrong")
        with pytest.raises(RegistryError, match=f"answers 401 for app as {USER} of .*auth.json") as error:
            find_spec(image(registry), ACCESS)
        assert "wrong" not in str(error.value)
        log_in(tmp_path, monkeypatch, registry.host)
        assert text_of(find_spec(image(registry), ACCESS)) == "found"


def test_a_token_that_expires_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with OwnRegistry(login="bearer", token_life=2) as registry:
        registry.attach(registry.put_image(), "found")
        log_in(tmp_path, monkeypatch, registry.host)
        assert text_of(find_spec(image(registry), ACCESS)) == "found"
        assert len(registry.scopes) == 2
        assert set(registry.scopes) == {"repository:app:pull"}


@pytest.mark.parametrize(
    "place", [".docker/config.json", ".config/containers/auth.json", ".apptainer/docker-config.json"]
)
def test_where_log_ins_are_kept(place: str, tmp_path: Path) -> None:
    file = tmp_path / "home" / place
    file.parent.mkdir(parents=True)
    with OwnRegistry(login="basic") as registry:
        registry.attach(registry.put_image(), "found")
        auth = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
        other = base64.b64encode(b"another:password").decode()
        file.write_text(
            json.dumps({"auths": {registry.host: {"auth": other}, f"https://{registry.host}/app": {"auth": auth}}})
        )
        assert text_of(find_spec(image(registry), ACCESS)) == "found", "the longest name fits best"
        file.write_text(json.dumps({"auths": {registry.host: {"auth": "$$$"}}}))
        with pytest.raises(RegistryError, match="has an auth that is not base64"):
            find_spec(image(registry), ACCESS)
        file.write_text("{")
        with pytest.raises(RegistryError, match="is not JSON"):
            find_spec(image(registry), ACCESS)


HELPERS = {
    "good": (f'read host; echo \'{{"Username": "{USER}", "Secret": "{SECRET}"}}\'', ""),
    "token": (f'echo \'{{"Username": "<token>", "Secret": "{SECRET}"}}\'', ""),
    "unknown": ("echo credentials not found in native keychain; exit 1", "without a log-in"),
    "failing": ("echo no keyring >&2; exit 1", "docker-credential-own failed"),
    "rubbish": ("echo hello", "docker-credential-own gave no credentials"),
    "missing": ("", "docker-credential-own is not in the PATH"),
}


@pytest.mark.parametrize("kind", HELPERS)
def test_credential_helpers(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body, because = HELPERS[kind]
    folder = tmp_path / "bin"
    folder.mkdir()
    if body:
        helper = folder / "docker-credential-own"
        helper.write_text(f"#!/bin/sh\n{body}\n")
        helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    with OwnRegistry(login="bearer") as registry:
        registry.attach(registry.put_image(), "found")
        (tmp_path / "auth.json").write_text(json.dumps({"credHelpers": {registry.host: "own"}}))
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
        if because:
            with pytest.raises(RegistryError, match=because):
                find_spec(image(registry), ACCESS)
        else:
            assert text_of(find_spec(image(registry), ACCESS)) == "found"


def test_credentials_stay_with_their_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a registry names: another one's token server, redirects, the next page, where to upload."""
    with OwnRegistry() as other, OwnRegistry(login="bearer") as registry:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        registry.attach(registry.put_image(), "found")
        log_in(tmp_path, monkeypatch, registry.host)
        registry.realm = f"{elsewhere}/token"
        other.faults["/token"] = lambda handler: handler.reply(200, b'{"token": "x"}')  # type: ignore[attr-defined]
        with pytest.raises(RegistryError, match="answers 401"):
            find_spec(image(registry), ACCESS)
        registry.realm = ""
        blob = next(name for name in registry.blobs if registry.blobs[name] == b"found")
        other.blobs[blob] = b"found"
        registry.faults[f"blobs/{blob}"] = lambda handler: handler.reply(  # type: ignore[attr-defined]
            307, b"", Location=f"{elsewhere}/v2/app/blobs/{blob}"
        )
        assert text_of(find_spec(image(registry), ACCESS)) == "found", "content may lie elsewhere"
        registry.faults["referrers/"] = lambda handler: handler.reply(  # type: ignore[attr-defined]
            200, b'{"manifests": []}', Content_Type="application/vnd.oci.image.index.v1+json",
            Link=f'<{elsewhere}/v2/app/referrers/x>; rel="next"',
        )  # fmt: skip
        with pytest.raises(RegistryError, match="names another host for the next page"):
            find_spec(image(registry), ACCESS)
        assert other.seen
        assert not any(each.authorization for each in other.seen)
        assert any(each.authorization.startswith("Bearer") for each in registry.seen)


# -- faults


def status(code: int, **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.reply(code, b"{}", **headers)  # type: ignore[attr-defined]


def silent(handler: Handler) -> None:
    time.sleep(30)


def drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.2)


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(b"x" * 100_000)
    except OSError:
        pass


def lying(handler: Handler) -> None:
    handler.reply(200, b"another spec")  # type: ignore[attr-defined]


def again_and_again(handler: Handler) -> None:
    handler.reply(302, b"", Location=handler.path)  # type: ignore[attr-defined]


FAULTS = [
    ("manifests/1", status(403), "answers 403 for app"),
    ("manifests/1", status(500), "answers 500"),
    ("manifests/1", status(503), "answers 503"),
    ("manifests/1", status(429, Retry_After="60"), "answers 429"),
    ("manifests/1", silent, "did not answer within 1 s|can't be reached"),
    ("manifests/1", drip, "did not answer within 1 s|can't be reached"),
    ("manifests/1", endless, "larger than"),
    ("manifests/1", again_and_again, "leads on more than 5 times"),
    ("manifests/1", status(302, Location="ftp://x/y"), "registry 127"),
    ("referrers/", status(403), "answers 403 for app"),
    ("referrers/", status(500), "answers 500 for the referrers"),
    ("referrers/", endless, "larger than"),
    ("blobs/", lying, "another digest|12 bytes where"),
    ("blobs/", status(404), "answers 404"),
    ("blobs/", endless, "larger than"),
    ("blobs/", drip, "did not answer within 1 s|can't be reached"),
]


@pytest.mark.parametrize(("part", "answer", "because"), FAULTS)
def test_faults(part: str, answer: Callable[[Handler], None], because: str) -> None:
    with OwnRegistry() as registry:
        registry.attach(registry.put_image(), "found")
        registry.faults[part] = answer
        started = time.monotonic()
        with pytest.raises(RegistryError, match=because):
            find_spec(image(registry), Access(1))
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("code", [429, 502, 503])
def test_what_passes_is_tried_again(code: int) -> None:
    with OwnRegistry() as registry:
        registry.attach(registry.put_image(), "found")

        def once(handler: Handler) -> None:
            del registry.faults["manifests/1"]
            status(code, Retry_After="1")(handler)

        registry.faults["manifests/1"] = once
        started = time.monotonic()
        assert text_of(find_spec(image(registry), ACCESS)) == "found"
        assert time.monotonic() - started >= 1, "it is waited as long as it asks for"


def test_a_dead_registry_is_known_as_such() -> None:
    with OwnRegistry() as registry:
        reference = image(registry)
    with pytest.raises(RegistryDown, match="Connection refused"):
        find_spec(reference, ACCESS)


def test_too_many_pages() -> None:
    with OwnRegistry() as registry:
        subject = registry.put_image()
        registry.faults["referrers/"] = lambda handler: handler.reply(  # type: ignore[attr-defined]
            200, b'{"manifests": []}', Content_Type="application/vnd.oci.image.index.v1+json",
            Link=f'</v2/app/referrers/{subject}?n=1>; rel="next"',
        )  # fmt: skip
        with pytest.raises(RegistryError, match="lists more than 1000 referrers"):
            find_spec(image(registry), ACCESS)
        assert len(registry.seen) < 30


def test_a_proxy_is_asked_where_the_environment_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with OwnRegistry() as proxy:
        proxy.attach(proxy.put_image(), "found")
        reference = ImageReference("registry.example.org", "app", "1")
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        lookup = find_spec(reference, Access(5, plain_http=("registry.example.org",)))
        assert text_of(lookup) == "found"
        assert {each.path.partition("/v2/")[0] for each in proxy.seen} == {"http://registry.example.org"}


# -- TLS


def test_tls(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpccompat.artifact.registry.is_loopback", lambda host: False)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with OwnRegistry(tls=certificate) as registry, OwnRegistry() as plain:
        subject = registry.put_image()
        registry.attach(subject, "found")
        assert text_of(find_spec(image(registry), Access(5, ca_bundle=str(certificate[0])))) == "found"
        with pytest.raises(RegistryError, match="certificate"):
            find_spec(image(registry), ACCESS)
        with pytest.raises(RegistryError, match="ca_bundle: /no/where is not there"):
            find_spec(image(registry), Access(5, ca_bundle="/no/where"))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert text_of(find_spec(image(registry), ACCESS)) == "found"
        registry.faults["blobs/"] = status(307, Location=f"{plain.url}/v2/app/blobs/x")
        with pytest.raises(RegistryError, match="which is not encrypted"):
            find_spec(image(registry), ACCESS)
        with pytest.raises(RegistryError, match="registry 127"):
            find_spec(image(plain), ACCESS)
