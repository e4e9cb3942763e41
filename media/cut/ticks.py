"""Which source picture is shown at which tick of the canvas: pure arithmetic on times.

Tick ``n`` of the canvas lies at ``origin + n / fps``.  "The nearest picture" would do if cameras
were exact.  They are not: when pictures fall half-way between ticks, a little jitter makes
nearest repeat one and skip the next.  So each source gets a bias, the usual distance of its
pictures from the ticks, which follows slowly; a picture belongs to the first tick that is not
more than half a period before its time less the bias.  A source of the canvas' own rate then
shows each picture once as long as its jitter stays under half a period.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from media.tape.model import NS

LEAD_NS = 3 * NS  # times before a slice that settle the bias
_PAUSE_NS = NS // 2  # after a longer pause a source starts with a bias of its own
_FOLLOW = 1 / 16  # share of each picture's distance that moves the bias
_FLIP = 0.6  # of a period: from here a drifting source repeats or skips one picture
_SETTLE = 15  # pictures that give the first bias
_LOCKED = 0.5  # concentration of phases from which a bias means something


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
        period = min(_interval(run, NS / grid.fps), NS / grid.fps)
        bias = _first_bias(run[:_SETTLE], grid, period)
        for time_ns in run:
            tick, bias = _step(time_ns, bias, period, grid)
            ticks.append(max(tick, ticks[-1]) if ticks else tick)
    return ticks


def _runs(times_ns: Sequence[int]) -> list[tuple[int, int]]:
    pauses = [i for i in range(1, len(times_ns)) if times_ns[i] - times_ns[i - 1] > _PAUSE_NS]
    edges = [0, *pauses, len(times_ns)]
    return [(a, b) for a, b in itertools.pairwise(edges) if a < b]


def _interval(run: Sequence[int], otherwise: float) -> float:
    steps = sorted(b - a for a, b in itertools.pairwise(run) if b > a)
    return steps[len(steps) // 2] if steps else otherwise


def _first_bias(run: Sequence[int], grid: TickGrid, period: float) -> float:
    """The circular mean of the pictures' phases; 0 if they have no phase in common."""
    turns = [((t - grid.origin_ns) % (NS / grid.fps)) / period * math.tau for t in run]
    x = sum(map(math.cos, turns)) / len(turns)
    y = sum(map(math.sin, turns)) / len(turns)
    return math.atan2(y, x) / math.tau * period if math.hypot(x, y) > _LOCKED else 0.0


def _step(time_ns: int, bias: float, period: float, grid: TickGrid) -> tuple[int, float]:
    """The tick of one picture, and the bias after it."""
    tick = grid.first_at(math.ceil(time_ns - bias - period / 2))
    error = _wrapped(time_ns - grid.at(tick) - bias, period)
    bias += error * _FOLLOW
    if abs(bias) > _FLIP * period:
        bias -= math.copysign(period, bias)
    return tick, bias


def _wrapped(distance: float, period: float) -> float:
    return (distance + period / 2) % period - period / 2
