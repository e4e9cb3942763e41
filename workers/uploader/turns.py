"""Few threads at a time do long work for many recordings."""

import threading
from collections import deque
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class Turns:
    """Whoever asks does the work of all who wait, unless enough others do that already.

    So long work never holds every thread of a process.  Each recording gets one step at a time,
    and then the next one's turn comes.
    """

    def __init__(self, step: Callable[[str], bool], *, at_once: int) -> None:
        """``step`` does some work for a sid and says whether it may have left some."""
        self._step = step
        self._free = at_once
        self._waiting: deque[str] = deque()
        self._lock = threading.Lock()

    def ask(self, sid: str) -> None:
        """There may be work for a recording."""
        with self._lock:
            if sid not in self._waiting:
                self._waiting.append(sid)
            if not self._free:
                return
            self._free -= 1
        while (turn := self._next()) is not None:
            if self._work(turn):
                with self._lock:
                    self._waiting.append(turn)

    def _next(self) -> str | None:
        with self._lock:
            if not self._waiting:
                self._free += 1
                return None
            return self._waiting.popleft()

    def _work(self, sid: str) -> bool:
        try:
            return self._step(sid)
        except Exception:
            # The others' turns must come; the reconciler asks for this one again.
            log.exception("a growing file was not looked after", sid=sid)
            return False
