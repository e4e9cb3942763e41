"""How long to wait before trying again."""

import math
import random
import time
from collections.abc import Callable

SPREAD = 0.25  # either way, so that many who wait do not come back together


class Backoff:
    """Growing pauses between attempts, all in seconds.

    They begin at ``first_s`` and double up to ``most_s``.  That is short: while we wait, what a
    server that is back again sends is lost.  After an attempt that lasted longer than
    ``steady_s`` they begin anew: it was a good one.
    """

    def __init__(
        self,
        *,
        steady_s: float = math.inf,
        first_s: float = 0.25,
        most_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steady_s, self._first_s, self._most_s = steady_s, first_s, most_s
        self._clock = clock
        self._began_s = clock()
        self._next_s = first_s

    @property
    def steady(self) -> bool:
        """Whether the attempt that goes on, or has just ended, is a good one."""
        return self._clock() - self._began_s > self._steady_s

    def pause_s(self) -> float:
        """How long to wait now that an attempt has ended; the next one begins after that."""
        if self.steady:
            self._next_s = self._first_s
        pause_s = self._next_s * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - no secret
        self._next_s = min(self._most_s, self._next_s * 2)
        self._began_s = self._clock() + pause_s
        return pause_s
