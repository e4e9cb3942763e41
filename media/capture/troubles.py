"""Publishers that cannot be heard: told once, not at every attempt."""

import time

import structlog

from media.capture.observer import CaptureObserver

AGAIN_S = 60.0  # the same trouble is told again after this, if the publisher was heard meanwhile
MOST = 8  # different reasons of one connection that are told

log = structlog.get_logger(__name__)

Key = tuple[str, bool]  # uid, and whether it is the publisher's screen


class Troubles:
    """Of one recording."""

    def __init__(self, observer: CaptureObserver) -> None:
        self._observer = observer
        self._told_s: dict[Key, dict[str, float]] = {}
        self._failing: set[Key] = set()

    def failed(self, uid: str, reason: str, *, screen: bool = False) -> None:
        """A connection did not come up; somebody tries it again."""
        key, now_s = (uid, screen), time.monotonic()
        told = self._told_s.setdefault(key, {})
        known_s = told.get(reason)
        new = len(told) < MOST if known_s is None else self._is_old(key, now_s - known_s)
        self._failing.add(key)
        if new:
            told[reason] = now_s
            log.warning("a publisher cannot be heard, trying again", reason=reason)
            self._observer.trouble(uid, reason)

    def heard(self, uid: str, *, screen: bool = False) -> None:
        """A connection is up."""
        if (uid, screen) in self._failing:
            self._failing.discard((uid, screen))
            log.info("a publisher can be heard again")

    def left(self, uid: str) -> None:
        """The publisher is gone, and its troubles with it."""
        for key in ((uid, False), (uid, True)):
            self._told_s.pop(key, None)
            self._failing.discard(key)

    def _is_old(self, key: Key, age_s: float) -> bool:
        return key not in self._failing and age_s > AGAIN_S
