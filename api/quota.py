"""Request rates: a token bucket for each app."""

import threading
from collections.abc import Callable

from media.errors import Blame, FarmError


class RateExceeded(FarmError):
    """More requests than the app may send."""

    retryable = True
    blame = Blame.CUSTOMER


class Quota:
    """At most so many requests per second and app in this process, bursts of a second's worth.

    Only apps that exist are counted, so the table is as small as the settings.
    """

    def __init__(self, per_second: float | None, clock: Callable[[], float]) -> None:
        self._rate = per_second
        self._clock = clock  # seconds, monotonic
        self._buckets: dict[str, tuple[float, float]] = {}  # app -> (tokens, when)
        self._lock = threading.Lock()

    def take(self, app_id: str) -> None:
        """Count one request.  Raises RateExceeded."""
        if self._rate is None:
            return
        burst = max(self._rate, 1.0)
        with self._lock:
            now = self._clock()
            tokens, seen = self._buckets.get(app_id, (burst, now))
            tokens = min(burst, tokens + (now - seen) * self._rate)
            self._buckets[app_id] = (tokens - 1 if tokens >= 1 else tokens, now)
        if tokens < 1:
            raise RateExceeded("too many requests")
