"""Asking for work of which nobody knows whether it was asked for."""

from workers.engine import QUEUES
from workers.store.store import Store

_DEEP = 1000  # messages: nothing more is asked of a queue that is so far behind


class Asking:
    """How deep the queues are, and what was asked for lately.  Of one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.depths: dict[str, int] = {}

    def look(self) -> None:
        """See how many messages wait.  Raises StoreUnavailable."""
        self.depths = {name: self._store.queue_depth(name) for name in QUEUES}

    def once(self, queue: str, sid: str, work: str, ttl_s: float) -> bool:
        """Whether to ask now.  Without a limit a queue that nobody serves would grow for ever.

        Raises StoreUnavailable.
        """
        return self.depths[queue] < _DEEP and self._store.ask_once(sid, work, ttl_s)
