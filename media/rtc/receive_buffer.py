"""The kernel's side of a socket's receiving: room for a burst, and what did not fit."""

import socket
import struct
from asyncio.trsock import TransportSocket

import structlog

RECEIVE_BUFFER_BYTES = 4 << 20  # a key frame of a large screen, while the loop is late
_SO_RCVBUFFORCE = 33  # Linux; needs CAP_NET_ADMIN
_SO_MEMINFO = 55  # Linux 4.12: nine numbers, the last one counts drops (sock_diag(7))
_MEMINFO = struct.Struct("9I")

_log = structlog.get_logger(__name__)
_told = False


def widen(of: socket.socket | TransportSocket, size: int) -> None:
    """Give a socket room for ``size`` bytes, or as many as net.core.rmem_max allows."""
    try:
        of.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except OSError:
        of.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        _tell_if_capped(of.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2, size)


def drops(of: socket.socket | TransportSocket) -> int:
    """Datagrams that the kernel has dropped because the socket was full; it only grows.

    0 where the kernel does not tell.
    """
    try:
        info = of.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return 0
    return int(_MEMINFO.unpack(info)[-1]) if len(info) == _MEMINFO.size else 0


def _tell_if_capped(got: int, wanted: int) -> None:
    global _told
    if got < wanted and not _told:
        _told = True
        _log.warning(
            "the kernel caps receive buffers; raise net.core.rmem_max against lost bursts",
            bytes=got,
            wanted=wanted,
        )
