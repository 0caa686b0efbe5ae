"""One line of JSON for each decision, to syslog or a file, where the site asks for it."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping

# Bytes of a line: it is written at once, beside those of others.
_LIMIT = 8192


def log_decision(target: str, decision: Mapping[str, object]) -> None:
    """`target`: the setting `log`: "" for nowhere, `syslog`, or a file, which users must be able to append to. What
    can't be logged is not: a job is worth more than a line about it."""
    if not target:
        return
    line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "uid": os.getuid(), **decision})
    if len(line) > _LIMIT:
        kept = {key: value for key, value in decision.items() if len(json.dumps(value)) < 1000}
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "uid": os.getuid(), **kept})
    if target == "syslog":
        import syslog

        syslog.openlog("hpccompat", 0, syslog.LOG_USER)
        syslog.syslog(syslog.LOG_INFO, line)
        return
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(target, flags, 0o644)
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)
    except OSError:
        pass
