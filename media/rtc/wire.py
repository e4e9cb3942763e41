"""One UDP socket of ours, lent to aioice as if it were an asyncio transport.

Owning the socket is what lets the drain take it off the event loop (by public ``add_reader`` and
``remove_reader`` only, hence also on uvloop) and send without asyncio's unbounded send buffer.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import structlog
from aioice.ice import StunProtocol

from media.rtc import steady
from media.rtc.batch import Batch, stamp
from media.rtc.counters import Counters
from media.rtc.landing import MAX_DATAGRAM
from media.rtc.link import SHORTEST, Address, Link
from media.rtc.receive_buffer import drops, widen

BATCH = 256  # datagrams of one socket at a time, so that a flood cannot starve the others

_log = structlog.get_logger(__name__)


class Wire(Link, asyncio.DatagramTransport):
    """A link over a bound, non-blocking UDP socket of ours.

    Until :meth:`leave_loop` the event loop reads it at once; afterwards somebody must do it, in
    batches.  ``port`` 0 is the system's choice.  Raises OSError when the address and port cannot
    be bound.
    """

    def __init__(
        self,
        local: str,
        port: int = 0,
        *,
        receive_buffer_bytes: int,
        counters: Counters,
        on_dtls: Callable[[bytes], None],
    ) -> None:
        self.family = socket.AF_INET6 if ":" in local else socket.AF_INET
        self._socket = socket.socket(self.family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind((local, port))
            widen(self._socket, receive_buffer_bytes)
            stamp(self._socket)
        except OSError:
            self._socket.close()
            raise
        Link.__init__(self, counters=counters, on_dtls=on_dtls)
        asyncio.DatagramTransport.__init__(self, {"sockname": self._socket.getsockname()})
        self._loop = asyncio.get_running_loop()
        self.batch: Batch | None = None  # by which it is read when it has left the loop
        self._drops = 0
        self._closing = False
        self._before_close: Callable[[], None] | None = None

    def attach(self, stun: StunProtocol) -> None:
        """Give the STUN packets to ``stun`` and begin to read on the event loop."""
        super().attach(stun)
        self._loop.add_reader(self._socket, self.read)

    def leave_loop(self, batch: Batch, *, before_close: Callable[[], None]) -> None:
        """Take the socket off the event loop; who reads it now is told before it closes."""
        self._loop.remove_reader(self._socket)
        self.batch = batch
        self._before_close = before_close

    def fileno(self) -> int:
        """The socket's file descriptor, -1 when closed."""
        return self._socket.fileno()

    def read(self) -> None:
        """Handle all that waits, as arrived now."""
        now_ns = steady.now_ns()
        for _ in range(BATCH):
            try:
                size, sender = self._socket.recvfrom_into(self.buffer, MAX_DATAGRAM)
            except OSError as exc:
                self.failed(exc)
                break
            self.sort(size, sender, now_ns)

    def sort(self, size: int, sender: Any, now_ns: int) -> None:
        """Hand on the datagram that has landed."""
        first = self.buffer[0]
        if size < SHORTEST:
            self._counters.malformed += 1
        elif 127 < first < 192:
            self._on_media(size, now_ns)
        else:
            self._sort_other(first, bytes(self.buffer[:size]), (sender[0], sender[1]))

    def failed(self, error: OSError) -> None:
        """Nothing more could be read."""
        if not isinstance(error, BlockingIOError):
            # An ICMP error of an earlier send, or closed by a callback: ICE finds out.
            self._counters.socket_errors += 1
            _log.debug("udp receive failed", error=str(error))

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
        self.count_drops()
        if self._before_close is not None:
            self._before_close()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        stun, self._stun = self._stun, None
        if stun is not None:
            self._loop.call_soon(stun.connection_lost, None)

    def count_drops(self) -> None:
        """See Link."""
        seen = drops(self._socket)
        if seen > self._drops:  # a closed socket tells nothing
            self._counters.kernel_drops += seen - self._drops
            self._drops = seen

    def abort(self) -> None:
        """The same as :meth:`close`: nothing is ever waiting to be sent."""
        self.close()
