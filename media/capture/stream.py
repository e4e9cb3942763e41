"""One SSRC as it arrives: its sequence, its clock, what a receiver report says of it."""

import time

from media.capture.clock import JUMP_NS, NS, PAUSE_NS, Arrival, SenderClock, TrackClock, ns_between
from media.capture.nack import Gaps
from media.rtp.codec import Codec
from media.rtp.rtcp import ReportBlock, SenderReport
from media.tape.model import Track

KEYFRAME_EVERY_NS = NS
_JITTER_GAIN = 16  # RFC 3550 A.8


class Stream:
    """The state of one track between two packets.

    The tap does the regular case itself, as that is done for every packet; :meth:`irregular` has
    the rest.
    """

    __slots__ = (
        "_jitter",
        "_muted",
        "_quiet",
        "_reported",
        "_sampled",
        "_sr",
        "arrival_ns",
        "boundary_ns",
        "clock",
        "gaps",
        "keyframe_asked_ns",
        "keyframe_wanted",
        "leap",
        "payload_type",
        "rate",
        "received",
        "rtp",
        "track",
    )

    def __init__(self, track: Track, codec: Codec, sender: SenderClock, seq: int, at: Arrival):
        self.track = track
        self.payload_type = codec.payload_type
        self.rate = codec.clock_rate
        self.clock = TrackClock(self.rate, sender, at)
        self.gaps = Gaps(seq)
        self.gaps.next += 1
        self.rtp, self.arrival_ns = at.rtp, at.at_ns
        self.leap = JUMP_NS * self.rate // NS  # RTP time that a packet may be ahead
        self.received = 1
        self.keyframe_asked_ns = 0
        self.keyframe_wanted = False
        self.boundary_ns = at.at_ns  # when a slice of it began, by the keyframes we asked for
        self._muted = self._quiet = False
        self._sr: tuple[int, int] | None = None  # (middle of its NTP time, arrival)
        self._reported = (0, 0)  # (expected, received) at the last report
        self._jitter = 0.0
        self._sampled = at

    @property
    def newest(self) -> Arrival:
        """The newest packet in sequence."""
        return Arrival(self.rtp, self.arrival_ns)

    def irregular(self, payload_type: int, seq: int, at: Arrival) -> bool:
        """A packet out of sequence, after a silence or far away in RTP time.

        False when the sender began anew: then the packet belongs to another track.
        """
        if self._began_anew(payload_type, at):
            return False
        self.payload_type = payload_type
        if self.gaps.irregular(seq, at.at_ns, excused=self._quiet):
            if at.at_ns - self.arrival_ns >= PAUSE_NS:
                self.clock.resumed(self.newest, at)
            self._quiet = self._muted
            self.rtp, self.arrival_ns = at.rtp, at.at_ns
        self.received += 1
        return True

    def mute(self, muted: bool) -> None:
        """The room withholds the packets of a muted track: the hole is no loss."""
        self._muted = muted
        self._quiet = True
        self.boundary_ns = time.time_ns()

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

    def sender_report(self, report: SenderReport, at_ns: int) -> None:
        """For the round trip time that the sender computes (RFC 3550 §6.4.1)."""
        self._sr = (report.ntp >> 16 & 0xFFFFFFFF, at_ns)

    def sample(self) -> None:
        """Feed the jitter estimate; a few samples per second instead of every packet."""
        before, now = self._sampled, self.newest
        if now.rtp == before.rtp:
            return
        if not self._muted:
            self._quiet = False
        transit_ns = now.at_ns - before.at_ns - ns_between(before.rtp, now.rtp, self.rate)
        self._jitter += (abs(transit_ns) * self.rate / NS - self._jitter) / _JITTER_GAIN
        self._sampled = now

    def report_block(self, now_ns: int) -> ReportBlock:
        """What a receiver report says of this stream."""
        expected, received = self.gaps.expected, self.received
        asked = expected - self._reported[0]
        lost = max(0, asked - (received - self._reported[1]))
        self._reported = (expected, received)
        middle, delay = 0, 0
        if self._sr is not None:
            middle, delay = self._sr[0], (now_ns - self._sr[1]) * 65536 // NS
        return ReportBlock(
            ssrc=self.track.ssrc,
            fraction_lost=min(255, lost * 256 // asked) if asked > 0 else 0,
            lost=expected - received,
            highest_seq=self.gaps.next - 1,
            jitter=int(self._jitter),
            last_sr=middle,
            delay_since_sr=max(0, delay),
        )

    def _began_anew(self, payload_type: int, at: Arrival) -> bool:
        """Whether RTP time was set anew, or has another clock rate now."""
        codec = self.track.codec(payload_type)
        if codec is not None and codec.clock_rate != self.rate:
            return True
        step_ns = ns_between(self.rtp, at.rtp, self.rate)
        return step_ns < -JUMP_NS or self.clock.late_ns(at) < -JUMP_NS
