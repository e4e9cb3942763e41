"""Where each audio packet lies on the recording's 48 kHz sample grid.

The sender's sample clock counts exactly but drifts against the wall clock; the wall clock of a
packet does not drift but jitters.  So the place of a packet is its RTP timestamp plus the
difference of both clocks, smoothed by the median over a second.  Each second's median is taken
on a grid of seconds from the recording's start, so a packet lies on the same sample whichever
slice asks: slices made apart join without a click.
"""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from media.cut import opus
from media.cut.sound_packet import position, samples
from media.tape.model import NS, Frame

LEAD_NS = 4 * NS  # a slice must see the packets this long before it to place its own
_JUMP_NS = 100_000_000  # clocks that part by more than this were reset, not drifting
_HOLE_NS = NS  # after a pause of this length the history counts no more
_HEAD = 10  # packets whose median stands in while there is no second of history


class Placed(NamedTuple):
    """A packet with the grid samples ``[start, start + length)`` that it fills."""

    frame: Frame
    start: int  # samples from the recording's origin
    length: int  # differs from the packet's own by the drift of the sender's clock
    joined: bool  # follows the packet before it without a hole
    gap: int = 0  # samples between the packet before it and this one, by the sender's clock


_Row = tuple[Frame, int, int]  # a packet, its RTP time and its length, both at 48 kHz


def place(frames: Sequence[Frame], origin_ns: int) -> list[Placed]:
    """Lay the packets of one track, in order of their RTP time, on the grid."""
    placed: list[Placed] = []
    rows = [(frame, position(frame), length) for frame in frames if (length := samples(frame))]
    for run in _runs(rows):
        placed += _place_run(run, origin_ns)
    return placed


def _runs(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Stretches without long pauses, in which RTP time and wall clock go together."""
    run: list[_Row] = []
    for row in rows:
        if run and _parted(run[-1], row):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _parted(before: _Row, after: _Row) -> bool:
    by_wall = after[0].time_ns - before[0].time_ns
    by_rtp = (after[1] - before[1]) * NS // opus.RATE
    return by_wall >= _HOLE_NS or abs(by_wall - by_rtp) > _JUMP_NS


def _place_run(run: Sequence[_Row], origin_ns: int) -> list[Placed]:
    offset = _Offset(run, origin_ns)
    starts = [rtp + offset.at(frame.time_ns) for frame, rtp, _ in run]
    placed = []
    end = None
    for i, (frame, rtp, own) in enumerate(run):
        gap = 0 if end is None else max(0, rtp - end)
        joined, end, length = rtp == end, rtp + own, own
        if i + 1 < len(run) and run[i + 1][1] == end:
            length = max(1, starts[i + 1] - starts[i])
        placed.append(Placed(frame, starts[i], length, joined, gap))
    return placed


class _Offset:
    """Grid position minus RTP time of one run, over time."""

    def __init__(self, run: Sequence[_Row], origin_ns: int) -> None:
        self._origin_ns = origin_ns
        seconds: dict[int, list[int]] = {}
        for row in run:
            second = (row[0].time_ns - origin_ns) // NS
            seconds.setdefault(second, []).append(self._raw(row))
        # knots[g]: the median over the second before g, known at time g.
        self._knots = {second + 1: median(raws) for second, raws in seconds.items()}
        self._head = median(self._raw(row) for row in run[:_HEAD])

    def _raw(self, row: _Row) -> int:
        return (row[0].time_ns - self._origin_ns) * opus.RATE // NS - row[1]

    def at(self, time_ns: int) -> int:
        """The difference to add to an RTP time, in samples."""
        since = time_ns - self._origin_ns
        second, part = since // NS, since % NS / NS
        before = self._knots.get(second - 1, self._head)
        after = self._knots.get(second, before)
        return round(before + (after - before) * part)
