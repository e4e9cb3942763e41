"""From RTP time to the recorder's wall clock.  Pure: the caller has the clock.

A sender report says which RTP timestamp belongs to which time of the *sender's* clock (NTP;
RFC 3550 §6.4.1).  A straight line through the last reports of a track takes the noise out of
them, :class:`media.capture.sender_clock.SenderClock` carries them to our clock, and
:class:`TrackClock` writes the track's clock map: points, joined by straight lines.

The map is written ahead.  Each point lies beyond all packets that came so far, and on the way to
it the line bends by at most 5 ms per second.  So what is on tape is never moved by what is learnt
later, and a cut made now says the same as one made next year.  Two things are found out a moment
later, and every cut waits for that (:data:`media.tape.clockmap.SETTLE_NS`): where a track begins,
and that its RTP clock stood still in a silence.  And a track of which nothing can have been cut
may still be moved as a whole.
"""

import itertools
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from media.capture.regression import Least, Regression
from media.capture.sender_clock import (
    DISTRUST_NS,
    PAUSE_NS,
    WINDOW_NS,
    Doubt,
    SenderClock,
    slewed,
)

NS = 1_000_000_000
REPORTS = 20  # that the line goes through
STEP_NS = 4 * NS  # between two points
NOISE_NS = 10_000_000  # a line less off than this is not moved at once to where it should be,
DAMPING = 4  # but by a part of it each time
AHEAD_NS = NS  # the newest packet is before the last point by at least this
STEP_OVER_NS = 150_000_000  # a line further off than this is left at once, not bent
FIRST_NS = 6 * NS  # as long as this a track's beginning may be placed better
REPORTS_CEASED_NS = 40 * NS
JUDGE_NS = NS // 5  # a suspected pause is watched for so long: a jam on the network dissolves
JUDGE_MOST_NS = NS
JUMP_NS = 2 * NS  # RTP time that is further off than this was set anew by the sender
_NO_NTP_NS = -2_208_988_800 * NS  # the sender has no clock (RFC 3550 §6.4.1)
_DRIFT_EVERY_NS = 30 * NS
_DRIFT_FROM_NS = 120 * NS
_DRIFTS = 64
_KNOTS = 8


def ns_between(first: int, second: int, rate: int) -> int:
    """Nanoseconds from one RTP timestamp to another, which way round is shorter (RFC 3550 §5.1)."""
    return _signed(second - first) * NS // rate


def _signed(ticks: int) -> int:
    return (ticks + 0x80000000 & 0xFFFFFFFF) - 0x80000000


class Point(NamedTuple):
    """One point of a track's clock map."""

    rtp: int  # 32 bits as on the wire
    wall_ns: int


class Arrival(NamedTuple):
    """When a packet came, and its RTP timestamp.  A tuple, because so many are made."""

    rtp: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class _Knot:
    ticks: int  # RTP time, unwrapped, since the first packet
    wall_ns: int


@dataclass(slots=True)
class _Pause:
    """A silence after which the RTP clock seems to have stood still."""

    before: int  # ticks of the last packet of the time before
    first: int  # and of the first one of the time after
    since_ns: int
    usual_ns: int  # lateness before
    first_ns: int  # lateness beyond that, at first
    least_ns: int  # and the least of it since
    others: bool  # whether other tracks of the connection went on meanwhile


class TrackClock:
    """The clock map of one track.

    Give it every sender report (:meth:`report`), four times a second the newest packet
    (:meth:`tick`), and the first packet after a silence (:meth:`resumed`); put the points it
    returns on the tape.  ``sealed_ns`` is the end of the last part of the tape: of what came
    later nothing can have been cut.
    """

    def __init__(self, rate: int, sender: SenderClock, first: Arrival) -> None:
        self._rate = rate  # Hz
        self._ahead = AHEAD_NS * rate // NS
        self._sender = sender
        self._first = self._newest = first
        self._ticks = 0  # of the newest packet
        self._settled = 0  # packets up to this RTP time keep their place
        self._knots: deque[_Knot] = deque(maxlen=_KNOTS)
        self._reports = Regression(REPORTS)  # RTP time, NTP time ahead of it
        self._reported_ns = 0
        self._doubt = Doubt()
        self._arrivals = Least(WINDOW_NS)  # arrival ahead of RTP time
        self._arrivals.add(first.at_ns, first.at_ns)
        self._usual_ns = 0  # how much later than the line the least delayed packet comes
        self._confirmed = False  # whether the line's place is more than a guess
        self._pause: _Pause | None = None
        self._drift = Regression(_DRIFTS)  # RTP time, our clock ahead of it
        self._skew_ns = 0

    @property
    def drift_ppb(self) -> int:
        """How much faster the sender's RTP clock runs than ours, parts per 10^9; 0: unknown."""
        return -self._drift.slope_ppb if self._drift.extent_ns >= _DRIFT_FROM_NS else 0

    @property
    def skew_us(self) -> int:
        """How much later the line is than the sender's reports say, microseconds."""
        return round(self._skew_ns / 1000)

    def place(self, point: Point, at_ns: int) -> None:
        """Begin with this point, which is on tape, instead of the first packet's arrival."""
        ticks = self._unwrap(point.rtp)
        self._knots.append(_Knot(ticks, point.wall_ns))
        self._usual_ns = self._arrivals.value - point.wall_ns + self._media_ns(ticks)
        self._confirmed = True

    def begin(self, rtp: int, ntp_ns: int) -> list[Point]:
        """A sender report that came before the first packet.

        A server may have kept it for us, so when it came says nothing, but the first packet is
        as good: by the report it has an NTP time, too.
        """
        first = self._first
        if ntp_ns == _NO_NTP_NS:
            return []
        return self.report(first.rtp, ntp_ns + ns_between(rtp, first.rtp, self._rate), first.at_ns)

    def report(self, rtp: int, ntp_ns: int, arrival_ns: int, *, sealed_ns: int = 0) -> list[Point]:
        """A sender report of this track (RFC 3550 §6.4.1)."""
        ticks = self._unwrap(rtp)
        if ntp_ns == _NO_NTP_NS or (self._pause is not None and len(self._reports) == 0):
            return []  # during a suspected pause a first report cannot be judged
        by_ns = self._sent_by_ns(ticks, arrival_ns)
        if not self._learn(ticks, self._sender.continuous(ntp_ns, by_ns), by_ns):
            return []
        self._reported_ns = arrival_ns
        target_ns = self._target_ns(self._ticks)
        self._usual_ns = self._arrivals.value - target_ns + self._media_ns(self._ticks)
        off_ns = self._off_ns()
        guessed, self._confirmed = not self._confirmed, True
        if guessed and sealed_ns <= self._first.at_ns:
            points = self._replace()
        elif abs(off_ns) > STEP_OVER_NS:
            points = self._leave_line(arrival_ns, sealed_ns)
        else:
            points = []
        self._pause = None
        self._skew_ns = self._wall_ns(self._ticks) - target_ns
        return points

    def tick(self, newest: Arrival, now_ns: int, *, sealed_ns: int = 0) -> list[Point]:
        """The newest packet of the track; call four times a second."""
        if newest == self._newest and self._knots and self._pause is None:
            return []
        self._hear(newest)
        if self._pause is not None:
            points = self._judge(self._pause, now_ns)
            if points or self._pause is not None:
                return points
        if not self._confirmed:
            points = self._improve(now_ns, sealed_ns)
            if points:
                return points
        elif self._reports_are_fresh and self._knots:
            self._bound()
            if abs(self._off_ns()) > STEP_OVER_NS:  # also by what another track's reports said
                return self._leave_line(now_ns, sealed_ns)
        if self._ticks + self._ahead <= self._knots[-1].ticks:
            self._settled = max(self._settled, self._ticks)
            return []
        if self._off_ns() < -DISTRUST_NS:  # no packet comes before its time
            return self._step()
        return self._extend()

    def resumed(self, before: Arrival, first: Arrival) -> None:
        """A packet came after a silence, ``before`` is the last one before it.

        Either the network was jammed or the sender's RTP clock stood still meanwhile.  It stood
        still if other tracks were heard meanwhile, else a moment shows it: a jam dissolves.
        """
        self._hear(before)
        usual_ns, ticks = before.at_ns - self.wall_ns(before.rtp), self._ticks
        others = self._sender.went_on(before.at_ns, first.at_ns)
        excess_ns = self.late_ns(first) - usual_ns
        self._newest, self._ticks = first, self._unwrap(first.rtp)
        if excess_ns > PAUSE_NS:
            self._pause = _Pause(
                ticks, self._ticks, first.at_ns, usual_ns, excess_ns, excess_ns, others
            )

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

    def _hear(self, newest: Arrival) -> None:
        self._ticks, self._newest = self._unwrap(newest.rtp), newest
        self._sender.heard(newest.at_ns)
        if self._pause is None:
            self._arrivals.add(newest.at_ns, newest.at_ns - self._media_ns(self._ticks))

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
        """Where the line should be."""
        media_ns = self._media_ns(ticks)
        if self._reports_are_fresh:
            return self._sender.local_ns(media_ns + self._reports.ahead_ns(media_ns))
        return media_ns + self._arrivals.value - self._usual_ns

    # the line

    def _off_ns(self) -> int:
        """By how much later the line's end should be."""
        ticks = self._knots[-1].ticks if self._knots else self._ticks
        return self._target_ns(ticks) - self._wall_ns(ticks)

    def _wall_ns(self, ticks: int) -> int:
        if not self._knots:
            return self._first.at_ns + self._media_ns(ticks)
        for before, after in itertools.pairwise(self._knots):
            if before.ticks <= ticks < after.ticks:
                span, span_ns = after.ticks - before.ticks, after.wall_ns - before.wall_ns
                return before.wall_ns + (ticks - before.ticks) * span_ns // span
        end = self._knots[0] if ticks < self._knots[0].ticks else self._knots[-1]
        return end.wall_ns + (ticks - end.ticks) * NS // self._rate

    def _add(self, ticks: int, wall_ns: int) -> Point:
        """A point, and what was written beyond it does not count any more."""
        while self._knots and self._knots[-1].ticks >= ticks:
            self._knots.pop()
        if self._knots:
            wall_ns = max(wall_ns, self._knots[-1].wall_ns)
        self._knots.append(_Knot(ticks, wall_ns))
        return Point(self._first.rtp + ticks & 0xFFFFFFFF, wall_ns)

    def _replace(self) -> list[Point]:
        """The track's beginning was a guess: this is better."""
        self._knots.clear()
        self._settled = 0
        return [self._add(0, self._target_ns(0)), *self._extend()]

    def _leave_line(self, now_ns: int, sealed_ns: int) -> list[Point]:
        """The line is too far off to be bent."""
        return self._replace() if self._begins(now_ns, sealed_ns) else self._step()

    def _begins(self, now_ns: int, sealed_ns: int) -> bool:
        """Whether the whole track may still be moved."""
        return now_ns - self._first.at_ns < FIRST_NS and sealed_ns <= self._first.at_ns

    def _improve(self, now_ns: int, sealed_ns: int) -> list[Point]:
        """Place the beginning by arrivals, as long as that is a guess."""
        begins = self._begins(now_ns, sealed_ns)
        if not self._knots or (begins and self._off_ns() < 0):
            return self._replace()
        return []

    def _extend(self) -> list[Point]:
        """Write the line ahead of the newest packet."""
        points = []
        if self._settled > self._knots[-1].ticks:
            points.append(self._add(self._settled, self._wall_ns(self._settled)))
        last = self._knots[-1]
        if self._ticks + self._ahead > last.ticks:
            ticks = max(last.ticks + STEP_NS * self._rate // NS, self._ticks + self._ahead)
            span_ns = (ticks - last.ticks) * NS // self._rate
            off_ns = self._target_ns(ticks) - last.wall_ns - span_ns
            if abs(off_ns) < NOISE_NS:
                off_ns //= DAMPING
            points.append(self._add(ticks, last.wall_ns + span_ns + slewed(off_ns, span_ns)))
            self._note_drift()
        self._settled = max(self._settled, self._ticks)
        return points

    def _step(self) -> list[Point]:
        """Another line from the silence on, or from the next packet on.

        Two points beside each other, so that what lies before stays where it is, and one ahead.
        """
        old, first = self._ticks, self._ticks + 1
        if self._pause is not None:
            old, first = self._pause.before, self._pause.first
        first = max(first, old + 1)
        self._drift.clear()
        target_ns = self._target_ns(first)
        back_ns = max(0, self._wall_ns(old) - target_ns)
        ticks = self._ticks + (STEP_NS + 2 * back_ns) * self._rate // NS
        ahead_ns = self._target_ns(ticks)
        points = [self._add(old, self._wall_ns(old)), self._add(first, target_ns)]
        self._settled = max(self._ticks, first)
        return [*points, self._add(ticks, ahead_ns)]

    def _judge(self, pause: _Pause, now_ns: int) -> list[Point]:
        pause.least_ns = min(pause.least_ns, self.late_ns(self._newest) - pause.usual_ns)
        passed_ns = self._newest.at_ns - pause.since_ns
        dissolved_ns = pause.first_ns - pause.least_ns
        jam = dissolved_ns * 5 > pause.first_ns
        stood = pause.others or (passed_ns >= JUDGE_NS and dissolved_ns * 2 < passed_ns)
        if not stood and not jam and now_ns - pause.since_ns < JUDGE_MOST_NS:
            return []
        points: list[Point] = []
        if not jam:
            # The reports before tell of the line before.
            self._reports.clear()
            self._arrivals.clear()
            after_ns = self._wall_ns(pause.first) + pause.usual_ns + pause.least_ns
            self._arrivals.add(now_ns, after_ns - self._media_ns(pause.first))
            self._usual_ns = pause.usual_ns
            points = self._step()
        self._pause = None
        return points

    def _note_drift(self) -> None:
        if self._newest.at_ns - self._first.at_ns < WINDOW_NS:
            return  # the least delay is not known well yet
        media_ns = self._media_ns(self._ticks)
        if not len(self._drift) or media_ns - self._drift.newest_ns >= _DRIFT_EVERY_NS:
            self._drift.add(media_ns, self._target_ns(self._ticks) - media_ns)
