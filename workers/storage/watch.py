"""Hangs up on answers that go on for ever, byte by byte, each of them in time."""

import socket
import threading
import time
from contextlib import suppress
from typing import Final

_LOOK_S: Final = 0.2


class Watch:
    """Over the lines on which somebody waits for an answer.  From any thread.

    One thread looks at all of them, as long as there are any: one for each would cost more than
    the request.
    """

    def __init__(self) -> None:
        self._until: dict[socket.socket, float] = {}  # by the monotonic clock
        self._looks = False
        self._lock = threading.Lock()

    def begin(self, line: socket.socket, limit_s: float) -> None:
        """Hang up after so long."""
        with self._lock:
            self._until[line] = time.monotonic() + limit_s
            if not self._looks:
                self._looks = True
                threading.Thread(target=self._look, name="watch", daemon=True).start()

    def end(self, line: socket.socket) -> None:
        """The answer is there."""
        with self._lock:
            self._until.pop(line, None)

    def _look(self) -> None:
        looks = True
        while looks:
            time.sleep(_LOOK_S)
            now_s = time.monotonic()
            with self._lock:
                late = [line for line, until_s in self._until.items() if now_s > until_s]
                for line in late:
                    del self._until[line]
                    _hang_up(line)
                looks = self._looks = bool(self._until)


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):  # it is closed
        # Not TLS's own, which takes its state from under whoever reads.
        socket.socket.shutdown(line, socket.SHUT_RDWR)
