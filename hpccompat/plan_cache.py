"""Finished plans, kept for some seconds: people submit the same job hundreds of times.

A plan is what the words up to the script's name become, in one folder, with one environment; what the script gets
besides is no part of it. (srun and salloc have no script: there it is all words.) It holds as long as the files that it
was made of have not changed: settings, script, spec and host files, the store's folders of records, and its
`generation`, which index and publisher rewrite.

On the way of every submission: only what costs next to nothing is imported here.
"""

from __future__ import annotations

import os
import stat
import time

# Seconds. A tag that moves in a registry is noticed as late.
LIFE = 30.0
_MAGIC = b"hpccompat plan 1"
# Bytes of an entry, and of a file that a plan may hang on.
_LIMIT = 1024 * 1024
# What else of the environment decides: Slurm's own input, where settings and programs are found.
_PREFIXES = ("SBATCH_", "SALLOC_", "SLURM_", "SRUN_", "HPCCOMPAT_", "PYXIS_")
_NAMES = ("HOME", "PATH", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
_ABSENT = "-"


def digest(data: bytes) -> str:
    try:
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b
    text: str = blake2b(data, digest_size=20).hexdigest()
    return text


def digest_of(path: str) -> str:
    """Of a file's content, or of when a folder's entries last changed; `-` where there is none, "" where it can't be
    told (no rights, neither file nor folder). Of a large file, as images are, what its inode says stands for it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return _ABSENT
    except (OSError, ValueError):
        return ""
    try:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            return f"folder {found.st_mtime_ns}"
        if not stat.S_ISREG(found.st_mode):
            return ""
        if found.st_size > _LIMIT:
            return f"file {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
        data = os.read(handle, _LIMIT + 1)
        return digest(data) if len(data) <= _LIMIT else ""
    except OSError:
        return ""
    finally:
        os.close(handle)


class CachedPlan:
    """`program`: the path of Slurm's command. `words`: its arguments up to and with the script's name. `messages`:
    lines for standard error."""

    __slots__ = ("messages", "path", "program", "words")

    def __init__(self, path: str, program: str, words: list[str], messages: list[str]) -> None:
        self.path, self.program, self.words, self.messages = path, program, words, messages

    def forget(self) -> None:
        try:
            os.unlink(self.path)
        except OSError:
            pass


def folder_of(environment: os._Environ[str] | dict[str, str]) -> str:
    """The user's own folder for plans; "" without a home."""
    home = environment.get("HOME", "")
    base = environment.get("XDG_CACHE_HOME") or (os.path.join(home, ".cache") if home else "")
    return os.path.join(base, "hpccompat", "plans") if os.path.isabs(base) else ""


def _key(command: str, config: str, words: list[str], environment: os._Environ[str] | dict[str, str]) -> str:
    """Of words that end with the script's name, or that are all there are."""
    chosen = sorted(
        f"{name}={value}"
        for name, value in environment.items()
        if (name.startswith(_PREFIXES) or name in _NAMES) and name != "HPCCOMPAT_RUNNING"
    )
    parts = [str(os.geteuid()), os.getcwd(), config, command, str(len(words)), *words, *chosen]
    return digest("\0".join(parts).encode("utf-8", "surrogateescape"))


def find(command: str, config: str, words: list[str], environment: os._Environ[str]) -> CachedPlan | None:
    """The plan for these arguments; with what its script gets besides among its words."""
    folder = folder_of(environment)
    try:
        if not folder or not _own(os.lstat(folder)):
            return None
        kept = set(os.listdir(folder))
        # All words of srun and salloc decide; of sbatch those up to the script's name.
        least = 0 if command == "sbatch" else len(words) - 1
        for count in range(len(words), least, -1):
            key = _key(command, config, words[:count], environment)
            rest = words[count:]
            # What stands behind the script and looks like ours is worth a remark.
            if key in kept and not any(word.startswith("--compat") for word in rest):
                found = _read(os.path.join(folder, key))
                if found is not None:
                    found.words += rest
                    return found
    except (OSError, ValueError):
        pass
    return None


def _own(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _read(path: str) -> CachedPlan | None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        data = os.read(handle, _LIMIT + 1)
    finally:
        os.close(handle)
    check, _, body = data.partition(b"\0")
    if check.decode("ascii", "replace") != digest(body):
        return None
    fields = body.decode("utf-8", "surrogateescape").split("\0")
    magic, since, until, files, messages, program, *rest = fields
    if magic.encode() != _MAGIC or not float(since) <= time.time() < float(until):
        return None
    split = 2 * int(files)
    if any(digest_of(name) != known for name, known in zip(rest[:split:2], rest[1:split:2], strict=True)):
        return None
    return CachedPlan(path, program, rest[split + int(messages) :], rest[split : split + int(messages)])


def keep(
    command: str,
    config: str,
    words: list[str],
    environment: os._Environ[str],
    until: float,
    files: dict[str, str],
    plan: CachedPlan,
) -> None:
    """`files`: path -> digest. Nothing is kept where a digest is not known, or anything goes wrong: a plan can always
    be made again."""
    folder = folder_of(environment)
    if not folder or "" in files.values():
        return
    fields = [_MAGIC.decode(), repr(time.time()), repr(until), str(len(files)), str(len(plan.messages)), plan.program]
    for name, known in files.items():
        fields += [name, known]
    fields += [*plan.messages, *plan.words]
    if any("\0" in each for each in fields):
        return
    body = "\0".join(fields).encode("utf-8", "surrogateescape")
    put(folder, _key(command, config, words, environment), digest(body).encode() + b"\0" + body)


def put(folder: str, name: str, data: bytes) -> None:
    """Writes an entry whole, or not at all; and removes what has outlived any plan."""
    temporary = os.path.join(folder, f".{os.urandom(8).hex()}")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if len(data) > _LIMIT or not _own(os.lstat(folder)):
            return
        _sweep(folder)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, os.path.join(folder, name))
    except (OSError, ValueError):
        try:
            os.unlink(temporary)
        except OSError:
            pass


def _sweep(folder: str) -> None:
    """Removes what has outlived any plan."""
    old = time.time() - 2 * LIFE
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime < old:
                os.unlink(entry.path)
