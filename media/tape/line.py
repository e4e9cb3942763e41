"""A line from RTP time to the wall clock, as cutters draw it through CLOCK points.

The recorder draws the same line with the same code: so it knows to the nanosecond what a cut
made of its points says, and which points move nothing.
"""

from bisect import bisect_right

from media.tape.model import NS

RESET_NS = 12 * NS  # RTP time and wall clock part by more: not a pause, a reset
_NEAR_NS = 3600 * NS  # no RTP clock wraps within an hour


class Line:
    """A stretch of RTP time without a reset: knots (unwrapped RTP time, wall clock).

    Before the first knot and after the last one it runs at the clock rate (Hz).
    """

    __slots__ = ("_ns", "_rtp", "_ticks", "_wall", "rate")

    def __init__(self, rate: int, rtp: int, wall_ns: int) -> None:
        self.rate = rate
        self._rtp, self._wall = [rtp], [wall_ns]
        self._ns, self._ticks = [NS], [rate]  # from each knot it rises by ``ns`` per ``ticks``

    @property
    def end(self) -> int:
        """RTP time of the last knot."""
        return self._rtp[-1]

    def reaches(self, rtp: int, wall_ns: int) -> bool:
        """Whether a point may be one of this line's: else RTP time was set anew before it."""
        by_rtp_ns = (rtp - self._rtp[-1]) * NS // self.rate
        return abs(by_rtp_ns - (wall_ns - self._wall[-1])) <= RESET_NS

    def add(self, rtp: int, wall_ns: int) -> None:
        """Go through this point, and forget what was known of later RTP times.

        A point that reaches behind earlier ones knows better: it tells of a pause found later.
        Time does not run backwards, whatever the point says.
        """
        # A point on the line ends it there, and must not change it by the rounding of the point.
        on_line = rtp > self._rtp[0] and self.time_ns(rtp) == wall_ns
        while self._rtp and self._rtp[-1] >= rtp:
            for row in (self._rtp, self._wall, self._ns, self._ticks):
                row.pop()
        if self._rtp:
            wall_ns = max(wall_ns, self._wall[-1])
            if not on_line:
                self._ns[-1] = wall_ns - self._wall[-1]
                self._ticks[-1] = rtp - self._rtp[-1]
        self._rtp.append(rtp)
        self._wall.append(wall_ns)
        self._ns.append(NS)
        self._ticks.append(self.rate)

    def forget(self, knots: int) -> None:
        """Keep only so many knots, the last ones."""
        for row in (self._rtp, self._wall, self._ns, self._ticks):
            del row[:-knots]

    def unwrap(self, timestamp: int, near_ns: int) -> int:
        """The running number of a 32-bit timestamp that belongs to about this time."""
        rtp = self._rtp[-1]
        elapsed_ns = near_ns - self._wall[-1]
        if not -_NEAR_NS < elapsed_ns < _NEAR_NS:
            rtp += elapsed_ns * self.rate // NS
        return rtp + ((timestamp - rtp + 0x80000000) & 0xFFFFFFFF) - 0x80000000

    def time_ns(self, rtp: int) -> int:
        """Wall clock of an RTP time."""
        i = bisect_right(self._rtp, rtp) - 1
        if i < 0:
            return self._wall[0] + (rtp - self._rtp[0]) * NS // self.rate
        return self._wall[i] + (rtp - self._rtp[i]) * self._ns[i] // self._ticks[i]
