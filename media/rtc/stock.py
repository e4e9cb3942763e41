"""aiortc's own receiving, changed for measurements beside it."""

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiortc import rtcrtpreceiver


@contextmanager
def stock_without_decoders() -> Iterator[None]:
    """Let receivers throw encoded frames away where they would decode them."""
    before = rtcrtpreceiver.decoder_worker
    rtcrtpreceiver.decoder_worker = _discard
    try:
        yield
    finally:
        rtcrtpreceiver.decoder_worker = before


def _discard(
    loop: asyncio.AbstractEventLoop,
    input_q: "queue.Queue[Any]",
    output_q: "asyncio.Queue[Any]",
    decode_error: threading.Event,
) -> None:
    """In the thread that would decode."""
    while input_q.get() is not None:
        pass
