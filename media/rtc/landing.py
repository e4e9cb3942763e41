"""Where datagrams are received, decrypted, encrypted and sent from: one buffer for all.

A buffer of its own for each connection would have left the CPU's cache whenever it is needed.
"""

import threading
from typing import Any

from pylibsrtp._binding import ffi

MAX_DATAGRAM = 2048  # bytes; what is longer is cut, and then fails authentication


class Landing:
    """A buffer as Python and as libsrtp see it; what is in it is only valid during a call."""

    __slots__ = ("buffer", "bytes", "data", "size", "view")

    def __init__(self) -> None:
        self.buffer = bytearray(MAX_DATAGRAM)
        self.view = memoryview(self.buffer)
        self.data: Any = ffi.from_buffer("char[]", self.buffer, require_writable=True)
        self.bytes: Any = ffi.buffer(self.data)  # slices of it are bytes
        self.size: Any = ffi.new("int *")  # libsrtp's in and out


class _PerThread(threading.local):
    def __init__(self) -> None:
        self.landing = Landing()


_here = _PerThread()


def landing() -> Landing:
    """That of this thread, which must be the one that runs the event loop."""
    return _here.landing
