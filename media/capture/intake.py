"""What arrives on one connection: packets go to the tape, what is lost is asked for."""

import asyncio
from struct import Struct

import structlog

from media.capture.allowance import Allowance
from media.capture.arrivals import EVERY_NS, Arrivals, Write
from media.capture.clock import NS, Arrival
from media.capture.deck import Deck
from media.capture.feedback import Feedback
from media.capture.nack import GRANULARITY_NS, RoundTrip
from media.capture.repairs import Repairs
from media.capture.sections import Section, Sections
from media.capture.sender_clock import PAUSE_NS, SenderClock
from media.capture.stream import Stream, Verdict
from media.capture.tally import is_due, tally
from media.capture.written import Point
from media.errors import BadPacket
from media.rtc import steady
from media.rtp import rtcp, rtx
from media.rtp.packet import parse_header
from media.tape.model import Kind, Source

TICKS_PER_LOOK = 4  # once a second is enough where nothing is awaited, and for a receiver report,
TICKS_PER_SOUND_REPORT = 20  # where there is nothing but sound every 5 s: as libwebrtc does
SUPERSEDED_NS = 10 * NS  # silent for so long beside another SSRC of its m-line: it was changed
MAX_STREAMS = 64  # a sender with more SSRCs than this is broken
_NEVER_NS = 1 << 63

_header = Struct("!BBHII").unpack_from
log = structlog.get_logger(__name__)


class Intake:
    """The streams of one connection."""

    def __init__(self, deck: Deck, uid: str, feedback: Feedback) -> None:
        self._deck = deck
        self._uid = uid
        self._feedback = feedback
        self._loop = asyncio.get_running_loop()
        self._over = False
        self._connection = deck.connection()
        self._sections = Sections()
        self._streams: dict[int, Stream] = {}
        self._ended: dict[int, str] = {}  # mids of SSRCs whose m-line is no more
        self._wanted = frozenset(Kind)
        self._unwanted: set[int] = set()  # SSRCs of other kinds
        self._allowance = Allowance()
        self._repairs = Repairs()
        self._early: dict[int, rtcp.SenderReport] = {}  # of SSRCs without a packet yet
        self._sender = SenderClock()
        self._round_trip = RoundTrip()
        self._arrivals: Arrivals | None = None
        self._asking: asyncio.Handle | None = None
        self._asks_at_once = False
        self._telling: asyncio.Handle | None = None
        self._ticks = 0
        self._restless = False  # whether the next tick is awaited
        self._boundary_ns = _NEVER_NS  # when a slice of a track ends
        self._counted = 0
        self._strangers = self._senseless = 0  # packets
        self._tape: Write = deck.writer.rtp
        self._write: Write = self._tape  # or what looks at packets on their way there

    def agree(self, sections: Sections, *, arrivals: int | None = None) -> None:
        """What was agreed on, at first or anew; tracks of m-lines that are no more end.

        ``arrivals`` is the id of the header extension by which the sender wants to be told when
        its packets came; None: it does not.
        """
        self._sections = sections
        if arrivals is not None and self._arrivals is None and not self._over:
            self._arrivals = Arrivals(arrivals)
            self._tape = self._write = self._arrivals.tee(self._deck.writer.rtp)
            self._telling = self._loop.call_later(EVERY_NS / NS, self._tell_arrivals)
        self._ended = {ssrc: mid for ssrc, mid in self._ended.items() if not sections.of(mid)}
        for stream in tuple(self._streams.values()):
            section = sections.of(stream.mid)
            if section is None:
                self._end_stream(stream)
                self._ended[stream.track.ssrc] = stream.mid
            elif section.means_another(stream.track, stream.payload_type):
                stream.renew()

    def want(self, kinds: frozenset[Kind]) -> None:
        """Take these kinds alone from now on; tracks of others end."""
        self._wanted = kinds
        self._unwanted.clear()
        for stream in tuple(self._streams.values()):
            if stream.track.kind not in kinds:
                self._end_stream(stream)

    def ask_first_keyframes(self) -> None:
        """At once, without waiting for a first packet."""
        if Kind.VIDEO not in self._wanted:
            return
        ssrcs = [ssrc for ssrc in self._sections.video_ssrcs() if ssrc not in self._streams]
        self._feedback.first_keyframes(ssrcs, steady.now_ns())

    def request_keyframes(self, now_ns: int) -> None:
        """Ask every video track for a keyframe, now or when the last request is a second old."""
        for stream in self._streams.values():
            self._ask_keyframe(stream, now_ns)

    def mute(self, source: Source, *, muted: bool) -> None:
        """The publisher muted or unmuted a track."""
        for stream in self._streams.values():
            if stream.track.source is source:
                stream.mute(muted)
                self._restless = True

    def tick(self, now_ns: int) -> None:
        """What is due four times a second; mostly that is nothing."""
        self._ticks += 1
        whole = self._ticks % TICKS_PER_LOOK == 0
        if whole or self._restless or now_ns >= self._boundary_ns:
            self._look_after(now_ns)
        elif len(self._streams) > 1:
            for stream in self._streams.values():  # which of them went on while another paused
                self._sender.heard(stream.arrival_ns)
        if whole:
            self._end_superseded()
            self._report(now_ns)

    def _look_after(self, now_ns: int) -> None:
        """Clock maps, jitter, counts, keyframes."""
        received, sealed_ns, every_ns = 0, self._deck.writer.sealed_ns, self._deck.slice_ns
        restless, boundary_ns = False, _NEVER_NS
        for stream in self._streams.values():
            received += stream.received
            stream.sample()
            self._deck.hearing.heard(stream.track, stream.arrival_ns)
            points = stream.clock.tick(stream.newest, now_ns, sealed_ns=sealed_ns)
            if points:
                self._deck.clock(stream.track, points, now_ns)
            if is_due(stream, now_ns):
                self._deck.tally(stream.track, tally(stream), now_ns)
            if every_ns and stream.track.kind is Kind.VIDEO:
                if stream.is_boundary(now_ns, every_ns):
                    stream.keyframe_wanted = True
                boundary_ns = min(boundary_ns, stream.boundary_ns + every_ns)
            if stream.keyframe_wanted and stream.arrival_ns > stream.keyframe_asked_ns:
                self._ask_keyframe(stream, now_ns)
            restless = restless or stream.restless
        self._restless, self._boundary_ns = restless, boundary_ns
        self._deck.count(received - self._counted, 0)
        self._counted = received

    def end(self) -> None:
        """The connection is over.  Idempotent."""
        if self._over:
            return
        self._over = True
        for handle in (self._asking, self._telling):
            if handle is not None:
                handle.cancel()
        for stream in tuple(self._streams.values()):
            self._end_stream(stream)
        self._deck.count(-self._counted, 0)
        self._write = self._tape  # a method of ours would keep us: see media/weakly.py

    # For every packet.  Everything that need not be done here is done in tick().
    def on_rtp(self, packet: bytes, arrival_ns: int) -> None:
        """A packet came."""
        _, second, seq, rtp, ssrc = _header(packet)
        stream = self._streams.get(ssrc)
        if stream is None:
            stream = self._unknown(packet, Arrival(rtp, arrival_ns))
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
            if stream is None:
                return
        self._write(stream.track.id, packet, arrival_ns)

    def on_rtcp(self, packet: bytes, arrival_ns: int) -> None:
        """A compound packet came."""
        try:
            packets = rtcp.parse(packet)
        except BadPacket as exc:
            self._senseless += 1
            if self._senseless == 1:
                log.warning("an RTCP packet makes no sense", error=str(exc))
            return
        for report in packets:
            if isinstance(report, rtcp.SenderReport):
                self._sender_report(report, packet, arrival_ns)

    def _irregular(self, stream: Stream, payload_type: int, seq: int, at: Arrival) -> Stream | None:
        """Where a packet that is not simply the next one belongs; None: nowhere."""
        verdict = stream.irregular(payload_type, seq, at, anew=self._is_new(stream, payload_type))
        if verdict is Verdict.ANEW:
            return self._begin_anew(stream, payload_type, seq, at)
        if stream.gaps.unasked:
            self._ask_soon()
        self._restless = self._restless or stream.clock.waits
        return stream if verdict is Verdict.KEEP else None

    def _is_new(self, stream: Stream, payload_type: int) -> bool:
        """Whether a payload type is of a later agreement than the track."""
        if stream.renewed:
            return True
        if payload_type == stream.payload_type or stream.track.codec(payload_type) is not None:
            return False
        section = self._sections.of(stream.mid)
        return section is not None and section.codec(payload_type) is not None

    def _unknown(self, packet: bytes, at: Arrival) -> Stream | None:
        """A packet of an SSRC that is no stream's; the new stream if it is the first of one."""
        ssrc = int.from_bytes(packet[8:12], "big")
        gone = self._over or ssrc in self._ended or ssrc in self._unwanted
        repairs = packet[1] & 0x7F in self._sections.retransmits
        stream = None if gone or repairs else self._meet(packet, at)
        if stream is None and self._arrivals is not None and not self._over:
            # Numbers count the packets of a connection: those that are not told of were lost in
            # the network, and their sender would give less to the tracks that are wanted.
            self._arrivals.note(packet, at.at_ns)
        if repairs and not gone:
            self._repair(packet, at)
        return stream

    def _meet(self, packet: bytes, at: Arrival) -> Stream | None:
        """The first packet of an SSRC; None if it is not for the tape."""
        _, second, seq, _, ssrc = _header(packet)
        section = self._sections.find(ssrc, second & 0x7F, packet)
        if section is not None and section.kind not in self._wanted:
            if len(self._unwanted) < MAX_STREAMS:
                self._unwanted.add(ssrc)
            return None
        stream = self._begin(section, ssrc, second & 0x7F, seq, at)
        if stream is None:
            return None
        stream.rid = self._sections.rid(packet)
        early = self._early.pop(ssrc, None)
        said = () if early is None else (early.rtp_time, early.unix_ns)
        self._deck.clock(stream.track, stream.clock.begin(*said), at.at_ns)
        self._feedback.begin(stream, at.at_ns)
        if stream.keyframe_wanted:
            self._write = self._look_for_keyframes
        return stream

    def _begin_anew(self, old: Stream, payload_type: int, seq: int, at: Arrival) -> Stream | None:
        """RTP time jumped, or it is another codec: a new track, whose clock goes on."""
        section = self._sections.of(old.mid)
        stream = self._begin(section, old.track.ssrc, payload_type, seq, at)
        if stream is None:
            return None
        log.info("a sender began a track anew", kind=old.track.kind.value)
        stream.rid = old.rid
        stream.go_on_from(old)
        point = Point(at.rtp, old.line_at(at, stream.rate))
        stream.clock.place(point)
        self._deck.clock(stream.track, [point], at.at_ns)
        self._ask_keyframe(stream, at.at_ns)
        return stream

    def _begin(
        self, section: Section | None, ssrc: int, payload_type: int, seq: int, at: Arrival
    ) -> Stream | None:
        """A track begins with this packet and ends its SSRC's one before; None: it may not."""
        codec = None if section is None else section.codec(payload_type)
        before = self._streams.get(ssrc)
        full = before is None and len(self._streams) >= MAX_STREAMS
        if section is None or codec is None or full or not self._allowance.take(at.at_ns):
            self._strangers += 1
            if self._strangers == 1:
                log.warning("packets of an unknown stream", payload_type=payload_type)
            return None
        if before is not None:
            self._end_stream(before)
        track = self._deck.add(
            at.at_ns, uid=self._uid, ssrc=ssrc, connection=self._connection, section=section
        )
        stream = Stream(
            track, codec, self._sender, seq, at, round_trip=self._round_trip, mid=section.mid
        )
        self._streams[ssrc] = stream
        self._restless = True
        return stream

    def _repair(self, packet: bytes, at: Arrival) -> None:
        """A retransmission in a stream of its own: the original goes to the tape."""
        try:
            header = parse_header(packet)
        except BadPacket:
            return
        original = rtx.original_sequence(packet, header)
        if original is None:  # only padding, to see how much the network takes
            return
        stream = self._repairs.origin(
            header.ssrc, header.seq, original, packet, self._sections, self._streams
        )
        payload_type = self._sections.retransmits[header.pt]
        if stream is None or not stream.fill(payload_type, original, at.at_ns):
            return
        whole = rtx.restore(packet, header, ssrc=stream.track.ssrc, payload_type=payload_type)
        self._deck.writer.rtp(stream.track.id, whole, at.at_ns)

    def _end_superseded(self) -> None:
        """End the tracks whose sender goes on with another SSRC (RFC 3550 §8.2)."""
        if len(self._streams) < 2:
            return
        newest: dict[tuple[str, str], int] = {}
        for stream in self._streams.values():
            line = stream.mid, stream.rid
            newest[line] = max(newest.get(line, 0), stream.arrival_ns)
        for stream in tuple(self._streams.values()):
            if newest[stream.mid, stream.rid] - stream.arrival_ns > SUPERSEDED_NS:
                self._end_stream(stream)

    def _end_stream(self, stream: Stream) -> None:
        now_ns = steady.now_ns()
        stream.gaps.give_up_all()
        self._count_lost(stream)
        self._counted -= stream.received  # the rest of them is counted at the next tick
        self._deck.tally(stream.track, tally(stream), now_ns)
        self._deck.end(stream.track)
        del self._streams[stream.track.ssrc]

    def _sender_report(self, report: rtcp.SenderReport, packet: bytes, arrival_ns: int) -> None:
        stream = self._streams.get(report.ssrc)
        if stream is None:
            if len(self._early) < MAX_STREAMS:
                self._early[report.ssrc] = report
            return
        first = not stream.reported
        if not stream.sender_report(report, arrival_ns):
            return
        if first:  # Janus keeps nothing to be sent again before it knows the round trip.
            self._feedback.report([stream.report_block(arrival_ns)], [])
        self._deck.writer.rtcp(stream.track.id, packet, arrival_ns)
        stream.clock.report(report.rtp_time, report.unix_ns, arrival_ns)

    def _ask_soon(self) -> None:
        """At once, but after all that came with this packet: what is missing may be among it."""
        if self._asks_at_once or self._over:
            return
        if self._asking is not None:
            self._asking.cancel()
        self._asks_at_once = True
        self._asking = self._loop.call_soon(self._ask)

    def _ask(self) -> None:
        """Ask for what is missing; again when the answer is overdue."""
        self._asking, self._asks_at_once = None, False
        now_ns = steady.now_ns()
        wake_ns = 0
        for stream in self._streams.values():
            if not stream.gaps.outstanding:
                continue
            missing = stream.gaps.due(now_ns)
            if missing:
                self._feedback.nack(stream, missing, now_ns)
            if self._count_lost(stream):
                self._ask_keyframe(stream, now_ns)
            if stream.gaps.outstanding:
                wake_ns = min(wake_ns or stream.gaps.wake_ns, stream.gaps.wake_ns)
        if wake_ns and not self._over:
            wait_ns = max(wake_ns - now_ns, GRANULARITY_NS)
            self._asking = self._loop.call_later(wait_ns / NS, self._ask)

    def _ask_keyframe(self, stream: Stream, now_ns: int) -> None:
        self._feedback.keyframe(stream, now_ns)
        if stream.keyframe_wanted:
            self._write = self._look_for_keyframes
            self._restless = True

    def _look_for_keyframes(self, track_id: str, packet: bytes, arrival_ns: int) -> None:
        """Every packet's way to the tape as long as a keyframe is wanted."""
        self._tape(track_id, packet, arrival_ns)
        stream = self._streams.get(int.from_bytes(packet[8:12], "big"))
        if stream is not None and stream.keyframe_wanted:
            stream.keyframe_wanted = not stream.begins_keyframe(packet)
        if not any(each.keyframe_wanted for each in self._streams.values()):
            self._write = self._tape

    def _count_lost(self, stream: Stream) -> bool:
        lost = stream.gaps.take_given_up()
        if lost:
            self._deck.count(0, lost)
        return lost > 0

    def _report(self, now_ns: int) -> None:
        # Janus reads of a compound what the first block is about, and video has more to gain.
        video = [each for each in self._streams.values() if each.track.kind is Kind.VIDEO]
        if not video and self._ticks % TICKS_PER_SOUND_REPORT:
            return
        sound = [each for each in self._streams.values() if each.track.kind is Kind.AUDIO]
        blocks = [stream.report_block(now_ns) for stream in (*video, *sound)]
        if blocks:
            ssrcs = [each.track.ssrc for each in video]
            self._feedback.report([*blocks, *self._repairs.report_blocks()], ssrcs)

    def _tell_arrivals(self) -> None:
        media = next(iter(self._streams), 0)
        if self._arrivals is not None:
            for packet in self._arrivals.feedback(self._feedback.ssrc, media):
                self._feedback.send(packet)
        self._telling = self._loop.call_later(EVERY_NS / NS, self._tell_arrivals)
