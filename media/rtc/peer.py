"""One WebRTC connection as a recorder or a forwarder needs it: packets in, packets out."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto

import structlog
from aioice.ice import CandidatePair
from pylibsrtp import Session

from media.errors import ConnectFailed
from media.rtc.counters import Counters
from media.rtc.drain import Drain
from media.rtc.dtls import DtlsSession
from media.rtc.ice import IceConnection
from media.rtc.sdp import Description, MediaSection
from media.rtc.srtp import Inbound, OnPacket, Outbound
from media.rtc.wire import Address, Wire

LOOPBACK = ("127.0.0.1",)
CONNECT_TIMEOUT_S = 10.0
RECEIVE_BUFFER_BYTES = 1 << 20  # a second of 8 Mbit/s, for when the loop is late

_log = structlog.get_logger(__name__)


class _State(Enum):
    NEW = auto()
    CONNECTING = auto()
    CONNECTED = auto()
    CLOSED = auto()


class Peer:
    """ICE, DTLS and SRTP of one connection; knows nothing of tracks or codecs.

    ``gather``, then exchange descriptions (:meth:`describe`), then ``connect``.  The callbacks
    run on the event loop and must not block.  ``on_closed(reason)`` comes exactly once in the
    life of a Peer, whatever ends it: ``"closed"`` by :meth:`close`, ``"dtls closed"`` by the
    other side, ``"consent lost"`` when it answers no more, or why :meth:`connect` failed.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        on_rtp: OnPacket,
        on_rtcp: OnPacket,
        on_closed: Callable[[str], None],
        drain: Drain,
        addresses: Sequence[str] = LOOPBACK,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
    ) -> None:
        self.counters = Counters()
        self._on_rtp, self._on_rtcp, self._on_closed = on_rtp, on_rtcp, on_closed
        self._drain = drain
        self._connect_timeout_s = connect_timeout_s
        self._receive_buffer_bytes = receive_buffer_bytes
        self._state = _State.NEW
        self._ice = IceConnection(
            controlling=controlling,
            addresses=addresses,
            open_wire=self._open_wire,
            on_closed=lambda: self._lost("consent lost"),
        )
        self._dtls = DtlsSession(
            controlling=controlling,
            send=self._send_datagram,
            on_closed=lambda: self._lost("dtls closed"),
        )
        self._outbound: Outbound | None = None
        self._pair: CandidatePair | None = None
        self._route: tuple[Wire, Address] | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether packets can be sent."""
        return self._state is _State.CONNECTED

    async def gather(self) -> None:
        """Open the sockets.  Raises ConnectFailed when no address can be used."""
        await self._ice.gather_candidates()
        if not self._ice.candidates:
            await self._fail("no usable local address")

    def describe(
        self, media: Iterable[MediaSection], *, to: Description | None = None
    ) -> Description:
        """Our offer, or our answer ``to`` an offer; after :meth:`gather`."""
        setup = "actpass" if to is None else "passive" if to.setup == "active" else "active"
        return Description(
            "offer" if to is None else "answer",
            tuple(media),
            self._ice.local_username,
            self._ice.local_password,
            self._dtls.fingerprints,
            setup,
            self._ice.candidates,
        )

    async def connect(self, remote: Description) -> None:
        """Bring ICE and DTLS up.  Raises ConnectFailed, and is closed then.  Only once."""
        if self._state is not _State.NEW:
            raise ConnectFailed("the peer was connected or closed before")
        self._state = _State.CONNECTING
        self._attempt = asyncio.create_task(self._establish(remote), name="rtc connect")
        try:
            done, _ = await asyncio.wait({self._attempt}, timeout=self._connect_timeout_s)
        except asyncio.CancelledError:
            await self.close()
            raise
        if not done:
            await self._fail(f"{self._stage()} did not come up in {self._connect_timeout_s} s")
        if self._attempt.cancelled():
            raise ConnectFailed("closed while connecting")
        if (error := self._attempt.exception()) is not None:
            if not isinstance(error, ConnectionError | ConnectFailed):
                _log.error("connecting failed in an unforeseen way", exc_info=error)
            await self._fail(str(error) or type(error).__name__, error)

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send at once.  Dropped and counted when not connected."""
        route = self._current_route()
        if route is None or self._outbound is None:
            self.counters.send_dropped += 1
        else:
            self._outbound.rtp(packet, *route)

    def send_rtcp(self, packet: bytes) -> None:
        """The same for a compound RTCP packet."""
        route = self._current_route()
        if route is None or self._outbound is None:
            self.counters.send_dropped += 1
        else:
            self._outbound.rtcp(packet, *route)

    async def close(self) -> None:
        """Say goodbye and release the sockets.  Idempotent."""
        self._lost("closed")
        if self._ending is not None:
            await asyncio.shield(self._ending)

    async def _establish(self, remote: Description) -> None:
        await self._ice.take_remote(remote)
        await self._ice.connect()
        if not await self._dtls.handshake(remote):
            raise ConnectFailed("the DTLS handshake failed")
        receiving, sending = self._dtls.sessions
        self._outbound = Outbound(sending, self.counters)
        self._state = _State.CONNECTED
        for wire in self._ice.wires:
            self._drain.add(wire)
            self._open_media(wire, receiving)

    def _open_media(self, wire: Wire, session: Session) -> None:
        inbound = Inbound(
            wire, session, on_rtp=self._on_rtp, on_rtcp=self._on_rtcp, counters=self.counters
        )
        wire.open_media(inbound.take)

    def _stage(self) -> str:
        return "ICE" if self._ice.selected is None else "DTLS"

    async def _fail(self, reason: str, cause: BaseException | None = None) -> None:
        self._lost(reason)
        await self.close()
        raise ConnectFailed(reason) from cause

    def _lost(self, reason: str) -> None:
        """The one end of all lives; the rest of the clearing up goes on in a task."""
        if self._state is _State.CLOSED:
            return
        self._state = _State.CLOSED
        self._outbound = None
        for wire in self._ice.wires:
            wire.close_media()
        self._ending = asyncio.get_running_loop().create_task(self._release(), name="rtc close")
        try:
            self._on_closed(reason)
        except Exception:  # noqa: BLE001  # logged with traceback; why is said below
            # The sockets must be released even if the listener is broken.
            _log.exception("on_closed failed", reason=reason)

    async def _release(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.gather(self._attempt, return_exceptions=True)
        await self._dtls.close()
        await self._ice.close()

    def _open_wire(self, address: str) -> Wire:
        return Wire(
            address,
            receive_buffer_bytes=self._receive_buffer_bytes,
            counters=self.counters,
            on_dtls=self._dtls.pipe.put,
        )

    def _send_datagram(self, data: bytes) -> None:
        route = self._current_route()
        if route is not None:
            route[0].sendto(data, route[1])

    def _current_route(self) -> tuple[Wire, Address] | None:
        """Where ICE sends now; worked out again only when it changed its mind."""
        pair = self._ice.selected
        if pair is not self._pair:
            self._pair = pair
            self._route = None
            if pair is not None:
                wire = pair.protocol.transport
                self._route = (wire, pair.remote_addr) if isinstance(wire, Wire) else None
        return self._route
