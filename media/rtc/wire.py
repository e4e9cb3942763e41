"""One UDP socket of ours, lent to aioice as if it were an asyncio transport.

Owning the socket is what lets the drain take it off the event loop (by public ``add_reader`` and
``remove_reader`` only, hence also on uvloop) and send without asyncio's unbounded send buffer.
"""

import asyncio
import socket
import time
from collections.abc import Callable

import structlog
from aioice.ice import StunProtocol

from media.rtc.counters import Counters

Address = tuple[str, int]

MAX_DATAGRAM = 2048  # bytes; what is longer is cut, and then fails authentication
_BATCH = 256  # datagrams of one socket at a time, so that a flood cannot starve the others
_EARLY = 256  # datagrams of media kept until the keys are there; a key frame and some
_SHORTEST = 12  # bytes: an RTP header; nothing useful is shorter

_log = structlog.get_logger(__name__)


class Wire(asyncio.DatagramTransport):
    """A bound, non-blocking UDP socket that sorts what arrives by its first byte (RFC 7983).

    Until :meth:`leave_loop` the event loop reads it at once; afterwards somebody must call
    :meth:`read`.  Raises OSError when the address cannot be bound.
    """

    def __init__(
        self,
        local: str,
        *,
        receive_buffer_bytes: int,
        counters: Counters,
        on_dtls: Callable[[bytes], None],
    ) -> None:
        family = socket.AF_INET6 if ":" in local else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            self._socket.bind((local, 0))
        except OSError:
            self._socket.close()
            raise
        super().__init__({"sockname": self._socket.getsockname()})
        self.buffer = bytearray(MAX_DATAGRAM)
        self._on_media: Callable[[int, int], None] = self._keep
        self._early: list[tuple[bytes, int]] = []
        self._on_dtls = on_dtls
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._stun: StunProtocol | None = None
        self._closing = False
        self._before_close: Callable[[], None] | None = None

    def attach(self, stun: StunProtocol) -> None:
        """Give the STUN packets to ``stun`` and begin to read on the event loop."""
        self._stun = stun
        stun.connection_made(self)
        self._loop.add_reader(self._socket, self.read)

    def open_media(self, take: Callable[[int, int], None]) -> None:
        """From now on media goes to ``take(bytes in buffer, arrival in Unix ns)``.

        The other side has the keys a moment before us and may have begun: that comes first.
        """
        self._on_media = take
        early, self._early = self._early, []
        for datagram, arrival_ns in early:
            self.buffer[: len(datagram)] = datagram
            take(len(datagram), arrival_ns)

    def close_media(self) -> None:
        """From now on media is ignored."""
        self._on_media = _ignore
        self._early.clear()

    def leave_loop(self, *, before_close: Callable[[], None]) -> None:
        """Take the socket off the event loop; who reads it now is told before it closes."""
        self._loop.remove_reader(self._socket)
        self._before_close = before_close

    def fileno(self) -> int:
        """The socket's file descriptor, -1 when closed."""
        return self._socket.fileno()

    def read(self, limit: int = _BATCH) -> None:
        """Handle up to ``limit`` waiting datagrams; all get the time of this call as arrival."""
        receive, buffer = self._socket.recvfrom_into, self.buffer
        now_ns = time.time_ns()
        for _ in range(limit):
            try:
                size, sender = receive(buffer)
            except BlockingIOError:
                return
            except OSError as exc:
                # An ICMP error of an earlier send, or closed by a callback: ICE finds out.
                self._counters.socket_errors += 1
                _log.debug("udp receive failed", error=str(exc))
                return
            first = buffer[0]
            if size < _SHORTEST:
                self._counters.malformed += 1
            elif 127 < first < 192:
                self._on_media(size, now_ns)
            else:
                self._sort_other(first, bytes(buffer[:size]), (sender[0], sender[1]))

    def sendto(self, data: bytes | bytearray | memoryview, addr: Address | None = None) -> None:  # type: ignore[override]  # typeshed wants any address
        """Send at once or not at all; UDP may lose packets, so a full buffer loses this one."""
        if self._closing:
            return
        try:
            self._socket.sendto(data, addr)  # type: ignore[arg-type]  # aioice always gives one
        except BlockingIOError:
            self._counters.send_dropped += 1
        except OSError as exc:
            self._counters.socket_errors += 1
            _log.debug("udp send failed", error=str(exc))

    def is_closing(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closing

    def close(self) -> None:
        """Idempotent."""
        if self._closing:
            return
        self._closing = True
        if self._before_close is not None:
            self._before_close()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if self._stun is not None:
            self._loop.call_soon(self._stun.connection_lost, None)

    def abort(self) -> None:
        """The same as :meth:`close`: nothing is ever waiting to be sent."""
        self.close()

    def _keep(self, size: int, now_ns: int) -> None:
        if len(self._early) < _EARLY:
            self._early.append((bytes(self.buffer[:size]), now_ns))
        else:
            self._counters.early += 1

    def _sort_other(self, first: int, data: bytes, sender: Address) -> None:
        if 19 < first < 64:
            self._on_dtls(data)
        elif first < 4 and self._stun is not None:
            self._take_stun(self._stun, data, sender)
        else:
            self._counters.malformed += 1

    def _take_stun(self, stun: StunProtocol, data: bytes, sender: Address) -> None:
        try:
            stun.datagram_received(data, sender)
        except Exception:  # noqa: BLE001  # logged with traceback; why is said below
            # aioice's parser raises what it likes on hostile bytes (struct.error, KeyError, ...);
            # one stranger's datagram must not end the reading of everybody's.
            self._counters.malformed += 1
            _log.debug("stun message not understood", exc_info=True)


def _ignore(_size: int, _now_ns: int) -> None:
    """Media after the end."""
