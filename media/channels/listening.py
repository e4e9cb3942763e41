"""The life of a subscription to one publisher, whatever the media server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Never

import structlog

from media.channels.backoff import Backoff
from media.errors import ChannelError

STEADY_S = 20.0  # longer than any attempt that fails
PAUSE_MOST_S = 5.0
CLOSE_S = 4.0

log = structlog.get_logger(__name__)


class Listening:
    """Does ``listen`` again and again, whatever becomes of it, until closed.

    ``unheard`` is told why when it fails twice in a row.  Once is nothing: a publisher who is
    just leaving is often refused before we hear that it left.
    """

    def __init__(
        self, listen: Callable[[], Awaitable[None]], unheard: Callable[[str], None]
    ) -> None:
        self._unheard = unheard
        self._failures = 0
        self._task: asyncio.Task[Never] | None = asyncio.create_task(
            self._keep(listen), name="listening"
        )

    async def close(self) -> None:
        """Leave the publisher; bounded, idempotent."""
        task, self._task = self._task, None  # its traceback knows us
        if task is None:
            return
        task.cancel()
        _, late = await asyncio.wait({task}, timeout=CLOSE_S)
        if late:
            log.warning("a subscription did not close in time")

    async def _keep(self, listen: Callable[[], Awaitable[None]]) -> Never:
        backoff = Backoff(steady_s=STEADY_S, most_s=PAUSE_MOST_S)
        while True:
            try:
                await listen()
                self._failures = 0
            except ChannelError as exc:
                log.warning("listening to a publisher failed, trying again", error=str(exc))
                self._failed(str(exc))
            except Exception:
                # Whatever it was, the publisher is still there and to be heard.
                log.exception("listening to a publisher failed in an unforeseen way")
                self._failed("a fault of the recorder")
            if backoff.steady:
                self._failures = 0
            await asyncio.sleep(backoff.pause_s())

    def _failed(self, reason: str) -> None:
        self._failures += 1
        if self._failures > 1:
            self._unheard(reason)
