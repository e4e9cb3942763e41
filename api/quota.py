"""Request rates: a token bucket for each app."""

import threading
from collections.abc import Callable

from media.errors import Blame, FarmError
from workers.apps import Apps


class RateExceeded(FarmError):
    """More requests than the app may send."""

    retryable = True
    blame = Blame.CUSTOMER


class Quota:
    """At most so many requests per second and app in this process, bursts of a second's worth.

    All routes of an app, whatever their dialect, draw on one bucket.  Only apps that exist are
    counted, and those that are gone are forgotten, so the table is as small as the settings.
    """

    def __init__(self, apps: Apps, per_second: float, clock: Callable[[], float]) -> None:
        """``per_second`` is for apps that do not say themselves; 0: no quota."""
        self._apps = apps
        self._per_second = per_second
        self._clock = clock  # seconds, monotonic
        self._buckets: dict[str, tuple[float, float]] = {}  # app -> (tokens, when)
        self._lock = threading.Lock()

    def take(self, app_id: str) -> None:
        """Count one request.  Raises RateExceeded."""
        app, apps = self._apps.find(app_id), self._apps.current()
        own = None if app is None else app.requests_per_second
        rate = self._per_second if own is None else own
        if not rate:
            return
        with self._lock:
            if len(self._buckets) > len(apps):
                stay = {each.app_id for each in apps}
                self._buckets = {id_: row for id_, row in self._buckets.items() if id_ in stay}
            enough = self._draw(app_id, rate)
        if not enough:
            raise RateExceeded("too many requests")

    def _draw(self, app_id: str, rate: float) -> bool:
        burst, now = max(rate, 1.0), self._clock()
        tokens, seen = self._buckets.get(app_id, (burst, now))
        tokens = min(burst, tokens + (now - seen) * rate)
        enough = tokens >= 1
        self._buckets[app_id] = (tokens - 1 if enough else tokens, now)
        return enough
