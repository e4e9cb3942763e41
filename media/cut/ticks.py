"""Which source picture is shown at which tick of the canvas: pure arithmetic on times.

Tick ``n`` of the canvas lies at ``origin + n / fps``.  "The nearest picture" would do if cameras
were exact.  They are not: when pictures fall half-way between ticks, a little jitter makes
nearest repeat one and skip the next.  So each source gets a bias, the usual distance of its
pictures from the ticks, which follows slowly; a picture belongs to the first tick that is not
more than half a period before its time less the bias.  A source of the canvas' own rate then
shows each picture once as long as its jitter stays under half a period.

The bias is known on a grid of seconds from the recording's start, each from the few seconds
before it: slices cut apart use the same one around their seam.
"""

import cmath
import itertools
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from media.tape.model import NS

LEAD_NS = 5 * NS  # times before a slice that settle the bias
_WINDOW = 4  # seconds that give a bias
_PAUSE_NS = NS // 2  # after a longer pause a source starts with a bias of its own
_LOCKED = 0.15  # concentration of phases from which a bias means something
_WHOLE = 0.05  # so near a whole number of pictures to a tick is one
# Of a source that is off by half a period it is chance whether it is early or late.  There may be
# many at exactly a half and few right beside it; in periods, the middle of where biases begin.
_MIDDLE = -0.04
_FLIP = 0.6  # of a period from the middle: from here a drifting source repeats or skips a picture


@dataclass(frozen=True, slots=True)
class TickGrid:
    """The moments at which the canvas is drawn."""

    origin_ns: int
    fps: int

    def first_at(self, at_ns: int) -> int:
        """The first tick at or after a time."""
        return -(-(at_ns - self.origin_ns) * self.fps // NS)

    def at(self, tick: int) -> int:
        """The time of a tick, Unix nanoseconds."""
        return self.origin_ns + tick * NS // self.fps


def first_ticks(times_ns: Sequence[int], grid: TickGrid) -> list[int]:
    """For each picture the tick from which it is shown, until the next one's.

    Pictures that share a tick with their successor are never shown.
    """
    ticks: list[int] = []
    for begin, end in _runs(times_ns):
        run = times_ns[begin:end]
        period = _period(run, grid)
        bias = _Bias(run, period, grid)
        for time_ns in run:
            tick = grid.first_at(math.ceil(time_ns - bias.at(time_ns) - period / 2))
            ticks.append(max(tick, ticks[-1]) if ticks else tick)
    return ticks


def _runs(times_ns: Sequence[int]) -> list[tuple[int, int]]:
    pauses = [i for i in range(1, len(times_ns)) if times_ns[i] - times_ns[i - 1] > _PAUSE_NS]
    edges = [0, *pauses, len(times_ns)]
    return [(a, b) for a, b in itertools.pairwise(edges) if a < b]


def _period(run: Sequence[int], grid: TickGrid) -> float:
    """The usual time between pictures, at most a tick; near a whole part of a tick that part."""
    tick = NS / grid.fps
    steps = sorted(b - a for a, b in itertools.pairwise(run) if b > a)
    if not steps or steps[len(steps) // 2] >= tick:
        return tick
    step = steps[len(steps) // 2]
    parts = tick / step
    return tick / round(parts) if abs(parts / round(parts) - 1) <= _WHOLE else step


class _Bias:
    """The usual distance of one run's pictures from the ticks, over time; nanoseconds."""

    def __init__(self, run: Sequence[int], period: float, grid: TickGrid) -> None:
        self._origin_ns = grid.origin_ns
        self._first = (run[0] - grid.origin_ns) // NS
        last = (run[-1] - grid.origin_ns) // NS
        turns = self._turns(run, period, grid)
        seconds = range(self._first, last + 1)
        edges = [bisect_left(run, grid.origin_ns + s * NS) for s in [*seconds, last + 1]]
        sums = [sum(turns[a:b]) for a, b in itertools.pairwise(edges)]
        counts = [b - a for a, b in itertools.pairwise(edges)]
        means = []
        for i in range(1, len(seconds) + 1):
            window = slice(max(0, i - _WINDOW), i)
            means.append(sum(sums[window]) / max(1, sum(counts[window])))
        self._period = period
        self._knots = _unwrapped(means, period)

    def _turns(self, run: Sequence[int], period: float, grid: TickGrid) -> list[complex]:
        tick = NS / grid.fps
        return [cmath.rect(1, ((t - grid.origin_ns) % tick) / period * math.tau) for t in run]

    def at(self, time_ns: int) -> float:
        """Between what was known a second ago and what is known at the second's beginning."""
        since_ns = time_ns - self._origin_ns
        i = since_ns // NS - self._first
        before, after = self._knots[max(0, i - 2)], self._knots[max(0, i - 1)]
        step = _wrapped(after - before, self._period)  # a repeat or a skip happens at once
        return after - step * (1 - since_ns % NS / NS)


def _unwrapped(means: Sequence[complex], period: float) -> list[float]:
    """The biases of mean phases; each is the nearest to the one before it that its phase allows.

    The first one that knows a whole window decides how far off the source is.  A source without a
    phase, as its rate does not go with the canvas', has no bias.
    """
    settled = min(_WINDOW, len(means)) - 1
    knots: list[float] = []
    angle = cmath.phase(means[settled]) / math.tau
    bias = _MIDDLE + _wrapped(angle - _MIDDLE, 1.0)
    for i, mean in enumerate(means):
        if abs(mean) <= _LOCKED:
            bias = 0.0
        else:
            bias += _wrapped(cmath.phase(mean) / math.tau - bias, 1.0)
            if i > settled and abs(bias - _MIDDLE) > _FLIP:
                bias -= math.copysign(1.0, bias - _MIDDLE)
        knots.append(bias * period)
    return knots


def _wrapped(distance: float, period: float) -> float:
    return distance - period * round(distance / period)
