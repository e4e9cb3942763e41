"""One SSRC as it arrives: its sequence, its clock, what a receiver report says of it."""

from enum import Enum, auto

from media.capture.clock import JUMP_NS, NS, Arrival, TrackClock, ns_between
from media.capture.nack import Fate, Gaps, RoundTrip
from media.capture.sender_clock import PAUSE_NS, SenderClock
from media.errors import BadPacket
from media.rtc import steady
from media.rtp.codec import Codec
from media.rtp.keyframe import begins_keyframe
from media.rtp.packet import parse_header
from media.rtp.rtcp import ReportBlock, SenderReport
from media.tape.model import Track

KEYFRAME_EVERY_NS = NS
REPORTS_APART_NS = NS // 10  # of a sender; browsers send one a second
_JITTER_GAIN = 16  # RFC 3550 A.8


class Verdict(Enum):
    """What to do with a packet that is not simply the next one."""

    KEEP = auto()
    DROP = auto()
    ANEW = auto()  # its sender began anew: it belongs to another track


class Stream:
    """The state of one track between two packets.

    The intake does the regular case itself, as that is done for every packet; :meth:`irregular`
    has the rest.
    """

    __slots__ = (
        "_jitter",
        "_last_report",
        "_muted",
        "_quiet",
        "_reported",
        "_sampled",
        "_sr",
        "arrival_ns",
        "boundary_ns",
        "clock",
        "command",
        "gaps",
        "keyframe_asked_ns",
        "keyframe_wanted",
        "leap",
        "mid",
        "payload_type",
        "plis",
        "rate",
        "received",
        "repaired",
        "rid",
        "rtp",
        "tallied_ns",
        "track",
    )

    def __init__(
        self,
        track: Track,
        codec: Codec,
        sender: SenderClock,
        seq: int,
        at: Arrival,
        *,
        round_trip: RoundTrip,
        mid: str = "",
        rid: str = "",
    ) -> None:
        self.track = track
        self.mid, self.rid = mid, rid
        self.payload_type = codec.payload_type
        self.rate = codec.clock_rate
        self.clock = TrackClock(self.rate, sender, at)
        self.gaps = Gaps(seq, round_trip, asks="nack" in codec.feedback)
        self.gaps.next += 1
        self.rtp, self.arrival_ns = at.rtp, at.at_ns
        self.leap = JUMP_NS * self.rate // NS  # RTP time that a packet may be ahead
        self.received = 1
        self.repaired = 0  # of those received, that came in the stream of retransmissions
        self.plis = self.command = 0  # keyframes asked for by PLI and by FIR
        self.keyframe_asked_ns = 0
        self.keyframe_wanted = False
        self.boundary_ns = at.at_ns  # when a slice of it began, by the keyframes we asked for
        self.tallied_ns = at.at_ns
        self._muted = self._quiet = False
        self._sr: tuple[int, int] | None = None  # (middle of its NTP time, arrival)
        self._reported = (0, 0)  # (expected, received) at the last report
        self._last_report = ReportBlock(track.ssrc, 0, 0, seq, 0)
        self._jitter = 0.0
        self._sampled = at

    @property
    def newest(self) -> Arrival:
        """The newest packet in sequence."""
        return Arrival(self.rtp, self.arrival_ns)

    @property
    def codec(self) -> Codec:
        """What the newest packet is encoded with."""
        return self.track.codec(self.payload_type) or self.track.codecs[0]

    def irregular(self, payload_type: int, seq: int, at: Arrival, *, anew: bool) -> Verdict:
        """A packet out of sequence, after a silence, far away in RTP time or of another type.

        ``anew``: its type is of a later agreement than the track.
        """
        codec = self.track.codec(payload_type)
        other_rate = codec is not None and codec.clock_rate != self.rate
        if self.gaps.is_behind(seq):
            # Late, or asked for again after an outage: older than any jump, and no news.
            if other_rate or self.gaps.irregular(seq, at.at_ns) is Fate.TWICE:
                return Verdict.DROP
            self.received += 1
            return Verdict.KEEP
        if anew or other_rate or self._jumped(at):
            return Verdict.ANEW
        self.payload_type = payload_type
        self.gaps.irregular(seq, at.at_ns, excused=self._quiet)
        if at.at_ns - self.arrival_ns >= PAUSE_NS:
            self.clock.resumed(self.newest, at)
            self._sampled = at  # the silence is no jitter
        self._quiet = self._muted
        self.rtp, self.arrival_ns = at.rtp, at.at_ns
        self.received += 1
        return Verdict.KEEP

    def fill(self, payload_type: int, seq: int, at_ns: int) -> bool:
        """A packet came back in a stream of retransmissions; False if it is of no use."""
        if self.track.codec(payload_type) is None or not self.gaps.fill(seq, at_ns):
            return False
        self.received += 1
        self.repaired += 1
        return True

    def line_at(self, first: Arrival, rate: int) -> int:
        """Wall clock of the first packet of the track that goes on from this one."""
        if rate == self.rate and abs(self.clock.late_ns(first)) <= JUMP_NS:
            return self.clock.wall_ns(first.rtp)
        return self.clock.continued(self.newest, first).wall_ns

    def renew(self) -> None:
        """Its payload types mean something else now: the next packet is not regular."""
        self.leap = -1

    @property
    def renewed(self) -> bool:
        """Whether :meth:`renew` was called."""
        return self.leap < 0

    def go_on_from(self, old: "Stream") -> None:
        """Take over from the track before; the hole between both is nobody's loss."""
        self._muted, self._quiet = old._muted, old._quiet
        self.keyframe_asked_ns = old.keyframe_asked_ns

    def mute(self, muted: bool) -> None:
        """The room withholds the packets of a muted track: the hole is no loss."""
        self._muted = muted
        self._quiet = True
        self.boundary_ns = steady.now_ns()

    def is_boundary(self, now_ns: int, every_ns: int) -> bool:
        """Whether its slice is old enough for a keyframe; when it is, the next one begins."""
        if self._muted or now_ns - self.boundary_ns < every_ns:
            return False
        self.boundary_ns = now_ns
        return True

    def may_ask_keyframe(self, now_ns: int) -> bool:
        """At most once a second; when it may, it counts as asked."""
        if now_ns - self.keyframe_asked_ns < KEYFRAME_EVERY_NS:
            return False
        self.keyframe_asked_ns = now_ns
        return True

    def begins_keyframe(self, packet: bytes) -> bool:
        """Whether a keyframe begins with this packet, as far as that can be told."""
        try:
            header = parse_header(packet)
            payload = header.payload(packet)
        except BadPacket:
            return False
        codec = self.track.codec(header.pt)
        return codec is not None and begins_keyframe(codec.key, payload)

    @property
    def reported(self) -> bool:
        """Whether its sender has reported."""
        return self._sr is not None

    def sender_report(self, report: SenderReport, at_ns: int) -> bool:
        """Note it for the round trip time that the sender computes (RFC 3550 §6.4.1).

        False when it came too soon after the one before to be of use.
        """
        if self._sr is not None and 0 <= at_ns - self._sr[1] < REPORTS_APART_NS:
            return False
        self._sr = (report.ntp >> 16 & 0xFFFFFFFF, at_ns)
        return True

    def sample(self) -> None:
        """Feed the jitter estimate; now and then instead of with every packet.

        The mean difference in transit of packets a second apart is that of neighbours, unless
        delays are alike among neighbours: then it is larger, and the truth.
        """
        before, now = self._sampled, self.newest
        if now.rtp == before.rtp:
            return
        if not self._muted:
            self._quiet = False
        transit_ns = now.at_ns - before.at_ns - ns_between(before.rtp, now.rtp, self.rate)
        self._jitter += (abs(transit_ns) * self.rate / NS - self._jitter) / _JITTER_GAIN
        self._sampled = now

    @property
    def restless(self) -> bool:
        """Whether something is awaited that should be noticed within a quarter of a second."""
        excused = self._quiet and not self._muted
        return self.keyframe_wanted or excused or self.clock.waits

    def report_block(self, now_ns: int) -> ReportBlock:
        """What a receiver report says of this stream.

        Retransmissions in a stream of their own count there (RFC 4588 §5.1): as a sender sees it,
        their originals are lost.
        """
        expected, received = self.gaps.expected, self.received - self.repaired
        asked = expected - self._reported[0]
        lost = max(0, asked - (received - self._reported[1]))
        self._reported = (expected, received)
        self._last_report = ReportBlock(
            ssrc=self.track.ssrc,
            fraction_lost=min(255, lost * 256 // asked) if asked > 0 else 0,
            lost=expected - received,
            highest_seq=self.gaps.next - 1,
            jitter=int(self._jitter),
        )
        return self.last_report(now_ns)

    def last_report(self, now_ns: int) -> ReportBlock:
        """The same again, with the time since the sender's report."""
        if self._sr is None:
            return self._last_report
        middle, came_ns = self._sr
        delay = max(0, now_ns - came_ns) * 65536 // NS
        said = self._last_report
        return ReportBlock(
            said.ssrc,
            said.fraction_lost,
            said.lost,
            said.highest_seq,
            said.jitter,
            last_sr=middle,
            delay_since_sr=delay,
        )

    def _jumped(self, at: Arrival) -> bool:
        """Whether RTP time was set anew.

        A packet may lie far ahead of the line without that: when what was jammed at the track's
        beginning comes at once.
        """
        step_ns = ns_between(self.rtp, at.rtp, self.rate)
        return step_ns < -JUMP_NS or (step_ns > JUMP_NS and self.clock.late_ns(at) < -JUMP_NS)
