"""The one event loop of a recorder process, in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from media.rtc.drain import recorder_drain

_Result = TypeVar("_Result")


class Loop:
    """All recordings of a process share it; nothing on it may block."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="capture-loop", daemon=True)
        self._thread.start()
        self.drain = self.call(recorder_drain)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def call(self, make: Callable[[], _Result]) -> _Result:
        """Call on the loop and wait for the result."""

        async def called() -> _Result:
            return make()

        return self.start(called()).result(timeout=10)

    def start(self, work: Coroutine[Any, Any, _Result]) -> "Future[_Result]":
        """Run on the loop; the future is for the calling thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def soon(self, act: Callable[..., object], *args: Any) -> None:
        """Call on the loop without waiting."""
        self._loop.call_soon_threadsafe(act, *args)

    def tasks(self) -> int:
        """How many tasks there are.  From any thread."""
        return len(asyncio.all_tasks(self._loop))

    def close(self) -> None:
        """After the last recording has ended."""
        self._loop.call_soon_threadsafe(self.drain.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
