"""A straight line through a sender's reports, and the least of what came lately.  Pure."""

from collections import deque
from collections.abc import Sequence

from media.tape.model import NS

_FROM = 4  # points; before, a slope would be noise
# A slope is believed as far as the points' extent bears it out: 100 ppm if they are 3 ms off.
_STIFFNESS_S2 = 900.0
_STRAY = 3.0  # so many times the usual distance from the line: left out
_STRAY_NS = 5e6  # but never anything this near
_NEAREST_NS = 50_000_000  # no clock is so exact that less would be strange
_STRANGE = 4.0  # so many times the usual distance from the line: doubtful

_Row = tuple[float, float]  # seconds, ns; both from the newest point


class Least:
    """The least value within a sliding window of time."""

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._kept: deque[tuple[int, int]] = deque()  # (time, value), both growing

    def add(self, at_ns: int, value: int) -> int:
        """Take a value; returns the least."""
        kept = self._kept
        while kept and kept[-1][1] >= value:
            kept.pop()
        kept.append((at_ns, value))
        while kept[0][0] < at_ns - self._window_ns:
            kept.popleft()
        return kept[0][1]

    @property
    def value(self) -> int:
        """The least value; there must have been one."""
        return self._kept[0][1]

    def clear(self) -> None:
        """Begin anew."""
        self._kept.clear()


class Regression:
    """By how much one clock is ahead of another, as a straight line over the last readings.

    Least squares, held back from slopes that few or near readings cannot tell; single readings
    that are far from the line do not count.
    """

    def __init__(self, kept: int) -> None:
        self._rows: deque[tuple[int, int]] = deque(maxlen=kept)  # (time, ahead), ns
        self._level = 0.0  # of the line at the newest reading, from that one's value
        self._slope = 0.0  # ns per second
        self._noise_ns = 0.0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, at_ns: int, ahead_ns: int) -> None:
        """A reading: at this time of the first clock the second one was so much ahead."""
        self._rows.append((at_ns, ahead_ns))
        self._fit()

    def clear(self) -> None:
        """Begin anew."""
        self._rows.clear()

    def ahead_ns(self, at_ns: int) -> int:
        """What the line says about a time; there must be a reading."""
        newest_ns, ahead_ns = self._rows[-1]
        return ahead_ns + round(self._level + self._slope * ((at_ns - newest_ns) / NS))

    @property
    def slope_ppb(self) -> int:
        """How much faster the second clock runs, parts per 10^9."""
        return round(self._slope)

    @property
    def newest_ns(self) -> int:
        """Time of the newest reading; there must be one."""
        return self._rows[-1][0]

    @property
    def extent_ns(self) -> int:
        """Time from the oldest reading to the newest."""
        return self._rows[-1][0] - self._rows[0][0] if self._rows else 0

    @property
    def tolerance_ns(self) -> int:
        """What is further from the line than this contradicts it."""
        return max(_NEAREST_NS, int(_STRANGE * self._noise_ns))

    def _fit(self) -> None:
        newest_ns, ahead_ns = self._rows[-1]
        rows = [((at - newest_ns) / NS, float(ahead - ahead_ns)) for at, ahead in self._rows]
        self._level, self._slope = _line(rows)
        off = [abs(y - self._level - self._slope * x) for x, y in rows]
        self._noise_ns = sum(off) / len(off)
        most = max(_STRAY * self._noise_ns, _STRAY_NS)
        near = [row for row, distance in zip(rows, off, strict=True) if distance <= most]
        if len(near) < len(rows):
            self._level, self._slope = _line(near)


def _line(rows: Sequence[_Row]) -> tuple[float, float]:
    """Level at x = 0 and slope."""
    count = len(rows)
    middle_x = sum(x for x, _ in rows) / count
    middle_y = sum(y for _, y in rows) / count
    if count < _FROM:
        return middle_y, 0.0
    spread = sum((x - middle_x) ** 2 for x, _ in rows)
    slope = sum((x - middle_x) * (y - middle_y) for x, y in rows) / (spread + _STIFFNESS_S2)
    return middle_y - slope * middle_x, slope
