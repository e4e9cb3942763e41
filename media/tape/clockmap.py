"""From a track's RTP timestamps to wall-clock time, by the CLOCK points on the tape.

The map is linear between two points, and runs at the codec's clock rate before the first and
after the last.  Where RTP time and wall clock part by many seconds from one point to the next,
the sender set its RTP clock anew: there a new line begins.  Packets that no point explains (a
track without any, a reset after the last one) get a line through their least-delayed arrival.

All of it depends on the tape alone, not on where reading begins.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from media.tape.line import Line
from media.tape.model import NS, TapeEvent
from media.tape.reorder import sequence_step, signed

SETTLE_NS = NS // 2  # a point moves no packet that came longer before it
EARLY_NS = 2 * NS  # a packet so much before its time follows another line
LATE_NS = 10 * NS  # so much after its time: likewise; less is a jam on the network
UNEXPLAINED_LATE_NS = 2 * NS  # the same for lines made of arrival times
ANCHOR_NS = NS  # the least-delayed packet of so long a time makes a line

_RTP_BITS = 32


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A line, and which packets it explains."""

    line: Line
    begins_ns: int  # when its first knot became known
    late_ns: int

    def place(self, timestamp: int, arrival_ns: int) -> tuple[int, int]:
        """``(time_ns, unwrapped RTP time)`` by this line."""
        rtp = self.line.unwrap(timestamp, arrival_ns)
        return self.line.time_ns(rtp), rtp

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
        self._stretches: list[_Stretch] = []
        for point in points:
            self._add(point)
        self._starts = [each.begins_ns for each in self._stretches]
        self._found: list[_Stretch] = []  # by learn()

    def _add(self, point: TapeEvent) -> None:
        if self._stretches:
            line = self._stretches[-1].line
            rtp = line.unwrap(point.rtp, point.wall_ns)
            if line.reaches(rtp, point.wall_ns):
                line.add(rtp, point.wall_ns)
                return
        else:
            rtp = self._first(point.rtp, point.wall_ns)
        line = Line(self._rate, rtp, point.wall_ns)
        self._stretches.append(_Stretch(line, point.at_ns, LATE_NS))

    def _first(self, timestamp: int, wall_ns: int) -> int:
        """Unwrap without a neighbour: near to the ticks since the track was added.

        Not near to zero, so that a tape whose first hours are trimmed gives the same numbers.
        """
        ticks = (wall_ns - self._added_ns) * self._rate // NS
        return ticks + signed(timestamp - ticks, _RTP_BITS)

    def locate(self, timestamp: int, arrival_ns: int) -> tuple[int, int] | None:
        """``(time_ns, unwrapped RTP time)`` of a packet; None if no line explains it."""
        if self._stretches:
            i = max(0, bisect_right(self._starts, arrival_ns) - 1)
            # As in _Stretch.place: this is done for every packet.
            line = self._stretches[i].line
            rtp = line.unwrap(timestamp, arrival_ns)
            time_ns = line.time_ns(rtp)
            if -EARLY_NS <= arrival_ns - time_ns <= LATE_NS:
                return time_ns, rtp
            if len(self._stretches) > 1:
                nearest = self._nearest(i, timestamp, arrival_ns)
                if nearest is not None:
                    return nearest
        for each in self._found:
            if arrival_ns >= each.begins_ns:
                place = each.place(timestamp, arrival_ns)
                if each.explains(arrival_ns - place[0]):
                    return place
        return None

    def _nearest(self, i: int, timestamp: int, arrival_ns: int) -> tuple[int, int] | None:
        """Around a reset: the neighbouring line on which the packet is least off."""
        best: tuple[int, tuple[int, int]] | None = None
        for each in self._stretches[max(0, i - 1) : i + 2]:
            if each.begins_ns >= arrival_ns + SETTLE_NS:
                continue  # a cut made at once does not know of it
            place = each.place(timestamp, arrival_ns)
            off_ns = abs(arrival_ns - place[0])
            if each.explains(arrival_ns - place[0]) and (best is None or off_ns < best[0]):
                best = off_ns, place
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

    def _line(self, anchor: _Anchor) -> _Stretch:
        wall_ns = anchor.arrival_ns + anchor.least_ns
        known = [*self._stretches, *self._found]
        if known:
            rtp = known[-1].line.unwrap(anchor.timestamp, wall_ns)
        else:
            rtp = self._first(anchor.timestamp, wall_ns)
        line = Line(self._rate, rtp, wall_ns)
        return _Stretch(line, anchor.arrival_ns, UNEXPLAINED_LATE_NS)
