"""A bounded queue that can come to an end."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

from media.errors import ChannelError

T = TypeVar("T")


class Inbox(Generic[T]):
    """What waits for one reader.  Whoever does not read loses the channel, not memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[T] = deque()
        self._error: ChannelError | None = None
        self._news = asyncio.Event()

    def put(self, item: T) -> None:
        """Add to the end.  Nothing happens when the inbox is over."""
        if self._error is None:
            if len(self._items) < self._limit:
                self._items.append(item)
                self._news.set()
            else:
                self.fail(ChannelError("messages of the channel were not read in time"))

    def fail(self, error: ChannelError) -> None:
        """Nothing more will come; what is there is still read.  The first reason counts."""
        if self._error is None:
            self._error = error
            self._news.set()

    async def get(self) -> T:
        """The next one.  Raises the reason when there will be no next one."""
        while not self._items:
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()
        return self._items.popleft()
