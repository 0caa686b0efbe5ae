"""A call that has to come back in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from hpccompat.errors import Unavailable

T = TypeVar("T")


def within(seconds: float, call: Callable[[float], T], late: Callable[[], Unavailable]) -> T:
    """The call's result, if it comes in time; it is told its end, by time.monotonic. Else `late` is raised. A thread,
    since neither DNS nor a dripping server obeys the timeouts of sockets; it is left behind, and ends with the
    process."""
    result: list[T] = []
    failure: list[BaseException] = []
    ends = time.monotonic() + seconds

    def work() -> None:
        try:
            result.append(call(ends))
        except BaseException as error:  # handed over to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not result:
        raise late()
    return result[0]
