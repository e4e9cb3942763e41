"""Unix time that never jumps: what packets and events on a tape are stamped with.

The host's wall clock is set now and then, by an operator or by NTP, and a recording in which time
leaps an hour or runs backwards is lost.  So this clock is the host's uptime (a suspended host's
included) plus what the wall clock said at first.  It follows the wall clock by 100 ppm at most:
as if it drifted as the clocks of senders do, which a clock map makes up for.
"""

import time
from collections.abc import Callable

_SLEW_PPM = 100
_LOOK_EVERY_NS = 1_000_000_000
_LOOKS = 3
_UNDISTURBED_NS = 200_000


def _uptime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class SteadyClock:
    """One such clock; its methods may be called from any thread."""

    def __init__(
        self, uptime: Callable[[], int] = _uptime_ns, wall: Callable[[], int] = time.time_ns
    ) -> None:
        """``uptime`` and ``wall`` give nanoseconds."""
        self._uptime, self._wall = uptime, wall
        self._look_at_ns = 0
        self.align()

    def now_ns(self) -> int:
        """Unix nanoseconds; grows always."""
        up_ns = self._uptime()
        if up_ns >= self._look_at_ns:
            self._look(up_ns)
        return self._at(up_ns)

    def of_wall(self, wall_ns: int) -> int:
        """What this clock shows or showed when the wall clock shows ``wall_ns``.

        For times that another process stamped a short while ago, by a clock that was set alike.
        """
        return wall_ns + self.ahead_ns()

    def ahead_ns(self) -> int:
        """What this clock shows minus what the wall clock shows."""
        for _ in range(_LOOKS):  # until one was not interrupted
            before_ns, wall_ns, after_ns = self.now_ns(), self._wall(), self.now_ns()
            if after_ns - before_ns < _UNDISTURBED_NS:
                break
        return before_ns - wall_ns

    def align(self, not_before_ns: int = 0) -> None:
        """Begin anew with the wall clock's time: a jump, for when nobody is recording.

        It never shows less than ``not_before_ns``.
        """
        # Of three pairs the one that was read without being interrupted.
        pairs = [(self._uptime(), self._wall(), self._uptime()) for _ in range(_LOOKS)]
        up_ns, wall_ns, _ = min(pairs, key=lambda pair: pair[2] - pair[0])
        self._line = up_ns, max(wall_ns, not_before_ns), 0
        self._look_at_ns = up_ns + _LOOK_EVERY_NS

    def _at(self, up_ns: int) -> int:
        # A tuple, so that threads see all of a line or nothing.
        from_ns, at_ns, slew_ppm = self._line
        passed_ns = up_ns - from_ns
        return at_ns + passed_ns + min(passed_ns, _LOOK_EVERY_NS) * slew_ppm // 1_000_000

    def _look(self, up_ns: int) -> None:
        """Set the course towards the wall clock, so as not to get beyond it."""
        now_ns = self._at(up_ns)
        off_ns = self._wall() - now_ns
        most = off_ns * 1_000_000 // _LOOK_EVERY_NS
        self._line = up_ns, now_ns, max(-_SLEW_PPM, min(_SLEW_PPM, most))
        self._look_at_ns = up_ns + _LOOK_EVERY_NS


_CLOCK = SteadyClock()
now_ns = _CLOCK.now_ns
of_wall = _CLOCK.of_wall
ahead_ns = _CLOCK.ahead_ns
align = _CLOCK.align
