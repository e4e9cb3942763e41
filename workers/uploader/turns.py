"""Few threads at a time do long work for many recordings."""

import threading
from collections import deque
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class Turns:
    """Whoever asks does the work of all who wait, unless enough others do that already.

    So long work never holds every thread of a process.  Each recording gets one step at a time,
    and then the next one's turn comes; those who may wait have theirs when there is nobody else.
    """

    def __init__(self, step: Callable[[str], bool], *, at_once: int) -> None:
        """``step`` does some work for a sid and says whether it may have left some."""
        self._step = step
        self._free = at_once
        self._waiting: deque[str] = deque()
        self._later: deque[str] = deque()
        self._lock = threading.Lock()

    def ask(self, sid: str, *, later: bool = False) -> None:
        """There may be work for a recording; ``later``: it may wait for all others."""
        with self._lock:
            line = self._later if later else self._waiting
            if sid not in line:
                line.append(sid)
            if not self._free:
                return
            self._free -= 1
        while (turn := self._next()) is not None:
            line, sid = turn
            if self._work(sid):
                with self._lock:
                    line.append(sid)

    def _next(self) -> tuple[deque[str], str] | None:
        with self._lock:
            for line in (self._waiting, self._later):
                if line:
                    return line, line.popleft()
            self._free += 1
            return None

    def _work(self, sid: str) -> bool:
        try:
            return self._step(sid)
        except Exception:
            # The others' turns must come; the reconciler asks for this one again.
            log.exception("a growing file was not looked after", sid=sid)
            return False
