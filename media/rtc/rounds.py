"""When what can wait is done: together with a round of the drain.

To wake a process costs more than most of what it wakes up for, and the drain wakes it anyway.
"""

import asyncio
from collections.abc import Callable
from math import ceil
from typing import Never

ROUND_S = 0.020


def round_after(at_s: float, every_s: float = ROUND_S) -> float:
    """The first round at or after a time of the event loop.

    Timers for it run in one go.  ``every_s`` is for those with other rounds.
    """
    return ceil(at_s / every_s) * every_s


async def beat(every_s: float, work: Callable[[float], None], *, first_s: float) -> Never:
    """Call ``work`` every so often, until cancelled; raises what it raises.

    It is told how late it is called, in seconds.  Calls that were missed are not made up for.
    ``first_s``: when it is called first, from now.
    """
    beating = _Beat(every_s, work, first_s)
    try:
        await beating.over
    finally:
        beating.stop()


class _Beat:
    """By timers alone: a task that sleeps is two turns of the loop each time."""

    def __init__(self, every_s: float, work: Callable[[float], None], first_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[Never] = self._loop.create_future()
        self._every_s, self._work = every_s, work
        self._due_s = self._loop.time() + first_s
        self._timer = self._loop.call_at(round_after(self._due_s), self._call)

    def stop(self) -> None:
        self._timer.cancel()

    def _call(self) -> None:
        now_s = self._loop.time()
        late_s = max(0.0, now_s - round_after(self._due_s))
        try:
            self._work(late_s)
        except Exception as exc:  # noqa: BLE001  # raised where it is awaited
            if not self.over.done():
                self.over.set_exception(exc)
            return
        self._due_s = (now_s if late_s > self._every_s else self._due_s) + self._every_s
        self._timer = self._loop.call_at(round_after(self._due_s), self._call)
