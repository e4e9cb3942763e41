"""When a tape begins a new part, and when publishers are asked for key frames.

Parts end a moment after a slice's boundary, so that a slice can be cut as soon as its late
packets had their time.
"""

import asyncio
import time
from collections.abc import Callable

from media.tape.model import NS


async def beat(base_ns: int, period_ns: int, shift_ns: int, act: Callable[[int], None]) -> None:
    """Call ``act(now_ns)`` at base + shift + n * period, until cancelled.

    Times are Unix nanoseconds.  A beat that was missed (a suspended host) is not made up for.
    """
    zero_ns = base_ns + shift_ns
    while True:
        at_ns = zero_ns + ((time.time_ns() - zero_ns) // period_ns + 1) * period_ns
        while (left_ns := at_ns - time.time_ns()) > 0:
            await asyncio.sleep(left_ns / NS)
        act(time.time_ns())
