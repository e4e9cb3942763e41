"""One WebRTC connection as a recorder or a forwarder needs it: packets in, packets out."""

import asyncio
from collections.abc import Callable, Iterable
from enum import Enum, auto
from functools import partial

import structlog
from aioice.ice import CandidatePair
from pylibsrtp import Session

from media.errors import ConnectFailed
from media.rtc.counters import Counters
from media.rtc.drain import Drain
from media.rtc.dtls import DtlsSession
from media.rtc.ice import IceConnection
from media.rtc.inbound import Inbound, OnPacket
from media.rtc.link import Address, Link
from media.rtc.network import ON_THIS_HOST, Network
from media.rtc.opener import Opener
from media.rtc.outbound import Outbound
from media.rtc.receive_buffer import RECEIVE_BUFFER_BYTES
from media.rtc.relay import Relay
from media.rtc.sdp import Description, MediaSection
from media.rtc.wire import Wire
from media.weakly import weakly

CONNECT_TIMEOUT_S = 7.5  # with gathering before it, who cannot connect knows within 10 s
SETTLED_S = 20.0  # after connecting: the other side has chosen its way, too
WATCH_S = 10.0  # ways without media for so long are given back

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
        network: Network = ON_THIS_HOST,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
    ) -> None:
        self.counters = Counters()
        self._on_rtp, self._on_rtcp, self._on_closed = on_rtp, on_rtcp, on_closed
        self._drain = drain
        self._connect_timeout_s = connect_timeout_s
        self._state = _State.NEW
        self._dtls = DtlsSession(
            controlling=controlling,
            send=weakly(self._send_datagram),
            on_closed=partial(weakly(self._lost), "dtls closed"),
        )
        self._ice = IceConnection(
            controlling=controlling,
            opener=Opener(
                network,
                receive_buffer_bytes,
                self.counters,
                on_dtls=self._dtls.pipe.put,
                on_lost=weakly(self._relay_lost),
            ),
            on_closed=partial(weakly(self._lost), "consent lost"),
        )
        self._outbound: Outbound | None = None
        self._pair: CandidatePair | None = None
        self._route: tuple[Link, Address] | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._sparing: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether packets can be sent."""
        return self._state is _State.CONNECTED

    async def gather(self) -> None:
        """Open sockets, ask servers.  Raises ConnectFailed when there is no candidate at all."""
        self._attempt = asyncio.create_task(self._ice.gather_candidates(), name="rtc gather")
        try:
            await self._attempt
        except asyncio.CancelledError as exc:
            if self._state is _State.CLOSED:
                raise ConnectFailed("closed while gathering") from exc
            await self.close()
            raise
        if not self._ice.candidates:
            why = "; ".join(self._ice.complaints) or "there is none"
            await self._fail(f"no usable local address: {why}")

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

    def hurry(self) -> None:
        """Something is awaited: read what comes as soon as the drain can, for a while."""
        for link in self._ice.links:
            if isinstance(link, Wire):
                self._drain.hurry(link)

    def count_drops(self) -> None:
        """Bring ``counters.kernel_drops`` up to date; a system call per socket."""
        for link in self._ice.links:
            link.count_drops()

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
        for link in self._ice.links:
            if isinstance(link, Wire):
                self._drain.add(link)
            self._open_media(link, receiving)
        if len(self._ice.links) > 1:
            loop = asyncio.get_running_loop()
            self._sparing = loop.call_later(SETTLED_S, self._watch_links)

    def _open_media(self, link: Link, session: Session) -> None:
        inbound = Inbound(
            session, on_rtp=self._on_rtp, on_rtcp=self._on_rtcp, counters=self.counters
        )
        link.open_media(inbound)

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
        if self._sparing is not None:
            self._sparing.cancel()
        self.count_drops()
        for link in self._ice.links:
            if isinstance(link, Wire):
                self._drain.read(link)
            link.close_media()
        self._ending = asyncio.get_running_loop().create_task(self._release(), name="rtc close")
        on_closed = self._on_closed
        self._on_rtp = self._on_rtcp = self._on_closed = _nobody  # who hears us may know us, too
        try:
            on_closed(reason)
        except Exception:  # noqa: BLE001  # logged with traceback; why is said below
            # The sockets must be released even if the listener is broken.
            _log.exception("on_closed failed", reason=reason)

    async def _release(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.gather(self._attempt, return_exceptions=True)
        await self._dtls.close()
        await self._ice.close()

    def _send_datagram(self, data: bytes) -> None:
        route = self._current_route()
        if route is not None:
            route[0].sendto(data, route[1])

    def _watch_links(self) -> None:
        for link in self._ice.links:
            link.watch()
        self._sparing = asyncio.get_running_loop().call_later(WATCH_S, self._give_back_links)

    def _give_back_links(self) -> None:
        """What ICE tried and nobody uses: each is a socket, or an allocation on a server."""
        route = self._current_route()
        for link in tuple(self._ice.links):
            if route is not None and link is not route[0] and link.silent:
                self._ice.links.remove(link)
                link.close()

    def _relay_lost(self, relay: Relay) -> None:
        route = self._current_route()
        if route is not None and route[0] is relay:
            self._lost("relay lost")

    def _current_route(self) -> tuple[Link, Address] | None:
        """Where ICE sends now; worked out again only when it changed its mind."""
        pair = self._ice.selected
        if pair is not self._pair:
            self._pair = pair
            self._route = None
            if pair is not None:
                link = pair.protocol.transport
                self._route = (link, pair.remote_addr) if isinstance(link, Link) else None
        return self._route


def _nobody(*_: object) -> None:
    """After the end."""
