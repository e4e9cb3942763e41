"""An allocation on a TURN server (RFC 8656) as a link; aioice speaks the protocol.

Reached over UDP, TCP or TLS; the relay itself is always UDP over IPv4, as aioice asks for no
other.  Media comes in on the event loop, not through the drain: a relay costs more per packet.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from aioice.stun import TransactionError
from aioice.turn import (
    DEFAULT_ALLOCATION_LIFETIME,
    DEFAULT_CHANNEL_REFRESH_TIME,
    TurnClientTcpProtocol,
    TurnClientUdpProtocol,
)

from media.errors import ConnectFailed
from media.rtc import steady
from media.rtc.counters import Counters
from media.rtc.landing import MAX_DATAGRAM
from media.rtc.link import SHORTEST, Address, Link
from media.rtc.network import IceServer
from media.rtc.receive_buffer import drops, widen

# A channel lasts 10 minutes, but the permission that comes with it only 5 (RFC 8656 §9, §12).
BIND_AGAIN_S = 240.0
GOODBYE_S = 1.0  # for the server to give the allocation back; it lapses anyway
_WAITING = 64  # datagrams while a channel is being bound
_UNSENT = 256 * 1024  # bytes that a TCP connection may be behind

_channel_header = struct.Struct("!HH").pack
_log = structlog.get_logger(__name__)


class Relay(Link):
    """Made by :func:`open_relay`.  ``on_lost`` when the server or the way to it is gone."""

    def __init__(
        self,
        server: IceServer,
        *,
        counters: Counters,
        on_dtls: Callable[[bytes], None],
        on_lost: Callable[["Relay"], None],
    ) -> None:
        super().__init__(counters=counters, on_dtls=on_dtls)
        self.server = server
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        kind = TurnClientUdpProtocol if server.transport == "udp" else TurnClientTcpProtocol
        self._turn = kind(
            (server.host, server.port),
            username=server.username,
            password=server.credential,
            lifetime=DEFAULT_ALLOCATION_LIFETIME,
            channel_refresh_time=DEFAULT_CHANNEL_REFRESH_TIME,
        )
        self._bind_again_s: dict[int, float] = {}  # loop time, by channel
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._gone = False
        self._drops = 0

    @property
    def address(self) -> Address:
        """Where the other side sends to: the candidate."""
        return _known(self._turn.relayed_address)

    @property
    def mapped(self) -> Address:
        """Where the server sees us."""
        return _known(self._turn.mapped_address)

    async def allocate(self, tls: ssl.SSLContext | None, receive_buffer_bytes: int) -> None:
        """Connect and ask for an address.  Raises OSError or TransactionError."""
        if self.server.transport == "udp":
            await self._connect_udp(receive_buffer_bytes)
        else:
            await self._connect_tcp(tls)
        await self._turn.connect()
        self._turn.receiver = self  # type: ignore[assignment]  # all that it calls is here
        if self._turn.refresh_task is not None:
            self._turn.refresh_task.add_done_callback(self._refreshing_ended)

    def sendto(self, data: Any, addr: Address) -> None:
        """Send at once through a channel; the first to an address wait until it has one."""
        if self._closing or self._gone:
            return
        channel = self._turn.peer_to_channel.get(addr)
        if channel is None:
            self._spawn(self._turn.send_data(bytes(data), addr))
            return
        if self._loop.time() > self._bind_again_s.setdefault(channel, self._again_s()):
            self._bind_again_s[channel] = self._again_s()
            self._spawn(self._turn.channel_bind(channel, addr))
        if self._congested():
            self._counters.send_dropped += 1
        else:
            self._turn._send(_channel_header(channel, len(data)) + data)

    def close(self) -> None:
        """Give the allocation back, then end; bounded.  Idempotent."""
        if self._closing:
            return
        self._closing = True
        for task in self._tasks:
            task.cancel()
        self.count_drops()
        task = self._loop.create_task(self._release(), name="turn release")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def abort(self) -> None:
        """End without a word to the server, which may not even be connected."""
        self._closing = True
        if self._turn.refresh_task is not None:
            self._turn.refresh_task.cancel()
        transport = getattr(self._turn, "transport", None)
        if transport is not None:
            transport.abort()

    def count_drops(self) -> None:
        """See Link.  On TCP the kernel drops nothing."""
        if self.server.transport == "udp" and not self._gone:
            seen = drops(self._turn.transport.get_extra_info("socket"))
            if seen > self._drops:  # a closed socket tells nothing
                self._counters.kernel_drops += seen - self._drops
                self._drops = seen

    # what aioice's TURN client calls

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """A datagram from the other side, out of its channel."""
        size = len(data)
        if not SHORTEST <= size <= MAX_DATAGRAM:
            self._counters.malformed += 1
        elif 127 < data[0] < 192:
            self.buffer[:size] = data
            self._on_media(size, steady.now_ns())
        else:
            self._sort_other(data[0], data, addr)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket to the server is closed, by us or not."""
        self._gone = True
        if self._turn.refresh_task is not None:
            self._turn.refresh_task.cancel()
        if self._stun is not None:
            self._stun.connection_lost(exc)
        if not self._closing:
            self._on_lost(self)

    async def _connect_udp(self, receive_buffer_bytes: int) -> None:
        host, port = self.server.host, self.server.port
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        opened = socket.socket(found[0][0], socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            widen(opened, receive_buffer_bytes)
            opened.connect(found[0][4])  # of UDP: sends nothing
            await self._loop.create_datagram_endpoint(lambda: self._turn, sock=opened)
        except BaseException:
            opened.close()
            raise

    async def _connect_tcp(self, tls: ssl.SSLContext | None) -> None:
        secure = self.server.scheme == "turns"
        await self._loop.create_connection(
            lambda: self._turn,
            self.server.host,
            self.server.port,
            ssl=(tls or True) if secure else None,
            happy_eyeballs_delay=0.25,
        )

    async def _release(self) -> None:
        if not self._gone:
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GOODBYE_S):
                        await self._turn.delete()
            finally:
                self._turn.transport.abort()

    def _refreshing_ended(self, task: "asyncio.Task[None]") -> None:
        """Only by a failure: the allocation ends soon."""
        if not task.cancelled() and task.exception() is not None and not self._closing:
            _log.warning("a TURN allocation was not renewed", server=str(self.server))
            self._on_lost(self)

    def _again_s(self) -> float:
        return self._loop.time() + BIND_AGAIN_S

    def _congested(self) -> bool:
        transport = self._turn.transport
        size: int = transport.get_write_buffer_size()  # type: ignore[union-attr]  # both have it
        return size > _UNSENT

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= _WAITING:
            work.close()
            self._counters.send_dropped += 1
            return
        task: asyncio.Task[None] = self._loop.create_task(work, name="turn channel")
        self._tasks.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._counters.socket_errors += 1
            _log.debug("not sent through the relay", error=str(error))


async def open_relay(
    server: IceServer,
    *,
    tls: ssl.SSLContext | None,
    receive_buffer_bytes: int,
    counters: Counters,
    on_dtls: Callable[[bytes], None],
    on_lost: Callable[[Relay], None],
) -> Relay:
    """Ask a TURN server for an allocation.  Raises ConnectFailed; safe to cancel.

    ``tls`` says whose certificates are good, for turns: servers; None: the system's authorities.
    """
    relay = Relay(server, counters=counters, on_dtls=on_dtls, on_lost=on_lost)
    try:
        await relay.allocate(tls, receive_buffer_bytes)
    except (OSError, TransactionError) as exc:
        relay.abort()
        raise ConnectFailed(f"{server}: {exc}") from exc
    except BaseException:
        relay.abort()
        raise
    return relay


def _known(address: Address | None) -> Address:
    if address is None:
        raise ConnectFailed("there is no allocation on the TURN server")
    return address
