"""Where datagrams are received, decrypted, encrypted and sent from: the same memory for all.

Buffers of its own for each connection would have left the CPU's cache whenever they are needed.
"""

import threading
from dataclasses import dataclass
from typing import Any

from pylibsrtp._binding import ffi

MAX_DATAGRAM = 2048  # bytes; what is longer is cut, and then fails authentication
SLOTS = 32  # datagrams that one system call may bring


@dataclass(frozen=True, slots=True)
class Slot:
    """Room for one datagram, as Python and as libsrtp see it."""

    index: int
    view: memoryview
    data: Any  # cffi's char *
    bytes: Any  # cffi's buffer: slices of it are bytes


class Landing:
    """What is in it is only valid during a call.

    ``slots`` have room for datagrams that come together; the first of them is what ``buffer``,
    ``view``, ``data`` and ``bytes`` are, for whoever has one datagram at a time.
    """

    __slots__ = ("buffer", "bytes", "data", "size", "slots", "view")

    def __init__(self) -> None:
        self.buffer = bytearray(SLOTS * MAX_DATAGRAM)
        whole = ffi.from_buffer("char[]", self.buffer, require_writable=True)
        self.slots = tuple(
            Slot(
                index,
                memoryview(self.buffer)[at : at + MAX_DATAGRAM],
                whole + at,
                ffi.buffer(whole + at, MAX_DATAGRAM),
            )
            for index, at in enumerate(range(0, len(self.buffer), MAX_DATAGRAM))
        )
        first = self.slots[0]
        self.view, self.data, self.bytes = first.view, whole, first.bytes
        self.size: Any = ffi.new("int *")  # libsrtp's in and out


class _PerThread(threading.local):
    def __init__(self) -> None:
        self.landing = Landing()


_here = _PerThread()


def landing() -> Landing:
    """That of this thread, which must be the one that runs the event loop."""
    return _here.landing
