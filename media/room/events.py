"""Presence as server-sent events: their text form and one reader's bounded queue."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

KEEP_ALIVE = b": keep-alive\n\n"


def encode(event: str, data: dict[str, Any]) -> bytes:
    """One server-sent event (WHATWG HTML, section 9.2)."""
    text = json.dumps(data, separators=(",", ":"))  # JSON text has no line breaks
    return f"event: {event}\ndata: {text}\n\n".encode()


class Watcher:
    """One reader of a channel's events.

    ``put`` never blocks.  A reader who lets ``limit`` events wait is cut off: it can come back
    and begin with a snapshot, which is better than to hear of events long past.
    """

    def __init__(self, limit: int, on_overflow: Callable[[], None]) -> None:
        self._limit = limit
        self._on_overflow = on_overflow
        self._waiting: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._ended = False

    def put(self, event: bytes) -> None:
        """Queue an encoded event, or cut the reader off when its queue is full."""
        if self._ended:
            return
        if len(self._waiting) >= self._limit:
            self._waiting.clear()
            self.end()
            self._on_overflow()
            return
        self._waiting.append(event)
        self._wake.set()

    def end(self) -> None:
        """Let ``chunks`` end once what waits was read.  Idempotent."""
        self._ended = True
        self._wake.set()

    async def chunks(self, keep_alive_s: float) -> AsyncIterator[bytes]:
        """Encoded events as they come, with a comment whenever nothing came for a while."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._ended:
                return
            self._wake.clear()
            try:
                async with asyncio.timeout(keep_alive_s):
                    await self._wake.wait()
            except TimeoutError:
                yield KEEP_ALIVE
