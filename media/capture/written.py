"""What the tape says of a track's time so far, and what may still be said."""

from typing import NamedTuple

from media.tape.line import Line
from media.tape.model import NS

ORDER_NS = NS // 2  # RTP time by which any packet may be ahead of the newest in sequence
_KNOTS = 8


class Point(NamedTuple):
    """One point of a track's clock map."""

    rtp: int  # 32 bits as on the wire
    wall_ns: int


class WrittenLine:
    """The line through the points that were written.  RTP time is counted from a first packet.

    What :meth:`go_on` writes lies beyond all packets that were heard of, or on the line: none of
    them is moved, whatever is asked for.
    """

    def __init__(self, rate: int, first_rtp: int, wall_ns: int) -> None:
        self._rate, self._first_rtp = rate, first_rtp
        self._order = ORDER_NS * rate // NS
        self._line = Line(rate, 0, wall_ns)
        self.heard = -self._order  # RTP time of the packet furthest ahead

    @property
    def end(self) -> int:
        """RTP time up to which it is written; then it runs on at the clock rate."""
        return self._line.end

    @property
    def free(self) -> int:
        """Nothing beyond this RTP time has come, out of sequence neither."""
        return self.heard + self._order

    def hear(self, ticks: int) -> None:
        """A packet of this RTP time came, and keeps its place."""
        self.heard = max(self.heard, ticks)

    def wall_ns(self, ticks: int) -> int:
        """What it says about an RTP time."""
        return self._line.time_ns(ticks)

    def begin(self, ticks: int, wall_ns: int) -> Point:
        """Begin with this point; nothing that was written before counts."""
        self._line = Line(self._rate, ticks, wall_ns)
        return self._point(ticks, wall_ns)

    def go_on(self, after: int, ticks: int, wall_ns: int) -> list[Point]:
        """To this point, and up to RTP time ``after`` as it is."""
        after = max(after, self.heard)
        points = []
        if after != self.end:
            points.append(self._add(after, self.wall_ns(after)))
        points.append(self._add(max(ticks, after + 1), wall_ns))
        return points

    def _add(self, ticks: int, wall_ns: int) -> Point:
        if self._line.reaches(ticks, wall_ns):
            self._line.add(ticks, wall_ns)
            self._line.forget(_KNOTS)
        else:
            self._line = Line(self._rate, ticks, wall_ns)
        return self._point(ticks, wall_ns)

    def _point(self, ticks: int, wall_ns: int) -> Point:
        return Point(self._first_rtp + ticks & 0xFFFFFFFF, wall_ns)
