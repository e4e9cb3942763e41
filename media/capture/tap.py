"""One connection to one publisher: what is agreed with its server, from the offer to the end."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping

import structlog

from media.capture.deck import Deck
from media.capture.feedback import Feedback
from media.capture.intake import Intake
from media.capture.offers import CODECS, EXTENSIONS, answer_to, kinds_in_order
from media.capture.sections import Sections, section_of
from media.channels.base import NO_SOURCES
from media.errors import ChannelError, ConnectFailed
from media.rtc import sdp
from media.rtc.drain import Drain
from media.rtc.network import Network
from media.rtc.peer import Peer
from media.rtp import twcc
from media.tape.model import Kind, Source
from media.weakly import weakly

log = structlog.get_logger(__name__)


class RtpTap:
    """A :class:`media.channels.base.Tap` that writes a tape."""

    def __init__(
        self,
        deck: Deck,
        drain: Drain,
        uid: str,
        *,
        screen: bool,
        network: Network,
        on_closed: Callable[["RtpTap"], None],
    ) -> None:
        self._deck = deck
        self._drain = drain
        self._screen = screen
        self._troubles = deck.troubles
        self._heard = False
        self._dropped = 0
        self._uid = uid
        self._sources = {
            Kind.AUDIO: Source.SCREEN_AUDIO if screen else Source.MICROPHONE,
            Kind.VIDEO: Source.SCREEN if screen else Source.CAMERA,
        }
        self._network = network
        self._on_closed = on_closed
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._peer: Peer | None = None
        self._remote: sdp.Description | None = None  # the offer that was answered last
        self._connecting: asyncio.Task[None] | None = None
        self._feedback = Feedback(weakly(self._send), weakly(self._hurry))
        self._intake = Intake(deck, uid, self._feedback)
        self.tick = self._intake.tick  # what is due four times a second

    async def offer(self, kinds: Iterable[Kind]) -> str:
        """An SDP offer to receive these kinds."""
        peer = await self._new_peer(controlling=True)
        media = [
            sdp.MediaSection(
                kind.value, str(mid), "recvonly", codecs=CODECS[kind], extensions=EXTENSIONS[kind]
            )
            for mid, kind in enumerate(kinds_in_order(kinds))
        ]
        return peer.describe(media).to_sdp()

    async def accept(self, answer: str) -> None:
        """Take the server's answer and connect.  Raises ConnectFailed."""
        if self._peer is None:
            raise ConnectFailed("there was no offer to be answered")
        description = sdp.parse(answer)
        self._agree((section, section) for section in description.media)
        await self._bring_up(self._peer, description)

    async def answer(self, offer: str, *, sources: Mapping[str, Source] = NO_SOURCES) -> str:
        """Answer a server's offer, the first or a later one of the same connection.

        Connects in the background, :meth:`ended` tells if it fails.  ``sources`` says by mid what
        m-lines carry that are not the tap's default.  Raises ConnectFailed when a later offer is
        for another transport.
        """
        description = sdp.parse(offer)
        peer = self._peer
        if peer is None:
            peer = await self._new_peer(controlling=False)
            self._connecting = asyncio.create_task(self._connect(peer, description), name="tap")
        elif self._ended.done() or not _same_transport(self._remote, description):
            raise ConnectFailed("the offer is for another connection")
        self._remote = description
        media = [answer_to(section) for section in description.media]
        self._agree(zip(description.media, media, strict=True), sources)
        if peer.connected:
            self._intake.ask_first_keyframes()
        return peer.describe(media, to=description).to_sdp()

    async def ended(self) -> str:
        """Waits until the connection is over; why it is."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Idempotent."""
        if self._peer is not None:
            await self._peer.close()
        self._end("closed")

    def count_drops(self) -> None:
        """Tell what the kernel dropped since the last call; once a second."""
        if self._peer is not None:
            self._peer.count_drops()
            seen, before = self._peer.counters.kernel_drops, self._dropped
            self._dropped = seen
            self._deck.dropped(seen - before)

    def request_keyframes(self, now_ns: int) -> None:
        """Ask every video track for a keyframe, now or when the last request is a second old."""
        self._intake.request_keyframes(now_ns)

    def mute(self, source: Source, *, muted: bool) -> None:
        """The publisher muted or unmuted a track."""
        self._intake.mute(source, muted=muted)

    def want(self, kinds: frozenset[Kind]) -> None:
        """Take these kinds alone from now on; what arrives of others is dropped."""
        self._intake.want(kinds)
        if self._heard:
            self._intake.ask_first_keyframes()

    @property
    def uid(self) -> str:
        """Whom this tap hears."""
        return self._uid

    async def _new_peer(self, *, controlling: bool) -> Peer:
        if self._peer is not None or self._ended.done():
            raise ConnectFailed("a tap is for one connection")
        self._peer = Peer(
            controlling=controlling,
            on_rtp=self._intake.on_rtp,
            on_rtcp=self._intake.on_rtcp,
            on_closed=self._end,
            drain=self._drain,
            network=self._network,
        )
        await self._peer.gather()
        return self._peer

    async def _connect(self, peer: Peer, remote: sdp.Description) -> None:
        # A failure closes the peer, and whoever waits for the end hears why.
        with contextlib.suppress(ChannelError):
            await self._bring_up(peer, remote)

    async def _bring_up(self, peer: Peer, remote: sdp.Description) -> None:
        await peer.connect(remote)
        self._heard = True
        self._troubles.heard(self._uid, screen=self._screen)
        self._intake.ask_first_keyframes()

    def _agree(
        self,
        lines: Iterable[tuple[sdp.MediaSection, sdp.MediaSection]],
        sources: Mapping[str, Source] = NO_SOURCES,
    ) -> None:
        """Take what was agreed on; ``lines`` has their m-lines, each with the answer to it."""
        flowing = []
        for theirs, agreed in lines:
            if theirs.kind in tuple(Kind):
                source = sources.get(theirs.mid, self._sources[Kind(theirs.kind)])
                flowing.append(section_of(theirs, agreed, source))
        sections = Sections(section for section in flowing if section is not None)
        numbers = (section.extension(twcc.URI) for section in sections.all)
        self._intake.agree(sections, arrivals=next((n for n in numbers if n is not None), None))

    def _send(self, packet: bytes) -> None:
        if self._peer is not None:
            self._peer.send_rtcp(packet)

    def _hurry(self) -> None:
        if self._peer is not None:
            self._peer.hurry()

    def _end(self, reason: str) -> None:
        if self._ended.done():
            return
        self._ended.set_result(reason)
        if not self._heard and reason != "closed":
            self._troubles.failed(self._uid, reason, screen=self._screen)
        self._intake.end()
        self.count_drops()
        self._on_closed(self)


def _same_transport(before: sdp.Description | None, now: sdp.Description) -> bool:
    """Whether an offer goes on with ICE and DTLS as they are (RFC 9429 §5.2.2)."""
    if before is None:
        return False
    return (before.ufrag, before.pwd) == (now.ufrag, now.pwd) and set(before.fingerprints) == set(
        now.fingerprints
    )
