"""What is kept of lookups, for how long, and what is never believed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hpccompat.artifact.access import Access
from hpccompat.artifact.cache import BYTES, ENTRIES, FOUND_LIFE, Entry, SpecCache
from hpccompat.demand import Demand
from hpccompat.errors import RegistryDown, RegistryError
from hpccompat.resolution import Resolved, Search, resolve
from tests.cluster.own_registry import OwnRegistry

SPEC = "compatibilities: [{description: %s, rules: [{name: r}]}]"


class Site:
    def __init__(self, folder: Path, own: OwnRegistry) -> None:
        self.own = own
        self.cache = SpecCache((folder / "specs",))
        self.folder = folder / "specs"

    def look(self, offline: bool = False, architecture: str = "amd64") -> str:
        """The description of the image's spec; "" without one."""
        cache = SpecCache(self.cache.folders, offline)
        search = Search(Access(2, architecture=architecture), cache, offline)
        found: Resolved | None = resolve(Demand("image", f"{self.own.host}/app:1", "test"), search)
        return found.spec.compatibilities[0].description if found else ""

    def requests(self) -> int:
        count = len(self.own.seen)
        self.own.seen.clear()
        return count

    def age(self, seconds: float, *kinds: str) -> None:
        for path in self.folder.glob("*.json"):
            top = json.loads(path.read_text())
            if top["kind"] in kinds:
                path.write_text(json.dumps({**top, "at": top["at"] - seconds}))


def test_how_often_a_registry_is_asked(tmp_path: Path) -> None:
    with OwnRegistry() as own:
        site = Site(tmp_path, own)
        subject = own.put_image()
        assert site.look() == ""
        assert site.requests() >= 3
        assert (site.look(), site.requests()) == ("", 0)
        own.attach(subject, SPEC % "first")
        assert (site.look(), site.requests()) == ("", 0), "that there is none is believed for a while"
        site.age(601, "none")
        assert site.look() == "first"
        site.requests()
        assert (site.look(), site.requests()) == ("first", 0)
        site.age(31, "tag")
        assert (site.look(), site.requests()) == ("first", 1), "the tag's digest, by one request"
        other = own.put_image(text="another")
        own.attach(other, SPEC % "of another")
        assert site.look() == "first"
        site.age(31, "tag")
        assert site.look() == "of another"
        site.requests()
        assert site.look(architecture="arm64") == "of another"
        assert site.requests() > 0, "another architecture is another question"
        site.age(FOUND_LIFE + 1, "spec")
        own.attach(other, SPEC % "newer", "2026-01-01T00:00:00Z")
        assert site.look() == "newer"


def test_a_dead_registry_is_left_alone_for_a_minute(tmp_path: Path) -> None:
    with OwnRegistry() as own:
        site = Site(tmp_path, own)
        own.attach(own.put_image(), SPEC % "here")
        own.faults["manifests/1"] = lambda handler: time.sleep(5)
        for expected in ("did not answer|can't be reached", r"\([0-9]+ s ago; it is asked again after a minute\)"):
            with pytest.raises(RegistryDown, match=expected):
                site.look()
        assert site.requests() == 1
        own.faults.clear()
        site.age(61, "dead")
        assert site.look() == "here"


def test_offline(tmp_path: Path) -> None:
    with OwnRegistry() as own:
        site = Site(tmp_path, own)
        own.attach(own.put_image(), SPEC % "here")
        with pytest.raises(RegistryError, match="not in the cache, and nothing is asked for"):
            site.look(offline=True)
        assert site.requests() == 0
        site.look()
        site.age(10**6, "tag", "spec")
        site.requests()
        assert (site.look(offline=True), site.requests()) == ("here", 0), "however old"


SPOILED: dict[str, Callable[[Path], object]] = {
    "half": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "empty": lambda path: path.write_bytes(b""),
    "another version": lambda path: path.write_text(path.read_text().replace('"version": 1', '"version": 2')),
    "of another image": lambda path: path.write_text(path.read_text().replace("app", "other")),
    "no spec": lambda path: path.write_text(path.read_text().replace("compatibilities", "nonsense")),
    "of the future": lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "at": 1e11})),
    "a link": lambda path: (path.rename(path.with_name("x")), path.symlink_to(path.with_name("x"))),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "too large": lambda path: path.write_bytes(path.read_bytes() + b" " * 3_000_000),
    "a folder that others write": lambda path: path.parent.chmod(0o777),
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_not_believed(tmp_path: Path, what: str) -> None:
    with OwnRegistry() as own:
        site = Site(tmp_path, own)
        own.attach(own.put_image(), SPEC % "here")
        site.look()
        for path in site.folder.glob("spec-*.json"):
            SPOILED[what](path)
        site.requests()
        if what == "no spec":
            return  # an empty spec is an error wherever it is from
        assert site.look() == "here"
        assert site.requests() > 0


def test_a_folder_is_bounded(tmp_path: Path) -> None:
    cache = SpecCache((tmp_path / "specs",))
    cache.put(Entry("spec", "first", "x" * 100, time.time()))
    os.utime(next((tmp_path / "specs").iterdir()), (1, 1))
    for number in range(3):
        (tmp_path / "specs" / f"spec-{number}.json").write_bytes(b"x" * (BYTES // 3))
    cache.put(Entry("spec", "last", "text", time.time()))
    assert cache.get("spec", "first") is None
    assert cache.get("spec", "last") is not None
    assert ENTRIES > 1000


def test_a_site_has_a_cache_for_all(tmp_path: Path) -> None:
    user, other, site = (tmp_path / name for name in ("user", "other", "site"))
    site.mkdir(mode=0o755)
    SpecCache((user, site)).put(Entry("spec", "image", "text", time.time()))
    assert SpecCache((other, site)).get("spec", "image") is not None
    assert not other.exists(), "looking makes nothing"
    site.chmod(0o777)
    assert SpecCache((other, site)).get("spec", "image") is None


def test_a_cache_that_can_not_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = SpecCache((tmp_path / "file" / "specs",))
    cache.put(Entry("spec", "image", "text", time.time()))
    assert cache.get("spec", "image") is None
    assert list(cache.entries()) == []
    assert cache.clear() == 0
