"""Make guessing a password slow: after a few wrong ones a source waits, longer each time, and the log says so.

A whole bureau may come from one address. Where somebody knew a password today, one who mistypes keeps the others
waiting for a minute at most; a right password clears nothing, or whoever has one could go on guessing the other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from balance_lib.show.serve.connections import local

log = logging.getLogger(__name__)

FREE = 5
FIRST_S, LONGEST_S, LONGEST_KNOWN_S = 5.0, 900.0, 60.0
FORGET_S, KNOWN_S = 3600.0, 12 * 3600.0
MOST = 10_000


class Lockout:
    """Count wrong passwords by source.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, tuple[int, float]] = {}
        self._known: dict[str, float] = {}

    def wait_s(self, source: str) -> float:
        """Return how long a source still has to wait; 0 when it may try."""
        count, last = self._wrong.get(source, (0, 0.0))
        if count < FREE:
            return 0.0
        known = self._clock() - self._known.get(source, -KNOWN_S) < KNOWN_S
        wait = min(LONGEST_KNOWN_S if known else LONGEST_S, FIRST_S * 2.0 ** min(count - FREE, 20))
        return max(0.0, last + wait - self._clock())

    def failed(self, source: str) -> None:
        """Note a wrong password."""
        count, last = self._wrong.pop(source, (0, 0.0))
        count = 1 if self._clock() - last > FORGET_S else count + 1
        self._wrong[source] = (count, self._clock())
        if len(self._wrong) > MOST:
            del self._wrong[next(iter(self._wrong))]
        log.warning("wrong password from %s, number %d; next try in %.0f s", source, count, self.wait_s(source))

    def passed(self, source: str) -> None:
        """Note that somebody at a source knows a password."""
        self._known.pop(source, None)
        self._known[source] = self._clock()
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]


def source_of(request: Any) -> str:
    """Return where a request comes from: the connection's other end, or whom a proxy on this machine names.

    What a visitor from elsewhere writes into ``X-Real-IP`` or ``X-Forwarded-For`` is not heard.
    """
    context = getattr(request.connection, "context", None)
    address = getattr(context, "address", None)
    peer = str(address[0]) if isinstance(address, tuple) and address else "localhost"
    return str(request.remote_ip) if local(peer) else peer
