"""When a tape begins a new part, and when publishers are asked for key frames.

Parts end a moment after a slice's boundary, so that a slice can be cut as soon as its late
packets had their time.
"""

import asyncio
from collections.abc import Callable

import structlog

from media.rtc import steady
from media.tape.model import NS

log = structlog.get_logger(__name__)


async def beat(base_ns: int, period_ns: int, shift_ns: int, act: Callable[[int], None]) -> None:
    """Call ``act(now_ns)`` at base + shift + n * period, until cancelled.

    Times are Unix nanoseconds.  A beat that was missed (a suspended host) is not made up for; one
    that failed is not the last.
    """
    zero_ns = base_ns + shift_ns

    def after(now_ns: int) -> int:
        return zero_ns + ((now_ns - zero_ns) // period_ns + 1) * period_ns

    due_ns = after(steady.now_ns())
    while True:
        now_ns = steady.now_ns()
        if now_ns < due_ns:
            # The loop's clock is not the wall clock: it may wake us a little early.
            await asyncio.sleep((due_ns - now_ns) / NS)
        else:
            try:
                act(now_ns)
            except Exception:  # logged with traceback
                log.exception("what is due at times failed")
            due_ns = after(now_ns)
