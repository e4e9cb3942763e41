"""One connection to one publisher: what arrives goes to the tape, what is lost is asked for."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from struct import Struct

import structlog

from media.capture.clock import NS, PAUSE_NS, Arrival, SenderClock
from media.capture.deck import Deck
from media.capture.nack import REPEAT_NS
from media.capture.offers import CODECS, EXTENSIONS, kinds_in_order
from media.capture.sections import Sections
from media.capture.stream import Stream
from media.errors import BadPacket, ChannelError, ConnectFailed
from media.rtc import sdp
from media.rtc.drain import Drain
from media.rtc.peer import Peer
from media.rtp import rtcp
from media.tape.model import Kind, Source

TICKS_PER_REPORT = 4  # a receiver report per second
BITRATE = 50_000_000  # bit/s: more than any sender has, so that none holds back
SUPERSEDED_NS = 10 * NS  # silent for so long beside another SSRC of its kind: it was changed
MAX_STREAMS = 64  # a sender with more SSRCs than this is broken
CNAME = "tapefarm"

_header = Struct("!BBHII").unpack_from
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
        addresses: Sequence[str],
        on_closed: Callable[["RtpTap"], None],
    ) -> None:
        self._deck = deck
        self._drain = drain
        self._uid = uid
        self._sources = {
            Kind.AUDIO: Source.SCREEN_AUDIO if screen else Source.MICROPHONE,
            Kind.VIDEO: Source.SCREEN if screen else Source.CAMERA,
        }
        self._addresses = addresses
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._peer: Peer | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._connection = deck.connection()
        self._sections = Sections(())
        self._streams: dict[int, Stream] = {}
        self._early: dict[int, rtcp.SenderReport] = {}  # of SSRCs without a packet yet
        self._sender = SenderClock()
        self._ssrc = secrets.randbits(32)  # ours, in RTCP
        self._asking: asyncio.Handle | None = None
        self._ticks = 0
        self._counted = 0
        self._strangers = 0
        self._write = deck.writer.rtp

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
        self._sections = Sections(description.media)
        await self._peer.connect(description)
        self._ask_first_keyframes()

    async def answer(self, offer: str) -> str:
        """Answer a server's offer; connects in the background, :meth:`ended` tells if it fails."""
        description = sdp.parse(offer)
        self._sections = Sections(description.media)
        peer = await self._new_peer(controlling=False)
        self._connecting = asyncio.create_task(self._connect(peer, description), name="tap")
        media = [self._answer_section(section) for section in description.media]
        return peer.describe(media, to=description).to_sdp()

    async def ended(self) -> str:
        """Waits until the connection is over; why it is."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Idempotent."""
        if self._peer is not None:
            await self._peer.close()
        self._end("closed")

    def tick(self, now_ns: int) -> None:
        """What is due four times a second: clock maps, jitter, counts, reports, keyframes."""
        received = 0
        for stream in self._streams.values():
            received += stream.received
            stream.sample()
            points = stream.clock.tick(stream.newest, now_ns)
            if points:
                self._deck.clock(stream.track, points, now_ns)
            if self._deck.slice_ns and stream.is_boundary(now_ns, self._deck.slice_ns):
                stream.keyframe_wanted = True
            if stream.keyframe_wanted:
                self._ask_keyframe(stream, now_ns)
        self._deck.count(received - self._counted, 0)
        self._counted = received
        self._ticks += 1
        if self._ticks % TICKS_PER_REPORT == 0:
            self._end_superseded()
            self._report(now_ns)

    def request_keyframes(self, now_ns: int) -> None:
        """Ask every video track for a keyframe, now or when the last request is a second old."""
        for stream in self._streams.values():
            if stream.track.kind is Kind.VIDEO:
                self._ask_keyframe(stream, now_ns)

    def mute(self, source: Source, *, muted: bool) -> None:
        """The publisher muted or unmuted a track."""
        for stream in self._streams.values():
            if stream.track.source is source:
                stream.mute(muted)

    @property
    def uid(self) -> str:
        """Whom this tap hears."""
        return self._uid

    async def _new_peer(self, *, controlling: bool) -> Peer:
        if self._peer is not None or self._ended.done():
            raise ConnectFailed("a tap is for one connection")
        self._peer = Peer(
            controlling=controlling,
            on_rtp=self._on_rtp,
            on_rtcp=self._on_rtcp,
            on_closed=self._end,
            drain=self._drain,
            addresses=self._addresses,
        )
        await self._peer.gather()
        return self._peer

    async def _connect(self, peer: Peer, remote: sdp.Description) -> None:
        # A failure closes the peer, and whoever waits for the end hears why.
        with contextlib.suppress(ChannelError):
            await peer.connect(remote)
            self._ask_first_keyframes()

    def _answer_section(self, section: sdp.MediaSection) -> sdp.MediaSection:
        if section.kind not in (Kind.AUDIO, Kind.VIDEO):
            return section.reject()
        kind = Kind(section.kind)
        answer = section.answer(
            codecs={codec.key for codec in CODECS[kind]},
            extensions=frozenset(EXTENSIONS[kind].values()),
        )
        return answer if answer.rejected else replace(answer, direction="recvonly")

    # For every packet.  Everything that need not be done here is done in tick().
    def _on_rtp(self, packet: bytes, arrival_ns: int) -> None:
        _, second, seq, rtp, ssrc = _header(packet)
        stream = self._streams.get(ssrc)
        if stream is None:
            stream = self._meet(packet, ssrc, second & 0x7F, seq, Arrival(rtp, arrival_ns))
            if stream is None:
                return
        elif (
            seq == stream.gaps.next & 0xFFFF
            and rtp - stream.rtp & 0xFFFFFFFF <= stream.leap
            and arrival_ns - stream.arrival_ns < PAUSE_NS
            and second & 0x7F == stream.payload_type
        ):
            stream.gaps.next += 1
            stream.rtp = rtp
            stream.arrival_ns = arrival_ns
            stream.received += 1
        else:
            stream = self._irregular(stream, second & 0x7F, seq, Arrival(rtp, arrival_ns))
        self._write(stream.track.id, packet, arrival_ns)

    def _irregular(self, stream: Stream, payload_type: int, seq: int, at: Arrival) -> Stream:
        if not stream.irregular(payload_type, seq, at):
            return self._begin_anew(stream, payload_type, seq, at)
        if stream.gaps.outstanding and self._asking is None:
            # At once, but after all that came with this packet: it may be there already.
            self._asking = self._loop.call_soon(self._ask)
        return stream

    def _meet(
        self, packet: bytes, ssrc: int, payload_type: int, seq: int, at: Arrival
    ) -> Stream | None:
        """The first packet of an SSRC; None if it is not for the tape."""
        if self._ended.done():
            return None
        section = self._sections.find(ssrc, payload_type, packet)
        codec = section.codec(payload_type) if section is not None else None
        if section is None or codec is None or len(self._streams) >= MAX_STREAMS:
            self._strangers += 1
            if self._strangers == 1:
                log.warning("packets of an unknown stream", payload_type=payload_type)
            return None
        track = self._deck.add(
            at.at_ns,
            uid=self._uid,
            kind=section.kind,
            source=self._sources[section.kind],
            ssrc=ssrc,
            codecs=section.codecs,
            connection=self._connection,
        )
        stream = Stream(track, codec, self._sender, seq, at)
        self._streams[ssrc] = stream
        early = self._early.pop(ssrc, None)
        if early is not None:
            point = stream.clock.begin(early.rtp_time, early.unix_ns)
            self._deck.clock(track, point, at.at_ns)
        self._ask_keyframe(stream, at.at_ns)
        return stream

    def _begin_anew(self, old: Stream, payload_type: int, seq: int, at: Arrival) -> Stream:
        """RTP time jumped or runs at another rate: a new track, whose clock goes on."""
        log.info("a sender set its RTP clock anew", kind=old.track.kind.value)
        self._deck.end(old.track)
        track = self._deck.again(old.track, at.at_ns)
        codec = track.codec(payload_type) or track.codecs[0]
        stream = Stream(track, codec, self._sender, seq, at)
        self._counted -= old.received
        stream.keyframe_asked_ns = old.keyframe_asked_ns
        point = old.clock.continued(old.newest, at)
        stream.clock.place(point, at.at_ns)
        self._deck.clock(track, [point], at.at_ns)
        self._streams[track.ssrc] = stream
        return stream

    def _end_superseded(self) -> None:
        """End the tracks whose sender goes on with another SSRC (RFC 3550 §8.2)."""
        newest = dict.fromkeys(Kind, 0)
        for stream in self._streams.values():
            kind = stream.track.kind
            newest[kind] = max(newest[kind], stream.arrival_ns)
        for ssrc, stream in tuple(self._streams.items()):
            if newest[stream.track.kind] - stream.arrival_ns > SUPERSEDED_NS:
                self._deck.end(stream.track)
                self._counted -= stream.received
                del self._streams[ssrc]

    def _on_rtcp(self, packet: bytes, arrival_ns: int) -> None:
        try:
            packets = rtcp.parse(packet)
        except BadPacket as exc:
            log.info("an RTCP packet makes no sense", error=str(exc))
            return
        for report in packets:
            if isinstance(report, rtcp.SenderReport):
                self._sender_report(report, packet, arrival_ns)

    def _sender_report(self, report: rtcp.SenderReport, packet: bytes, arrival_ns: int) -> None:
        stream = self._streams.get(report.ssrc)
        if stream is None:
            if len(self._early) < MAX_STREAMS:
                self._early[report.ssrc] = report
            return
        stream.sender_report(report, arrival_ns)
        self._deck.writer.rtcp(stream.track.id, packet, arrival_ns)
        points = stream.clock.report(report.rtp_time, report.unix_ns, arrival_ns)
        self._deck.clock(stream.track, points, arrival_ns)

    def _ask(self) -> None:
        """Ask for what is missing; again while something is."""
        self._asking = None
        now_ns, waiting = time.time_ns(), False
        for stream in self._streams.values():
            if not stream.gaps.outstanding:
                continue
            missing = stream.gaps.due(now_ns)
            if missing:
                self._send(rtcp.nack(self._ssrc, stream.track.ssrc, missing))
            self._give_up(stream, now_ns)
            waiting = waiting or stream.gaps.outstanding > 0
        if waiting and not self._ended.done():
            self._asking = self._loop.call_later(REPEAT_NS / NS, self._ask)

    def _give_up(self, stream: Stream, now_ns: int) -> None:
        lost = stream.gaps.take_given_up()
        if not lost:
            return
        self._deck.count(0, lost)
        if stream.track.kind is Kind.VIDEO:
            self._ask_keyframe(stream, now_ns)

    def _ask_first_keyframes(self) -> None:
        """At once, without waiting for a first packet."""
        for ssrc in self._sections.video_ssrcs():
            self._send(rtcp.pli(self._ssrc, ssrc))

    def _ask_keyframe(self, stream: Stream, now_ns: int) -> None:
        if stream.track.kind is not Kind.VIDEO:
            return
        stream.keyframe_wanted = not stream.may_ask_keyframe(now_ns)
        if not stream.keyframe_wanted:
            self._send(rtcp.pli(self._ssrc, stream.track.ssrc))

    def _report(self, now_ns: int) -> None:
        blocks = [stream.report_block(now_ns) for stream in self._streams.values()]
        if not blocks:
            return
        for at in range(0, len(blocks), 31):  # RFC 3550 §6.4.2: no more in one report
            packet = rtcp.receiver_report(self._ssrc, blocks[at : at + 31])
            if at == 0:
                packet += rtcp.source_description(self._ssrc, CNAME) + self._remb()
            self._send(packet, compound=True)

    def _remb(self) -> bytes:
        video = [
            stream.track.ssrc
            for stream in self._streams.values()
            if stream.track.kind is Kind.VIDEO
        ]
        return rtcp.remb(self._ssrc, BITRATE, video) if video else b""

    def _send(self, packet: bytes, *, compound: bool = False) -> None:
        if self._peer is not None:
            if not compound:  # RFC 3550 §6.1: a report comes first
                packet = rtcp.receiver_report(self._ssrc) + packet
            self._peer.send_rtcp(packet)

    def _end(self, reason: str) -> None:
        if self._ended.done():
            return
        self._ended.set_result(reason)
        if self._asking is not None:
            self._asking.cancel()
        for stream in self._streams.values():
            stream.gaps.give_up_all()
            self._give_up(stream, time.time_ns())
            self._deck.end(stream.track)
        received = sum(stream.received for stream in self._streams.values())
        self._deck.count(received - self._counted, 0)
        self._streams.clear()
        self._on_closed(self)
