"""Settings: defaults < the site's file < the user's file < environment < flags, in one frozen value.

Commands run as root read neither the user's file nor the environment. Keys that the site lists in `locked`
stay as the site has them; with `mode = "enforce"` a user can only make the policy stricter.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from hpccompat.errors import SettingsError

SITE_FILE = Path("/etc/hpccompat/config.toml")
PREFIX = "HPCCOMPAT_"
INVENTORIES = ("scontrol", "pyslurm")
# Labels stand in a constraint of at most 1024 bytes, and on every node's list of features.
MOST_LABELS = 256
START_CHECKS = ("off", "warn", "requeue")
INTERACTIVE = ("warn", "cancel")
MODES = ("observe", "advise", "enforce")
ACTIONS = ("allow", "warn", "deny")
_LISTS = ("plain_http", "registries", "locked", "label_specs", "spack_mirrors")
# Of the environment, these are not settings.
_NOT_KEYS = {"HPCCOMPAT_IMAGE", "HPCCOMPAT_RUNNING"}


@dataclass(frozen=True)
class Policy:
    """What to do in each state that has no clean answer: `allow`, `warn` or `deny`."""

    no_image: str = "allow"
    image_unknown: str = "allow"
    no_spec: str = "allow"
    unavailable: str = "warn"
    invalid: str = "deny"
    no_node: str = "deny"
    no_records: str = "warn"
    broken: str = "warn"


@dataclass(frozen=True)
class Settings:
    """`collect_interval`, `collect_timeout` and `deadline` are seconds. `store_user`: the store's owner, if that is not
    root. `registries`: those that may be asked, none for any. `spec_map`: images -> the site's repositories with specs
    for them. `cache`: a folder of the site's for specs that were looked up. `start_tries`: how often a job is requeued.
    `log`: `syslog`, or a file. `labels`: how many requirements are published at a time; `label_specs`: files of specs
    that always are. `disabled`: the site's kill switch is on. `notes`: what was left out of the user's own settings,
    and why."""

    store: Path = Path("/var/lib/hpccompat/store")
    store_user: str = ""
    spool: Path = Path("/var/lib/hpccompat/spool")
    inventory: str = "scontrol"
    start_check: str = "warn"
    start_tries: int = 3
    start_interactive: str = "warn"
    log: str = ""
    labels: int = 32
    label_specs: tuple[str, ...] = ()
    mode: str = "advise"
    policy: Policy = field(default_factory=Policy)
    min_coverage: float = 0.9
    host_root: str = "/"
    collect_interval: int = 3600
    collect_timeout: int = 10
    deadline: float = 5
    plain_http: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    ca_bundle: str = ""
    spec_map: Mapping[str, str] = field(default_factory=dict)
    cache: str = ""
    offline: bool = False
    spack_mirrors: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    disabled: bool = False
    notes: tuple[str, ...] = ()


def load_settings(
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    as_root: bool | None = None,
    tolerant: bool = False,
) -> Settings:
    """`config`: read instead of the site's file. `tolerant`: a mistake in the user's part is noted, and that part
    left out. Raises SettingsError naming file and key."""
    environment = os.environ if environment is None else environment
    as_root = os.geteuid() == 0 if as_root is None else as_root
    site_file = config or SITE_FILE
    # Before anything is read: the switch has to work when the settings are what is broken.
    if any(switch.exists() for switch in _switches(site_file)):
        return Settings(disabled=True)
    settings = _apply(Settings(), _read(site_file, required=config is not None), str(site_file))
    if as_root:
        return settings
    user_file = _user_file(environment)
    for source in (str(user_file), "environment"):
        try:
            values = _from_environment(environment) if source == "environment" else _read(user_file)
            allowed, notes = _allowed(settings, values, source)
            settings = _apply(settings, allowed, source)
        except SettingsError as error:
            if not tolerant:
                raise
            notes = (f"{error}; these settings are left out",)
        settings = replace(settings, notes=settings.notes + notes)
    return settings


def variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that settings may come from, and those of ours that are set."""
    keys = [each.name for each in fields(Settings) if each.name not in ("policy", "disabled", "notes")]
    names = [*keys, *(f"policy_{each.name}" for each in fields(Policy))]
    ours = {name for name in environment if name.startswith(PREFIX)} - {"HPCCOMPAT_RUNNING"}
    return tuple(sorted({PREFIX + name.upper() for name in names} | ours | {"HOME", "XDG_CONFIG_HOME"}))


def files(config: Path | None, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """All files that settings may come from, whether they are there or not."""
    return (config or SITE_FILE, *_switches(config or SITE_FILE), _user_file(environment))


def _switches(site_file: Path) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(folder / "disabled" for folder in (site_file.parent, SITE_FILE.parent)))


def _user_file(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", "/nonexistent"), ".config")
    return Path(home) / "hpccompat" / "config.toml"


def _read(file: Path, required: bool = False) -> dict[str, Any]:
    try:
        text = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        if required:
            raise SettingsError(f"{file}: {error.strerror}") from error
        return {}
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from error
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        values: dict[str, Any] = tomllib.loads(text.decode())
        return values
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """HPCCOMPAT_<KEY>, the policy's keys as HPCCOMPAT_POLICY_<KEY>; lists are separated by commas."""
    values: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.startswith(PREFIX) or name in _NOT_KEYS:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key == "policy":
            raise SettingsError(f"environment: {name} is no setting; one state is {name}_NO_SPEC=warn")
        if key.startswith("policy_"):
            values.setdefault("policy", {})[key.removeprefix("policy_")] = text
        elif key in ("min_coverage", "collect_interval", "collect_timeout", "deadline", "labels", "start_tries"):
            try:
                values[key] = int(text) if text.isdecimal() else float(text)
            except ValueError as error:
                raise SettingsError(f"environment: {name}: {text!r} is not a number") from error
        elif key == "offline":
            if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
                raise SettingsError(f"environment: {name}: {text!r} is neither true nor false")
            values[key] = text.lower() in ("true", "1", "yes")
        elif key == "spec_map":
            raise SettingsError(f"environment: {name} can't be set there, only in a file")
        elif key in _LISTS:
            values[key] = [each.strip() for each in text.split(",") if each.strip()]
        else:
            values[key] = text
    return values


def _allowed(settings: Settings, values: dict[str, Any], source: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What of a user's values counts, and a note for each that does not."""
    allowed: dict[str, Any] = {}
    notes = []
    for key, value in values.items():
        if key == "policy" and isinstance(value, Mapping):
            policy = {}
            for state, action in value.items():
                current = getattr(settings.policy, state, None)
                weaker = action in ACTIONS and current in ACTIONS and ACTIONS.index(action) < ACTIONS.index(current)
                if "policy" in settings.locked or f"policy.{state}" in settings.locked:
                    notes.append(f"{source}: policy.{state} is locked by the site")
                elif settings.mode == "enforce" and weaker:
                    notes.append(f"{source}: policy.{state} can't be weakened, the site's mode is enforce")
                else:
                    policy[state] = action
            allowed[key] = policy
        elif key == "locked":
            raise SettingsError(f"{source}: only the site can set locked")
        elif key in settings.locked:
            notes.append(f"{source}: {key} is locked by the site")
        elif settings.mode == "enforce":
            notes.append(f"{source}: {key} can't be changed, the site's mode is enforce")
        else:
            allowed[key] = value
    return allowed, tuple(notes)


def _apply(settings: Settings, values: Mapping[str, Any], source: str) -> Settings:
    changes: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{source}: {key}"
        if key == "policy":
            changes[key] = _policy(settings.policy, value, where)
        elif key in ("store", "spool"):
            changes[key] = Path(_text(value, where))
        elif key == "inventory":
            changes[key] = _one_of(value, INVENTORIES, where)
        elif key == "labels":
            if type(value) is not int or not 0 <= value <= MOST_LABELS:
                raise SettingsError(f"{where} must be a whole number from 0 to {MOST_LABELS}, not {value!r}")
            changes[key] = value
        elif key in ("start_check", "start_interactive"):
            changes[key] = _one_of(value, START_CHECKS if key == "start_check" else INTERACTIVE, where)
        elif key == "start_tries":
            if type(value) is not int or not 0 <= value <= 100:
                raise SettingsError(f"{where} must be a whole number from 0 to 100, not {value!r}")
            changes[key] = value
        elif key == "mode":
            changes[key] = _one_of(value, MODES, where)
        elif key == "spec_map":
            if not isinstance(value, Mapping) or not all(
                isinstance(each, str) and "/" in each for each in value.values()
            ):
                raise SettingsError(f'{where} must be a table: HOST or HOST/REPOSITORY = "HOST/REPOSITORY"')
            changes[key] = dict(value)
        elif key == "offline":
            if not isinstance(value, bool):
                raise SettingsError(f"{where} must be true or false, not {value!r}")
            changes[key] = value
        elif key in ("host_root", "store_user", "ca_bundle", "cache", "log"):
            changes[key] = _text(value, where)
        elif key in ("collect_interval", "collect_timeout"):
            # The prolog reads them too; to `timeout` 0 would mean no limit.
            if type(value) is not int or not 1 <= value <= 86400:
                raise SettingsError(f"{where} must be a whole number of seconds from 1 to 86400, not {value!r}")
            changes[key] = value
        elif key in ("min_coverage", "deadline"):
            changes[key] = _number(value, where, 1.0 if key == "min_coverage" else 3600.0)
        elif key in _LISTS:
            changes[key] = _texts(value, where)
            unknown = [each for each in changes[key] if key == "locked" and each not in _lockable()]
            if unknown:
                raise SettingsError(f"{where}: {unknown[0]!r} is no key (known: {', '.join(sorted(_lockable()))})")
        else:
            known = [each.name for each in fields(Settings) if each.name not in ("disabled", "notes")]
            raise SettingsError(f"{source}: unknown key {key!r} (known: {', '.join(sorted(known))})")
    return replace(settings, **changes)


def _lockable() -> set[str]:
    keys = {each.name for each in fields(Settings)} - {"disabled", "notes", "locked"}
    return keys | {f"policy.{each.name}" for each in fields(Policy)}


def _policy(policy: Policy, value: Any, where: str) -> Policy:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{where} must be a table")
    known = {each.name for each in fields(Policy)}
    for state, action in value.items():
        if state not in known:
            raise SettingsError(f"{where}: unknown state {state!r} (known: {', '.join(sorted(known))})")
        policy = replace(policy, **{state: _one_of(action, ACTIONS, f"{where}.{state}")})
    return policy


def _one_of(value: Any, allowed: tuple[str, ...], where: str) -> str:
    if value not in allowed:
        raise SettingsError(f"{where} must be one of {', '.join(allowed)}, not {value!r}")
    return str(value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{where} must be a text, not {value!r}")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise SettingsError(f"{where} must be a list of texts")
    return tuple(value)


def _number(value: Any, where: str, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        raise SettingsError(f"{where} must be a number from 0 to {most:g}, not {value!r}")
    return float(value)
