"""What one unit of individual cuts leaves for the next: plain JSON, one row per line."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from media.cut.lines import Line
from media.tape.model import Frame, Source

_RTP_MASK, _RTP_HALF = 0xFFFFFFFF, 0x80000000


@dataclass(frozen=True, slots=True)
class Mark:
    """The last frame that is in a finished segment.

    By RTP time, because the clock map gets better with every sender report: the same packet may
    have a slightly other wall-clock time in the next unit.
    """

    track: str
    rtp: int  # 32 bits, as on the wire
    time_ns: int

    @classmethod
    def of(cls, frame: Frame) -> "Mark":
        """The mark behind a frame."""
        return cls(frame.track.id, frame.rtp_time & _RTP_MASK, frame.time_ns)

    def passed(self, frame: Frame) -> bool:
        """Whether a frame comes after the mark."""
        if frame.track.id != self.track:
            return frame.time_ns > self.time_ns
        return 0 < (frame.rtp_time - self.rtp) & _RTP_MASK < _RTP_HALF


@dataclass(frozen=True, slots=True)
class LineState:
    """Where a line stands between two units."""

    start_ns: int | None = None  # of the open segment
    discontinuity: bool = True  # of the open segment
    resumed: bool = True
    forced: bool = False  # the open segment does not begin with a key frame
    width: int = 0  # of its picture, pixels
    height: int = 0
    mark: Mark | None = None  # copied lines: everything up to here is done
    frame: int | None = None  # AAC lines: first grid frame of the open segment
    done: int | None = None  # AAC lines: grid frames before this one are done


def load(cursor: Mapping[str, Any]) -> dict[Line, LineState]:
    """The states by line; an empty cursor is the start of a recording."""
    states = {}
    for row in cursor.get("lines", ()):
        fields = dict(row["state"])
        if fields["mark"] is not None:
            fields["mark"] = Mark(**fields["mark"])
        states[Line(row["uid"], Source(row["source"]))] = LineState(**fields)
    return states


def dump(states: Iterable[tuple[Line, LineState]]) -> dict[str, Any]:
    """The inverse of :func:`load`."""
    rows = sorted(states, key=lambda row: row[0])
    return {
        "lines": [
            {"uid": line.uid, "source": line.source.value, "state": asdict(state)}
            for line, state in rows
        ]
    }
