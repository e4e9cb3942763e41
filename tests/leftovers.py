"""What stays in memory for the cyclic collector when something is over."""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

OURS = ("media.", "workers.")
GONE_S = 10.0  # the other side and the disk thread come to their end, too


@contextmanager
def no_collector() -> Iterator[None]:
    """Meanwhile only what nobody refers to is freed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


def ours() -> Counter[str]:
    """How many objects of our own classes there are, by class."""
    names = (f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.get_objects())
    return Counter(name for name in names if name.startswith(OURS))


async def left_of(before: Counter[str], times: int) -> Counter[str]:
    """What is more than before for each of so many times, when all has come to rest.

    What goes on beside them may have come to know a thing or two.
    """
    end_s = time.monotonic() + GONE_S
    while (left := _each(ours() - before, times)) and time.monotonic() < end_s:
        await asyncio.sleep(0.05)
    return left


def _each(more: Counter[str], times: int) -> Counter[str]:
    return Counter({name: count for name, count in more.items() if count >= times})
