"""When black pictures do not count: around the moment at which a camera is switched off.

A browser sends black from then on, and the media server withholds it as soon as it hears of the
mute.  What comes in between is not the last picture that a region goes on showing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from media.cut.lines import Line
from media.cut.pauses import pauses
from media.tape.model import NS, Frame
from media.tape.reader import Tape

Range = tuple[int, int]  # [from, until), Unix nanoseconds

_BEFORE_NS = NS // 2  # the news of a mute come so much after it, at most
_AFTER_NS = 3 * NS // 2  # from then on who sends black is meant to be black


@dataclass(frozen=True, slots=True)
class Darkness:
    """The dark times of each line."""

    ranges: Mapping[Line, Sequence[Range]]

    def of(self, line: Line) -> Sequence[Range]:
        """In order."""
        return self.ranges.get(line, ())

    def since(self, line: Line, at_ns: int) -> int | None:
        """Where the dark time begins that a moment lies in; None if it lies in none."""
        return next((a for a, b in self.of(line) if a <= at_ns < b), None)

    def begins(self, frame: Frame) -> bool:
        """Whether it is a key frame that surely has a picture to begin with."""
        return frame.keyframe and self.since(Line.of(frame.track), frame.time_ns) is None


def darkness(tape: Tape, lines: Iterable[Line], until_ns: int) -> Darkness:
    """The dark times that begin before ``until_ns``, as news that come later tell."""
    events, before = tape.events(0, until_ns + _BEFORE_NS), tape.roster(0)
    return Darkness(
        {
            line: [
                (pause.start_ns - _BEFORE_NS, min(pause.start_ns + _AFTER_NS, pause.end_ns))
                for pause in pauses(line, before, events).pauses
                if pause.muted
            ]
            for line in lines
        }
    )
