"""When a channel is empty for too long.  Pure: the caller has the clock."""


class Idle:
    """The ``maxIdleTime`` rule.

    In a communication channel anybody else counts, listeners too; in a live one only
    publishers do.
    """

    def __init__(self, *, live: bool, max_idle_s: float, now_s: float) -> None:
        self._live = live
        self._max_idle_s = max_idle_s
        self._publishers: set[str] = set()
        self._others = 0
        self._empty_since_s: float | None = now_s

    @property
    def empty(self) -> bool:
        """Whether nobody who counts is there."""
        return not self._publishers and (self._live or self._others == 0)

    def joined(self, uid: str, now_s: float) -> None:
        """A publisher came."""
        self._publishers.add(uid)
        self._look(now_s)

    def left(self, uid: str, now_s: float) -> None:
        """A publisher went."""
        self._publishers.discard(uid)
        self._look(now_s)

    def occupied(self, others: int, now_s: float) -> None:
        """So many others are in the channel now."""
        self._others = others
        self._look(now_s)

    def lost(self, now_s: float, grace_s: float) -> None:
        """The channel cannot be seen; that is no reason to end before the grace is over."""
        self._publishers.clear()
        self._others = 0
        self._empty_since_s = now_s + grace_s

    def remaining_s(self, now_s: float) -> float | None:
        """How long until it is idle for too long, 0.0 when it is; None while somebody is there."""
        if self._empty_since_s is None:
            return None
        return max(0.0, self._empty_since_s + self._max_idle_s - now_s)

    def _look(self, now_s: float) -> None:
        if not self.empty:
            self._empty_since_s = None
        elif self._empty_since_s is None or self._empty_since_s > now_s:
            self._empty_since_s = now_s
