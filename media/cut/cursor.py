"""What one unit of individual cuts leaves for the next: plain JSON, one row per line."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
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
    """Where a line of segments stands between two units.

    One of WebM stretches is something else: :class:`media.cut.continuity.LineState`.
    """

    start_ns: int | None = None  # of the open segment
    discontinuity: bool = True  # of the open segment
    resumed: bool = True
    forced: bool = False  # the open segment does not begin with a key frame
    width: int = 0  # of its picture, pixels
    height: int = 0
    rotation: int = 0  # of its first picture, see Frame.rotation
    mark: Mark | None = None  # copied lines: everything up to here is done
    frame: int | None = None  # AAC lines: first grid frame of the open segment
    done: int | None = None  # AAC lines: grid frames before this one are done


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a recording stands between two units."""

    lines: Mapping[Line, LineState] = field(default_factory=dict)
    copies: Mapping[Line, LineState] = field(default_factory=dict)  # of sound, beside its AAC
    cameras: Mapping[str, str] = field(default_factory=dict)  # Codec.key last seen, by uid


def load(cursor: Mapping[str, Any]) -> Cursor:
    """The states by line; an empty cursor is the start of a recording."""
    return Cursor(
        _states(cursor.get("lines", ())),
        _states(cursor.get("copies", ())),
        dict(cursor.get("cameras", {})),
    )


def dump(cursor: Cursor) -> dict[str, Any]:
    """The inverse of :func:`load`."""
    rows: dict[str, Any] = {"lines": _rows(cursor.lines)}
    if cursor.copies:
        rows["copies"] = _rows(cursor.copies)
    if cursor.cameras:
        rows["cameras"] = dict(sorted(cursor.cameras.items()))
    return rows


def line_state(row: Mapping[str, Any]) -> LineState:
    """One state out of the dictionary that it was made into."""
    fields = dict(row)
    if fields["mark"] is not None:
        fields["mark"] = Mark(**fields["mark"])
    return LineState(**fields)


def _states(rows: Iterable[Mapping[str, Any]]) -> dict[Line, LineState]:
    return {Line(row["uid"], Source(row["source"])): line_state(row["state"]) for row in rows}


def _rows(states: Mapping[Line, LineState]) -> list[dict[str, Any]]:
    return [
        {"uid": line.uid, "source": line.source.value, "state": asdict(state)}
        for line, state in sorted(states.items())
    ]
