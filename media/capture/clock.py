"""From RTP time to the recorder's wall clock.  Pure: the caller has the clock.

A sender report says which RTP timestamp belongs to which time of the *sender's* clock (NTP).  All
tracks of one connection share that clock, so one estimate of it per connection
(:class:`SenderClock`) carries audio and video to our clock together, and they stay lip-synchronous.
:class:`TrackClock` turns the reports of one track into points of its clock map.  Both slew: what
was recorded once is never shifted by a better estimate, only bent by at most 5 ms per second.
"""

from collections import deque
from dataclasses import dataclass

NS = 1_000_000_000
SLEW = 200  # a correction takes 200 times its own length: 5 ms per second
WINDOW_NS = 60 * NS  # of the least-delay filter; drift of 100 ppm makes 6 ms in it
DISTRUST_NS = NS // 2  # a report further off than this needs a witness
CONFIRM_NS = NS  # a step of the sender's clock is believed when seen twice, this far apart
AGREE_NS = NS // 10
FIRST_GUESS_NS = 6 * NS  # without any sender report for so long, arrival times must do
GUESS_EVERY_NS = 5 * NS
REPORTS_CEASED_NS = 40 * NS
PAUSE_NS = 400_000_000  # a track silent for longer may have stopped its RTP clock
JUDGE_NS = NS  # how long a suspected pause is watched: a jam on the network dissolves
JUMP_NS = 2 * NS  # RTP time that is further off than this was set anew by the sender


def slewed(difference_ns: int, elapsed_ns: int) -> int:
    """The part of a difference that may be made up within the elapsed time."""
    most = max(0, elapsed_ns) // SLEW
    return max(-most, min(most, difference_ns))


def ns_between(first: int, second: int, rate: int) -> int:
    """Nanoseconds from one RTP timestamp to another, which way round is shorter (RFC 3550 §5.1)."""
    ticks = (second - first + 0x80000000 & 0xFFFFFFFF) - 0x80000000
    return ticks * NS // rate


class _Least:
    """The least value within a sliding window of time."""

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._kept: deque[tuple[int, int]] = deque()  # (time, value), both growing

    def add(self, at_ns: int, value: int) -> int:
        kept = self._kept
        while kept and kept[-1][1] >= value:
            kept.pop()
        kept.append((at_ns, value))
        while kept[0][0] < at_ns - self._window_ns:
            kept.popleft()
        return kept[0][1]

    def clear(self) -> None:
        self._kept.clear()


class SenderClock:
    """Where a sender's NTP clock lies on ours, from the sender reports of one connection.

    A report arrives late, never early, so the least difference within a minute is the best
    estimate.
    """

    def __init__(self) -> None:
        self._least = _Least(WINDOW_NS)
        self._offset: int | None = None  # our clock minus the sender's
        self._moved_ns = 0
        self._step: tuple[int, int] | None = None  # (when, offset) of a report nobody believed

    def wall_ns(self, ntp_ns: int, arrival_ns: int) -> int | None:
        """What our clock showed when the sender's showed ``ntp_ns``, by a report that came now.

        None when the report contradicts all before it; a second one like it is believed.
        """
        offset = arrival_ns - ntp_ns
        if self._offset is None:
            self._restart(offset, arrival_ns)
        elif abs(offset - self._offset) > DISTRUST_NS:
            if not self._stepped(offset, arrival_ns):
                return None
            self._restart(offset, arrival_ns)
        else:
            self._follow(offset, arrival_ns)
        return ntp_ns + (self._offset or 0)

    def _restart(self, offset: int, at_ns: int) -> None:
        self._least.clear()
        self._least.add(at_ns, offset)
        self._offset, self._moved_ns, self._step = offset, at_ns, None

    def _follow(self, offset: int, at_ns: int) -> None:
        best = self._least.add(at_ns, offset)
        current = self._offset or 0
        self._offset = current + slewed(best - current, at_ns - self._moved_ns)
        self._moved_ns, self._step = at_ns, None

    def _stepped(self, offset: int, at_ns: int) -> bool:
        if self._step is None or abs(self._step[1] - offset) > AGREE_NS:
            self._step = (at_ns, offset)
            return False
        return at_ns - self._step[0] >= CONFIRM_NS


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a track's clock map."""

    rtp: int  # 32 bits as on the wire
    wall_ns: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a packet came, and its RTP timestamp."""

    rtp: int
    at_ns: int


@dataclass(slots=True)
class _Pause:
    """A silence after which the RTP clock seems to have stood still."""

    before: Point  # the last packet of the time before
    rtp: int  # the first packet of the time after
    since_ns: int
    usual_ns: int  # lateness before
    first_ns: int  # lateness beyond that, at first
    least_ns: int  # and the least of it since


class TrackClock:
    """The clock map of one track.

    Give it every sender report (:meth:`report`), now and then the newest packet (:meth:`tick`)
    and the first packet after a silence (:meth:`resumed`); put the points it returns on the tape.
    Until the first point there is a line through the first packet, by arrival.
    """

    def __init__(self, rate: int, sender: SenderClock, first: Arrival) -> None:
        self._rate = rate  # Hz
        self._sender = sender
        self._began_ns = first.at_ns
        self._newest = first
        self._line = Point(first.rtp, first.at_ns)
        self._line_at_ns = first.at_ns  # when it was found
        self._placed = False  # whether the line is on tape
        self._reported_ns: int | None = None
        self._least_ns: int | None = None  # lateness of packets since the last guess
        self._pause: _Pause | None = None

    def place(self, point: Point, at_ns: int) -> None:
        """Begin with this point instead of the first packet's arrival."""
        self._line, self._line_at_ns, self._placed = point, at_ns, True

    def begin(self, rtp: int, ntp_ns: int) -> list[Point]:
        """A sender report that came before the first packet.

        A server may have kept it for us, so when it came says nothing, but the first packet is
        as good: by the report it has an NTP time, too.
        """
        first = self._newest
        first_ntp_ns = ntp_ns + ns_between(rtp, first.rtp, self._rate)
        wall_ns = self._sender.wall_ns(first_ntp_ns, first.at_ns)
        if wall_ns is None:
            return []
        return self._through(Point(first.rtp, wall_ns), first.at_ns)

    def report(self, rtp: int, ntp_ns: int, arrival_ns: int) -> list[Point]:
        """A sender report of this track (RFC 3550 §6.4.1)."""
        wall_ns = self._sender.wall_ns(ntp_ns, arrival_ns)
        if wall_ns is None:
            return []
        difference_ns = wall_ns - self.wall_ns(rtp)
        near = self._placed and abs(difference_ns) <= DISTRUST_NS
        if not near and not self._believable(rtp, wall_ns):
            return []
        self._reported_ns = arrival_ns
        if near:
            return self._bend(rtp, difference_ns, arrival_ns)
        if self._placed:
            return self._step(rtp, wall_ns, arrival_ns)
        return self._through(Point(rtp, wall_ns), arrival_ns)

    def tick(self, newest: Arrival, now_ns: int) -> list[Point]:
        """The newest packet of the track; call about four times a second."""
        fresh = newest != self._newest
        self._newest = newest
        if self._pause is not None:
            return self._judge(self._pause, now_ns)
        if fresh and self._without_reports(now_ns):
            return self._guess(newest, now_ns)
        return []

    def resumed(self, before: Arrival, first: Arrival) -> None:
        """A packet came after a silence, ``before`` is the last one before it.

        Either the network was jammed or the sender's RTP clock stood still meanwhile.  Which of
        both shows within a second: a jam dissolves.
        """
        self._newest = first
        usual = before.at_ns - self.wall_ns(before.rtp)
        excess = self.late_ns(first) - usual
        if excess > PAUSE_NS:
            point = Point(before.rtp, self.wall_ns(before.rtp))
            self._pause = _Pause(point, first.rtp, first.at_ns, usual, excess, excess)

    def continued(self, before: Arrival, first: Arrival) -> Point:
        """Where the line goes on when the sender set its RTP clock anew at ``first``."""
        return Point(first.rtp, self.wall_ns(before.rtp) + first.at_ns - before.at_ns)

    def late_ns(self, packet: Arrival) -> int:
        """How much later than its time by the line a packet came; negative: too early."""
        return packet.at_ns - self.wall_ns(packet.rtp)

    def wall_ns(self, rtp: int) -> int:
        """What the line says about an RTP timestamp."""
        return self._line.wall_ns + ns_between(self._line.rtp, rtp, self._rate)

    def _through(self, point: Point, at_ns: int) -> list[Point]:
        self.place(point, at_ns)
        self._least_ns = None
        return [point]

    def _bend(self, rtp: int, difference_ns: int, at_ns: int) -> list[Point]:
        wall_ns = self.wall_ns(rtp) + slewed(difference_ns, at_ns - self._line_at_ns)
        return self._through(Point(rtp, wall_ns), at_ns)

    def _step(self, rtp: int, wall_ns: int, at_ns: int) -> list[Point]:
        """Another line from the silence on, or from the next packet on.

        Two points beside each other, so that what lies before stays where it is.
        """
        newest = self._newest.rtp
        old, first = Point(newest, self.wall_ns(newest)), newest + 1 & 0xFFFFFFFF
        if self._pause is not None:
            old, first = self._pause.before, self._pause.rtp
        self._pause = None
        new = Point(first, wall_ns + ns_between(rtp, first, self._rate))
        return [old, *self._through(new, at_ns)]

    def _believable(self, rtp: int, wall_ns: int) -> bool:
        """Whether the newest packet came at about its time by this report."""
        by_report_ns = wall_ns + ns_between(rtp, self._newest.rtp, self._rate)
        late_ns = abs(self._newest.at_ns - by_report_ns)
        return late_ns < JUMP_NS and (not self._placed or late_ns < abs(self.late_ns(self._newest)))

    def _without_reports(self, now_ns: int) -> bool:
        if self._reported_ns is None:
            return True
        return now_ns - self._reported_ns > REPORTS_CEASED_NS

    def _guess(self, newest: Arrival, now_ns: int) -> list[Point]:
        """Without sender reports the packet with the least delay sets the line."""
        late = self.late_ns(newest)
        self._least_ns = late if self._least_ns is None else min(late, self._least_ns)
        if not self._placed:
            if now_ns - self._began_ns < FIRST_GUESS_NS:
                return []
            return self._through(
                Point(newest.rtp, self.wall_ns(newest.rtp) + self._least_ns), now_ns
            )
        if now_ns - self._line_at_ns < GUESS_EVERY_NS:
            return []
        return self._bend(newest.rtp, self._least_ns, now_ns)

    def _judge(self, pause: _Pause, now_ns: int) -> list[Point]:
        pause.least_ns = min(pause.least_ns, self.late_ns(self._newest) - pause.usual_ns)
        if now_ns - pause.since_ns < JUDGE_NS:
            return []
        if pause.least_ns * 5 < pause.first_ns * 4:
            self._pause = None
            return []
        return self._step(pause.rtp, self.wall_ns(pause.rtp) + pause.least_ns, now_ns)
