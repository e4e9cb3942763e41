"""From a track's RTP timestamps to wall-clock time, by the CLOCK points on the tape.

The map is linear between two points, and runs at the codec's clock rate before the first and
after the last.  Where RTP time and wall clock part by many seconds from one point to the next,
the sender set its RTP clock anew: there a new line begins.  Packets that no point explains (a
track without any, a reset after the last one) get a line through their least-delayed arrival.

All of it depends on the tape alone, not on where reading begins.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from media.tape.model import NS, TapeEvent
from media.tape.reorder import sequence_step, signed

SETTLE_NS = NS // 2  # a point moves no packet that came longer before it
RESET_NS = 12 * NS  # RTP time and wall clock part by more: not a pause, a reset
EARLY_NS = 2 * NS  # a packet so much before its time follows another line
LATE_NS = 10 * NS  # so much after its time: likewise; less is a jam on the network
UNEXPLAINED_LATE_NS = 2 * NS  # the same for lines made of arrival times
ANCHOR_NS = NS  # the least-delayed packet of so long a time makes a line

_RTP_BITS = 32
_NEAR_NS = 3600 * NS  # no RTP clock wraps within an hour


@dataclass(slots=True)
class _Line:
    """A stretch of RTP time without a reset: knots (unwrapped RTP time, wall clock).

    From each knot the line rises by ``ns`` per ``ticks`` to the next one.
    """

    rate: int
    begins_ns: int  # when its first knot became known
    late_ns: int
    rtp: list[int] = field(default_factory=list)
    wall: list[int] = field(default_factory=list)
    ns: list[int] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)

    def add(self, rtp: int, wall_ns: int) -> None:
        # A point on the line ends it there, and must not change it by the rounding of the point.
        on_line = bool(self.rtp) and rtp > self.rtp[0] and self.time_ns(rtp) == wall_ns
        # A point that reaches behind earlier ones knows better: it tells of a pause found later.
        while self.rtp and self.rtp[-1] >= rtp:
            for row in (self.rtp, self.wall, self.ns, self.ticks):
                row.pop()
        if self.rtp:
            wall_ns = max(wall_ns, self.wall[-1])
            if not on_line:
                self.ns[-1] = wall_ns - self.wall[-1]
                self.ticks[-1] = rtp - self.rtp[-1]
        self.rtp.append(rtp)
        self.wall.append(wall_ns)
        self.ns.append(NS)
        self.ticks.append(self.rate)

    def unwrap(self, timestamp: int, near_ns: int) -> int:
        """The running number of a 32-bit timestamp that belongs to about this time."""
        rtp = self.rtp[-1]
        elapsed_ns = near_ns - self.wall[-1]
        if not -_NEAR_NS < elapsed_ns < _NEAR_NS:
            rtp += elapsed_ns * self.rate // NS
        return rtp + ((timestamp - rtp + 0x80000000) & 0xFFFFFFFF) - 0x80000000

    def time_ns(self, rtp: int) -> int:
        i = bisect_right(self.rtp, rtp) - 1
        if i < 0:
            return self.wall[0] + (rtp - self.rtp[0]) * NS // self.rate
        return self.wall[i] + (rtp - self.rtp[i]) * self.ns[i] // self.ticks[i]

    def explains(self, late_ns: int) -> bool:
        return -EARLY_NS <= late_ns <= self.late_ns


@dataclass(slots=True)
class _Anchor:
    """A line in the making, from packets that nothing explains."""

    arrival_ns: int
    timestamp: int
    least_ns: int = 0  # arrival minus what the first packet's clock says

    def add(self, timestamp: int, arrival_ns: int, rate: int) -> None:
        ticks = signed(timestamp - self.timestamp, _RTP_BITS)
        delay_ns = arrival_ns - self.arrival_ns - ticks * NS // rate
        self.least_ns = min(self.least_ns, delay_ns)


class ClockMap:
    """The clock map of one track at one clock rate (Hz)."""

    def __init__(self, rate: int, points: Iterable[TapeEvent], added_ns: int) -> None:
        """``points`` are the track's CLOCK events in order; it was added at ``added_ns``."""
        self._rate = rate
        self._added_ns = added_ns
        self._lines: list[_Line] = []
        for point in points:
            self._add(point)
        self._starts = [line.begins_ns for line in self._lines]
        self._found: list[_Line] = []  # by learn()

    def _add(self, point: TapeEvent) -> None:
        if self._lines:
            line = self._lines[-1]
            rtp = line.unwrap(point.rtp, point.wall_ns)
            by_rtp_ns = (rtp - line.rtp[-1]) * NS // self._rate
            if abs(by_rtp_ns - (point.wall_ns - line.wall[-1])) <= RESET_NS:
                line.add(rtp, point.wall_ns)
                return
        else:
            rtp = self._first(point.rtp, point.wall_ns)
        line = _Line(self._rate, point.at_ns, LATE_NS)
        line.add(rtp, point.wall_ns)
        self._lines.append(line)

    def _first(self, timestamp: int, wall_ns: int) -> int:
        """Unwrap without a neighbour: near to the ticks since the track was added.

        Not near to zero, so that a tape whose first hours are trimmed gives the same numbers.
        """
        ticks = (wall_ns - self._added_ns) * self._rate // NS
        return ticks + signed(timestamp - ticks, _RTP_BITS)

    def locate(self, timestamp: int, arrival_ns: int) -> tuple[int, int] | None:
        """``(time_ns, unwrapped RTP time)`` of a packet; None if no line explains it."""
        if self._lines:
            i = max(0, bisect_right(self._starts, arrival_ns) - 1)
            line = self._lines[i]
            rtp = line.unwrap(timestamp, arrival_ns)
            time_ns = line.time_ns(rtp)
            if -EARLY_NS <= arrival_ns - time_ns <= LATE_NS:
                return time_ns, rtp
            if len(self._lines) > 1:
                nearest = self._nearest(i, timestamp, arrival_ns)
                if nearest is not None:
                    return nearest
        for line in self._found:
            if arrival_ns >= line.begins_ns:
                rtp = line.unwrap(timestamp, arrival_ns)
                time_ns = line.time_ns(rtp)
                if line.explains(arrival_ns - time_ns):
                    return time_ns, rtp
        return None

    def _nearest(self, i: int, timestamp: int, arrival_ns: int) -> tuple[int, int] | None:
        """Around a reset: the neighbouring line on which the packet is least off."""
        best: tuple[int, tuple[int, int]] | None = None
        for line in self._lines[max(0, i - 1) : i + 2]:
            rtp = line.unwrap(timestamp, arrival_ns)
            time_ns = line.time_ns(rtp)
            off_ns = abs(arrival_ns - time_ns)
            if line.explains(arrival_ns - time_ns) and (best is None or off_ns < best[0]):
                best = off_ns, (time_ns, rtp)
        return None if best is None else best[1]

    def learn(self, packets: Iterable[tuple[int, int, int]], horizon_ns: int) -> None:
        """Find lines that begin before ``horizon_ns`` for what the points do not explain.

        ``packets`` are ``(arrival_ns, sequence number, timestamp)`` of the whole track from the
        tape's beginning until ANCHOR_NS after the horizon, in the order of arrival.  Only packets
        in sequence begin a line; a straggler is just late.
        """
        self._found.clear()
        anchor: _Anchor | None = None
        highest: int | None = None
        for arrival_ns, seq, timestamp in packets:
            if anchor is not None:
                if arrival_ns - anchor.arrival_ns < ANCHOR_NS:
                    anchor.add(timestamp, arrival_ns, self._rate)
                    continue
                self._found.append(self._line(anchor))
                anchor, highest = None, None
            step = 1 if highest is None else sequence_step(seq - highest)
            if step <= 0:
                continue
            highest = seq
            if arrival_ns < horizon_ns and self.locate(timestamp, arrival_ns) is None:
                anchor = _Anchor(arrival_ns, timestamp)
        if anchor is not None:
            self._found.append(self._line(anchor))

    def _line(self, anchor: _Anchor) -> _Line:
        wall_ns = anchor.arrival_ns + anchor.least_ns
        lines = [*self._lines, *self._found]
        if lines:
            rtp = lines[-1].unwrap(anchor.timestamp, wall_ns)
        else:
            rtp = self._first(anchor.timestamp, wall_ns)
        line = _Line(self._rate, anchor.arrival_ns, UNEXPLAINED_LATE_NS)
        line.add(rtp, wall_ns)
        return line
