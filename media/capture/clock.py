"""From RTP time to the recorder's wall clock.  Pure: the caller has the clock.

A sender report says which RTP timestamp belongs to which time of the *sender's* clock (NTP;
RFC 3550 §6.4.1).  A straight line through the last reports of a track takes the noise out of
them, :class:`media.capture.sender_clock.SenderClock` carries them to our clock, and
:class:`TrackClock` writes the track's clock map: points, joined by straight lines.

The map is written ahead.  Each point lies beyond all packets that came so far, and on the way to
it the line bends by at most 5 ms per second.  So what is on tape is never moved by what is learnt
later, and a cut made now says the same as one made next year; :class:`media.capture.written.
WrittenLine` sees to that.  Two things are found out a moment later: where a track begins, and
that its RTP clock stood still in a silence.  They move packets only as long as no cut can have
seen those.
"""

from typing import NamedTuple

from media.capture.pause import Pause
from media.capture.regression import Least, Regression
from media.capture.sender_clock import (
    DISTRUST_NS,
    WINDOW_NS,
    Doubt,
    SenderClock,
    slewed,
)
from media.capture.written import Point, WrittenLine
from media.tape.clockmap import EARLY_NS, LATE_NS, SETTLE_NS
from media.tape.line import RESET_NS

NS = 1_000_000_000
REPORTS = 20  # that the line goes through
STEP_NS = 4 * NS  # between two points
NOISE_NS = 10_000_000  # a line less off than this is not moved at once to where it should be,
DAMPING = 4  # but by a part of it each time
AHEAD_NS = 3 * NS // 2  # the newest packet is before the last point by at least this
STEP_OVER_NS = 150_000_000  # a line further off than this is left at once, not bent
FIRST_NS = 6 * NS  # as long as this a track's beginning may be placed better
REPORTS_CEASED_NS = 40 * NS
JUMP_NS = 2 * NS  # RTP time that is further off than this was set anew by the sender
_NO_NTP_NS = -2_208_988_800 * NS  # the sender has no clock (RFC 3550 §6.4.1)
_DRIFT_EVERY_NS = 30 * NS
_DRIFT_FROM_NS = 120 * NS
_DRIFTS = 64


def ns_between(first: int, second: int, rate: int) -> int:
    """Nanoseconds from one RTP timestamp to another, which way round is shorter (RFC 3550 §5.1)."""
    return _signed(second - first) * NS // rate


def _signed(ticks: int) -> int:
    return (ticks + 0x80000000 & 0xFFFFFFFF) - 0x80000000


class Arrival(NamedTuple):
    """When a packet came, and its RTP timestamp.  A tuple, because so many are made."""

    rtp: int
    at_ns: int


class TrackClock:
    """The clock map of one track.

    Put its beginning on the tape at once (:meth:`begin`), and then what :meth:`tick` returns: it
    wants the newest packet, about once a second, soon if it :attr:`waits`.  Between ticks tell it
    of every sender report (:meth:`report`) and of the first packet after a silence
    (:meth:`resumed`).
    """

    def __init__(self, rate: int, sender: SenderClock, first: Arrival) -> None:
        self._rate = rate  # Hz
        self._sender = sender
        self._first = self._newest = first
        self._ticks = 0  # RTP time of the newest packet, unwrapped, since the first one
        self._line = WrittenLine(rate, first.rtp, first.at_ns)
        self._reports = Regression(REPORTS)  # RTP time, NTP time ahead of it
        self._reported_ns = 0
        self._doubt = Doubt()
        self._arrivals = Least(WINDOW_NS)  # arrival ahead of RTP time
        self._arrivals.add(first.at_ns, first.at_ns)
        self._usual_ns = 0  # how much later than the line the least delayed packet comes
        self._confirmed = False  # whether the line's place is more than a guess,
        self._is_news = False  # since the last tick
        self._pause: Pause | None = None
        self._drift = Regression(_DRIFTS)  # RTP time, our clock ahead of it
        self._skew_ns = 0

    @property
    def waits(self) -> bool:
        """Whether the next tick should come within a quarter of a second."""
        return self._pause is not None and self._pause.is_doubtful

    @property
    def drift_ppb(self) -> int:
        """How much faster the sender's RTP clock runs than ours, parts per 10^9; 0: unknown."""
        return -self._drift.slope_ppb if self._drift.extent_ns >= _DRIFT_FROM_NS else 0

    @property
    def skew_us(self) -> int:
        """How much later the line is than the sender's reports say, microseconds."""
        return round(self._skew_ns / 1000)

    def begin(self, rtp: int = 0, ntp_ns: int = _NO_NTP_NS) -> list[Point]:
        """Where the track begins, by what a sender report said before the first packet, if any.

        A server may have kept it for us, so when it came says nothing, but the first packet is
        as good: by the report it has an NTP time, too.
        """
        first = self._first
        if ntp_ns != _NO_NTP_NS:
            ntp_ns += ns_between(rtp, first.rtp, self._rate)
            self.report(first.rtp, ntp_ns, first.at_ns)
            self._is_news = False
        return [self._line.begin(0, self._target_ns(0))]

    def place(self, point: Point) -> None:
        """Begin with this point, which is on tape, instead of the first packet's arrival."""
        ticks = self._unwrap(point.rtp)
        self._line.begin(ticks, point.wall_ns)
        self._usual_ns = self._arrivals.value - point.wall_ns + self._media_ns(ticks)
        self._confirmed = True

    def report(self, rtp: int, ntp_ns: int, arrival_ns: int) -> None:
        """A sender report of this track (RFC 3550 §6.4.1)."""
        ticks = self._unwrap(rtp)
        if ntp_ns == _NO_NTP_NS or (self._pause is not None and len(self._reports) == 0):
            return  # during a suspected pause a first report cannot be judged
        by_ns = self._sent_by_ns(ticks, arrival_ns)
        if not self._learn(ticks, self._sender.continuous(ntp_ns, by_ns), by_ns):
            return
        self._reported_ns = arrival_ns
        target_ns = self._target_ns(self._ticks)
        self._usual_ns = self._arrivals.value - target_ns + self._media_ns(self._ticks)
        self._skew_ns = self._wall_ns(self._ticks) - target_ns
        self._is_news = self._is_news or not self._confirmed
        self._confirmed = True
        if self._pause is not None:
            self._pause.is_told = True

    def tick(self, newest: Arrival, now_ns: int, *, sealed_ns: int = 0) -> list[Point]:
        """What to write, knowing the newest packet.

        ``sealed_ns`` is the end of the last part of the tape that was sealed.
        """
        pause = self._pause
        if newest == self._newest and (pause is None or not pause.is_doubtful):
            return []
        unseen_ns = sealed_ns - SETTLE_NS  # no cut has seen what came since
        begins = unseen_ns <= self._first.at_ns and now_ns - self._first.at_ns < FIRST_NS
        retold = pause if pause is not None and unseen_ns <= pause.since_ns else None
        stood: bool | None = False
        if pause is not None:
            stood = pause.judge(self.late_ns(newest), newest.at_ns, now_ns)
            if stood:
                self._stood(pause)
            if stood is not None:
                self._pause = None
        self._hear(newest)
        if not begins and retold is None:
            self._line.hear(self._ticks)
        if stood is None:
            return []
        return self._leave(retold) if stood else self._write(retold, begins=begins)

    def resumed(self, before: Arrival, first: Arrival) -> None:
        """A packet came after a silence, ``before`` is the last one before it."""
        self._hear(before)
        self._line.hear(self._ticks)
        usual_ns = self.late_ns(before)
        others = self._sender.went_on(before.at_ns, first.at_ns)
        excess_ns = self.late_ns(first) - usual_ns
        self._newest, self._ticks = first, self._unwrap(first.rtp)
        self._pause = Pause(self._ticks, first.at_ns, usual_ns, excess_ns, excess_ns, others)

    def continued(self, before: Arrival, first: Arrival) -> Point:
        """Where the line goes on when the sender set its RTP clock anew at ``first``."""
        return Point(first.rtp, self.wall_ns(before.rtp) + first.at_ns - before.at_ns)

    def late_ns(self, packet: Arrival) -> int:
        """How much later than its time by the line a packet came; negative: too early."""
        return packet.at_ns - self.wall_ns(packet.rtp)

    def wall_ns(self, rtp: int) -> int:
        """What the line says about an RTP timestamp."""
        return self._wall_ns(self._unwrap(rtp))

    # what is known

    def _unwrap(self, rtp: int) -> int:
        return self._ticks + _signed(rtp - self._newest.rtp)

    def _media_ns(self, ticks: int) -> int:
        return ticks * NS // self._rate

    def _ticks_in(self, ns: int) -> int:
        return ns * self._rate // NS

    def _hear(self, newest: Arrival) -> None:
        self._ticks, self._newest = self._unwrap(newest.rtp), newest
        self._sender.heard(newest.at_ns)
        if self._pause is None:
            self._arrivals.add(newest.at_ns, newest.at_ns - self._media_ns(self._ticks))
            if self._reports_are_fresh:
                self._bound()

    def _learn(self, ticks: int, ntp_ns: int, arrival_ns: int) -> bool:
        """Take note of a report; False if it contradicts what is known."""
        media_ns = self._media_ns(ticks)
        known = len(self._reports) > 0
        off_ns = ntp_ns - media_ns - self._reports.ahead_ns(media_ns) if known else 0
        if known and abs(off_ns) > self._reports.tolerance_ns:
            if not self._doubt.confirmed(off_ns, arrival_ns):
                return False
            if self._sender.was_set(off_ns, ntp_ns, arrival_ns):
                self._sender.undo(off_ns)
                ntp_ns -= off_ns
            else:
                known = False  # RTP time was set: reports before are of no use
        if not self._believable(ticks, ntp_ns, arrival_ns):
            return False
        if not self._sender.take(ntp_ns, arrival_ns, known=known):
            return False
        if not known:
            self._reports.clear()
        self._doubt.clear()
        self._reports.add(media_ns, ntp_ns - media_ns)
        return True

    def _sent_by_ns(self, ticks: int, arrival_ns: int) -> int:
        """When a report about this RTP time was sent at the latest.

        If the network or the event loop was held up, the packets that came before say more than
        when the report came.  Only of a first report: later ones are judged by those before.
        """
        if len(self._reports) > 0:
            return arrival_ns
        return min(arrival_ns, self._arrivals.value + self._media_ns(ticks))

    def _bound(self) -> None:
        """No packet comes before its time: when its first reports were late, packets show it."""
        if self._newest.at_ns - self._first.at_ns < FIRST_NS:
            media_ns = self._media_ns(self._ticks)
            ntp_ns = media_ns + self._reports.ahead_ns(media_ns)
            self._sender.bound(ntp_ns, self._newest.at_ns)

    def _believable(self, ticks: int, ntp_ns: int, arrival_ns: int) -> bool:
        """Whether a report that would move the line says when the newest packet came."""
        if len(self._reports) == 0 and self._sender.is_unknown:
            by_report_ns = arrival_ns
        else:
            by_report_ns = self._sender.local_ns(ntp_ns)
        if abs(by_report_ns - self._wall_ns(ticks)) <= DISTRUST_NS:
            return True
        by_report_ns += self._media_ns(self._ticks) - self._media_ns(ticks)
        late_ns = abs(self._newest.at_ns - by_report_ns)
        return late_ns < JUMP_NS and (
            not self._confirmed or late_ns < abs(self.late_ns(self._newest))
        )

    @property
    def _reports_are_fresh(self) -> bool:
        ceased = self._newest.at_ns - self._reported_ns > REPORTS_CEASED_NS
        return len(self._reports) > 0 and not ceased

    def _target_ns(self, ticks: int) -> int:
        """Where the line should be; never so that cutters would not believe it of a packet."""
        media_ns = self._media_ns(ticks)
        least_ns = media_ns + self._arrivals.value
        if not self._reports_are_fresh:
            return least_ns - self._usual_ns
        reported_ns = self._sender.local_ns(media_ns + self._reports.ahead_ns(media_ns))
        return max(least_ns - LATE_NS // 2, min(least_ns + EARLY_NS // 2, reported_ns))

    # the line

    def _wall_ns(self, ticks: int) -> int:
        return self._line.wall_ns(ticks)

    def _write(self, retold: Pause | None, *, begins: bool) -> list[Point]:
        """What is due; ``begins``: the whole track may still be moved."""
        off_ns = self._off_ns()
        if begins and self._is_better(off_ns):
            return self._replace()
        if off_ns < -DISTRUST_NS or (self._reports_are_fresh and abs(off_ns) > STEP_OVER_NS):
            return self._leave(retold)
        if self._ticks + self._ticks_in(AHEAD_NS) > self._line.end:
            return self._extend()
        return []

    def _off_ns(self) -> int:
        """By how much later the line's end should be."""
        return self._target_ns(self._line.end) - self._wall_ns(self._line.end)

    def _is_better(self, off_ns: int) -> bool:
        """Whether more is known now about where the track begins."""
        if not self._confirmed:
            return off_ns < 0
        return self._is_news or abs(off_ns) > STEP_OVER_NS

    def _replace(self) -> list[Point]:
        """The track's beginning was a guess: this is better."""
        self._is_news = False
        return [self._line.begin(0, self._target_ns(0)), *self._extend()]

    def _extend(self) -> list[Point]:
        """Write the line ahead of the newest packet."""
        after = max(self._line.end, self._line.free)
        ticks = max(after + self._ticks_in(STEP_NS), self._ticks + self._ticks_in(AHEAD_NS))
        span_ns = self._media_ns(ticks - after)
        off_ns = self._target_ns(ticks) - self._wall_ns(after) - span_ns
        if abs(off_ns) < NOISE_NS:
            off_ns //= DAMPING
        self._note_drift()
        to_ns = self._wall_ns(after) + span_ns + slewed(off_ns, span_ns)
        return self._line.go_on(after, ticks, to_ns)

    def _leave(self, pause: Pause | None) -> list[Point]:
        """The line is too far off to be bent so little: to another one, or back to it fast.

        After the silence, if its packets may still be moved, else after all that came.
        """
        self._drift.clear()
        after = self._line.free if pause is None else self._line.heard
        ticks = after + 1 if pause is None else max(after + 1, pause.first)
        from_ns, to_ns = self._wall_ns(after), self._target_ns(ticks)
        if to_ns < from_ns:
            back_ns = min(from_ns - to_ns, RESET_NS // 2)
            ticks = after + self._ticks_in(STEP_NS + 2 * back_ns)
            to_ns = from_ns + STEP_NS + back_ns
        return self._line.go_on(after, ticks, to_ns)

    def _stood(self, pause: Pause) -> None:
        """The RTP clock stood still: the reports before tell of the line before."""
        self._reports.clear()
        self._arrivals.clear()
        after_ns = self._wall_ns(pause.first) + pause.usual_ns + pause.least_ns
        self._arrivals.add(pause.since_ns, after_ns - self._media_ns(pause.first))
        self._usual_ns = pause.usual_ns

    def _note_drift(self) -> None:
        if self._newest.at_ns - self._first.at_ns < WINDOW_NS:
            return  # the least delay is not known well yet
        media_ns = self._media_ns(self._ticks)
        if not len(self._drift) or media_ns - self._drift.newest_ns >= _DRIFT_EVERY_NS:
            self._drift.add(media_ns, self._target_ns(self._ticks) - media_ns)
