"""Writes down what was sent, so that a test can say whether it arrived unchanged."""

import hashlib
from pathlib import Path
from queue import Empty, SimpleQueue


class PayloadLog:
    """One line per payload: its RTP timestamp and SHA-256.

    ``add`` only notes; ``flush`` and ``close`` write and belong into a thread.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="ascii")
        self._lines: SimpleQueue[str] = SimpleQueue()

    def add(self, rtp_time: int, payload: bytes) -> None:
        """Note a payload that is being sent."""
        self._lines.put(f"{rtp_time} {hashlib.sha256(payload).hexdigest()}\n")

    def flush(self) -> None:
        """Write what was noted."""
        while True:
            try:
                self._file.write(self._lines.get_nowait())
            except Empty:
                break
        self._file.flush()

    def close(self) -> None:
        """Write the rest; idempotent."""
        if not self._file.closed:
            self.flush()
            self._file.close()
