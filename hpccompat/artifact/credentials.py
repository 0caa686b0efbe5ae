"""Whom a registry takes us for: the files that docker, podman and apptainer log in to, and credential helpers.

Only what is kept for exactly this host is read; it is never printed, and the caller sends it nowhere else. Sources:
docker-login(1), containers-auth.json(5), apptainer-remote-login(1), docker-credential-helpers.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Docker Hub is logged in to under a name of its own.
_HUB = ("docker.io", "index.docker.io", "https://index.docker.io/v1/", "registry-1.docker.io")
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
# Helpers may ask an agent, or a keyring that waits for a person.
_PATIENCE = 3.0
_SIZE = 1024 * 1024


@dataclass(frozen=True)
class Credentials:
    """`user` and `secret`, or an `identity_token` in their place. `origin`: the file or helper they are from."""

    user: str = ""
    secret: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    origin: str = ""

    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()


def files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where credentials may stand, first found wins. Of commands run as root those of root."""
    home = environment.get("HOME", "")
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    config = environment.get("XDG_CONFIG_HOME") or (os.path.join(home, ".config") if home else "")
    docker = environment.get("DOCKER_CONFIG") or (os.path.join(home, ".docker") if home else "")
    found = [environment.get("REGISTRY_AUTH_FILE", "")]
    found += [os.path.join(each, "containers", "auth.json") for each in (runtime, config) if each]
    found += [os.path.join(docker, "config.json")] if docker else []
    found += [os.path.join(home, each, "docker-config.json") for each in (".apptainer", ".singularity") if home]
    return tuple(Path(each) for each in found if each)


def find_credentials(host: str, repository: str, environment: Mapping[str, str]) -> tuple[Credentials | None, str]:
    """The credentials for a repository, None for none, and what was wrong with a file or helper on the way ("" for
    nothing)."""
    complaints = []
    for path in files(environment):
        try:
            with path.open("rb") as opened:
                top = json.loads(opened.read(_SIZE))
            if not isinstance(top, dict):
                raise ValueError("not a JSON object")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            complaints.append(f"{path}: {error.strerror}")
            continue
        except (ValueError, RecursionError):
            complaints.append(f"{path} is not JSON")
            continue
        found, complaint = _of_file(top, host, repository, str(path), environment)
        complaints += [complaint] if complaint else []
        if found is not None:
            return found, "; ".join(complaints)
    return None, "; ".join(complaints)


def _of_file(
    top: Mapping[str, object], host: str, repository: str, path: str, environment: Mapping[str, str]
) -> tuple[Credentials | None, str]:
    names = _HUB if host in _HUB else (host,)
    helpers = _mapping(top.get("credHelpers"))
    store = top.get("credsStore")
    for name in names:
        # A helper for this host, or for all of them; docker leaves an empty entry for what its store holds.
        helper = helpers.get(name) or store
        if isinstance(helper, str) and helper:
            found, complaint = _ask(helper, name, environment)
            if found is not None or complaint:
                return found, complaint
    entries = {_bare(key): _mapping(value) for key, value in _mapping(top.get("auths")).items()}
    for name in names:
        # podman keeps them for parts of a registry, too: the longest fits best.
        parts = f"{_bare(name)}/{repository}".split("/")
        for length in range(len(parts), 0, -1):
            entry = entries.get("/".join(parts[:length]))
            found, complaint = _of_entry(entry, path) if entry else (None, "")
            if found is not None or complaint:
                return found, complaint
    return None, ""


def _of_entry(entry: Mapping[str, object], path: str) -> tuple[Credentials | None, str]:
    identity, auth = entry.get("identitytoken"), entry.get("auth")
    user, secret = entry.get("username"), entry.get("password")
    if isinstance(auth, str) and auth:
        try:
            user, _, secret = base64.b64decode(auth, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None, f"{path} has an auth that is not base64"
    if isinstance(identity, str) and identity:
        return Credentials(user if isinstance(user, str) else "", "", identity, path), ""
    if isinstance(user, str) and isinstance(secret, str) and user:
        return Credentials(user, secret.rstrip("\0"), "", path), ""
    return None, ""


def _bare(key: str) -> str:
    """`https://host/v1/` was the key once."""
    name = key.partition("://")[2] or key
    return name.removesuffix("/").removesuffix("/v1").removesuffix("/v2")


def _ask(helper: str, host: str, environment: Mapping[str, str]) -> tuple[Credentials | None, str]:
    if not _HELPER.fullmatch(helper):
        return None, f"{helper!r} can't be the name of a credential helper"
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"], input=host.encode(), capture_output=True, timeout=_PATIENCE, check=False,
            env=dict(environment),
        )  # fmt: skip
    except FileNotFoundError:
        return None, f"{program} is not in the PATH"
    except subprocess.TimeoutExpired:
        return None, f"{program} did not answer within {_PATIENCE:g} s"
    except OSError as error:
        return None, f"{program} can't be run: {error.strerror}"
    if done.returncode != 0:
        # It knows none: the protocol's answer to that is a failure, too.
        return None, "" if b"credentials not found" in done.stdout + done.stderr else f"{program} failed"
    try:
        answer = json.loads(done.stdout)
        user, secret = answer["Username"], answer["Secret"]
        if not isinstance(user, str) or not isinstance(secret, str):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, f"{program} gave no credentials"
    if user == "<token>":
        return Credentials("", "", secret, program), ""
    return (Credentials(user, secret, "", program), "") if user else (None, "")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
