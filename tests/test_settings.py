"""Where settings come from, and who may change them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpccompat.errors import SettingsError
from hpccompat.settings import Settings, load_settings


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "config.toml"


def load(site: Path, text: str, user: str = "", as_root: bool = False, **environment: str) -> Settings:
    site.parent.mkdir(exist_ok=True)
    site.write_text(text)
    home = site.parents[1] / "home"
    (home / "hpccompat").mkdir(parents=True, exist_ok=True)
    (home / "hpccompat" / "config.toml").write_text(user)
    return load_settings(site, {"XDG_CONFIG_HOME": str(home), **environment}, as_root)


def test_the_layers(site: Path) -> None:
    assert load(site, "").deadline == 5
    assert load(site, "deadline = 4").deadline == 4
    assert load(site, "deadline = 4", "deadline = 3").deadline == 3
    assert load(site, "deadline = 4", "deadline = 3", HPCCOMPAT_DEADLINE="2").deadline == 2
    settings = load(site, '[policy]\nno_spec = "warn"', '[policy]\nno_image = "warn"', HPCCOMPAT_POLICY_INVALID="warn")
    policy = settings.policy
    assert (policy.no_spec, policy.no_image, policy.invalid, policy.no_node) == ("warn", "warn", "warn", "deny")
    assert load(site, "", HPCCOMPAT_PLAIN_HTTP="a:1, b").plain_http == ("a:1", "b")
    assert load(site, "", HPCCOMPAT_IMAGE="x").notes == (), "not a setting"


def test_root_reads_the_site_alone(site: Path) -> None:
    settings = load(site, "", "nonsense = 1", as_root=True, HPCCOMPAT_DEADLINE="x")
    assert settings == Settings()


def test_locked_keys_stay(site: Path) -> None:
    settings = load(
        site, 'locked = ["store", "policy.invalid"]', 'store = "/x"\n[policy]\ninvalid = "allow"\nno_node = "warn"'
    )
    assert (settings.store, settings.policy.invalid, settings.policy.no_node) == (Settings().store, "deny", "warn")
    assert len(settings.notes) == 2
    assert "store is locked by the site" in settings.notes[0]


def test_under_enforce_users_can_only_be_stricter(site: Path) -> None:
    user = 'store = "/x"\nmode = "observe"\n[policy]\ninvalid = "allow"\nno_spec = "deny"\n'
    settings = load(site, 'mode = "enforce"', user, HPCCOMPAT_POLICY_UNAVAILABLE="allow")
    assert (settings.mode, settings.store) == ("enforce", Settings().store)
    assert (settings.policy.invalid, settings.policy.no_spec, settings.policy.unavailable) == ("deny", "deny", "warn")
    assert len(settings.notes) == 4


def test_the_kill_switch(site: Path) -> None:
    assert not load(site, "").disabled
    (site.parent / "disabled").touch()
    assert load(site, "").disabled
    assert load(site, "this is no TOML").disabled, "the switch works when the settings are broken"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nonsense = 1", "unknown key 'nonsense'"),
        ("disabled = true", "unknown key 'disabled'"),
        ("deadline = ", "config.toml: "),
        ("deadline = -1", "deadline must be a number"),
        ("deadline = true", "deadline must be a number"),
        ("collect_timeout = 0", "collect_timeout must be a whole number of seconds"),
        ("collect_timeout = 0.5", "collect_timeout must be a whole number of seconds"),
        ("min_coverage = 2", "min_coverage must be a number from 0 to 1"),
        ('mode = "strict"', "mode must be one of observe, advise, enforce"),
        ("store = 1", "store must be a text"),
        ('plain_http = "x"', "plain_http must be a list of texts"),
        ("policy = 1", "policy must be a table"),
        ("[policy]\nno_luck = 'deny'", "unknown state 'no_luck'"),
        ("[policy]\ninvalid = 'no'", "policy.invalid must be one of allow, warn, deny"),
    ],
)
def test_wrong_settings_are_told_with_their_place(site: Path, text: str, named: str) -> None:
    for site_text, user_text in ((text, ""), ("", text)):
        with pytest.raises(SettingsError) as error:
            load(site, site_text, user_text)
        assert named in str(error.value)
        assert "config.toml" in str(error.value)


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tmp_path / "nothing.toml")


def test_users_cannot_lock(site: Path) -> None:
    with pytest.raises(SettingsError, match="only the site can set locked"):
        load(site, "", 'locked = ["mode"]')
    with pytest.raises(SettingsError, match="HPCCOMPAT_DEADLINE: 'x' is not a number"):
        load(site, "", HPCCOMPAT_DEADLINE="x")


def test_a_users_mistakes_can_be_left_out(site: Path) -> None:
    site.parent.mkdir(exist_ok=True)
    site.write_text('mode = "enforce"')
    settings = load_settings(site, {"HPCCOMPAT_DEADLINE": "abc", "HOME": str(site.parent)}, False, tolerant=True)
    assert settings.mode == "enforce"
    assert "'abc' is not a number; these settings are left out" in settings.notes[0]
    with pytest.raises(SettingsError, match="HPCCOMPAT_POLICY is no setting"):
        load_settings(site, {"HPCCOMPAT_POLICY": "warn", "HPCCOMPAT_POLICY_NO_NODE": "warn"}, False)


def test_only_keys_can_be_locked(site: Path) -> None:
    with pytest.raises(SettingsError, match="'mdoe' is no key"):
        load(site, 'locked = ["mode", "mdoe"]')
