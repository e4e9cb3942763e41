"""Where a line's stretches begin and end, for :mod:`media.cut.stretches`: decisions, no files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from media.cut import sound_packet
from media.cut.copying import GAP_NS, end_of
from media.cut.cursor import Mark
from media.cut.lines import Line
from media.cut.pauses import Pauses
from media.cut.picture import decodable
from media.tape.model import NS, Frame, Kind, Source

_CODECS = {Kind.AUDIO: frozenset(("opus",)), Kind.VIDEO: frozenset(("vp8", "vp9", "av1"))}

# A camera that is turned begins another file: a few at once are honoured, as people turn a phone to
# and fro, and then one in so long.  A sender that says so all the time leaves no more files.
_TURN_NS = 10 * NS
_TURNS_AT_ONCE = 5


def paid_for(before_ns: int, turned_ns: int) -> int | None:
    """When one more turn would be paid for, if that before was at a time; None: it is too many."""
    paid_ns = max(before_ns, turned_ns) + _TURN_NS
    return None if paid_ns - turned_ns > _TURNS_AT_ONCE * _TURN_NS else paid_ns


@dataclass(frozen=True, slots=True)
class LineState:
    """Where a line of WebM stretches stands between two units.

    One of segments is something else: :class:`media.cut.cursor.LineState`.
    """

    mark: Mark | None = None  # everything up to here is done
    usable: bool = False  # pictures: what the next one refers to is there
    start_ns: int | None = None  # of the open stretch
    end_ns: int = 0  # of what the open stretch has
    codec: str = ""  # of the open stretch, as Codec.key
    rotation: int = 0  # of its first picture, see Frame.rotation
    turns_ns: int = 0  # when turns would be paid for, see _TURN_NS


@dataclass(slots=True)
class Stretch:
    """What one unit adds to a stretch."""

    start_ns: int  # of the stretch, which is known by it
    codec: str
    fresh: bool  # it begins in this unit
    from_ns: int  # the end of what it had before
    end_ns: int  # of what it has now
    rotation: int = 0  # of its first picture, see Frame.rotation
    frames: list[Frame] = field(default_factory=list)
    last: bool = False  # nothing follows


class Continuity:
    """Follows one line; feed it the frames of a unit, in order, then finish."""

    def __init__(self, state: LineState, silent: Pauses) -> None:
        self.touched: list[Stretch] = []
        self._silent = silent
        self._mark = state.mark
        self._usable = state.usable
        self._turns_ns = state.turns_ns
        self._open: Stretch | None = None
        if state.start_ns is not None:
            self._open = Stretch(
                state.start_ns, state.codec, False, state.end_ns, state.end_ns, state.rotation
            )
            self.touched.append(self._open)

    def feed(self, frames: Sequence[Frame]) -> None:
        """Sort frames into stretches; those that were done already are left out."""
        mark = self._mark
        fresh = [frame for frame in frames if mark is None or mark.passed(frame)]
        for frame in self._decodable(self._silent.audible(fresh)):
            self._take(frame)

    def _decodable(self, frames: list[Frame]) -> list[Frame]:
        if not frames or frames[0].track.kind is Kind.AUDIO:
            return [frame for frame in frames if sound_packet.samples(frame)]
        good = decodable(frames, usable=self._usable)
        self._usable = bool(good) and good[-1] is frames[-1]
        return good

    def _take(self, frame: Frame) -> None:
        if self._open is not None and self._interrupts(self._open, frame):
            self._close()
        if self._open is None and _begins(frame):
            self._open = Stretch(
                frame.time_ns, frame.codec.key, True, frame.time_ns, frame.time_ns, frame.rotation
            )
            self.touched.append(self._open)
        if self._open is not None:
            self._open.frames.append(frame)
            self._mark = Mark.of(frame)

    def _interrupts(self, stretch: Stretch, frame: Frame) -> bool:
        if self._mark is None or frame.track.id != self._mark.track:
            return True
        if frame.codec.key != stretch.codec or self._over(frame.track.kind, frame.time_ns):
            return True
        return _turned(stretch, frame) and self._honours(frame.time_ns)

    def _honours(self, turned_ns: int) -> bool:
        """Whether one more turn may begin a file; counts it if so."""
        paid_ns = paid_for(self._turns_ns, turned_ns)
        if paid_ns is None:
            return False
        self._turns_ns = paid_ns
        return True

    def _over(self, kind: Kind, until_ns: int) -> bool:
        """Whether a stretch cannot go on after such a silence."""
        if self._mark is None:
            return True
        silent = until_ns - self._mark.time_ns > GAP_NS[kind]
        return silent or self._silent.between(self._mark.time_ns, until_ns)

    def _close(self) -> None:
        if self._open is not None:
            self._open.last = True
        self._open = None

    def finish(self, kind: Kind, until_ns: int, *, final: bool) -> LineState:
        """Close what cannot go on; the state for the next unit."""
        if final or self._over(kind, until_ns):
            self._close()
        for stretch in self.touched:
            if stretch.frames:
                stretch.end_ns = end_of(stretch.frames)
        if self._open is None:
            return LineState(self._mark, self._usable, turns_ns=self._turns_ns)
        one = self._open
        return LineState(
            self._mark,
            self._usable,
            one.start_ns,
            one.end_ns,
            one.codec,
            one.rotation,
            self._turns_ns,
        )


def _turned(stretch: Stretch, frame: Frame) -> bool:
    """Whether a key picture says that it lies otherwise than those of the stretch."""
    told = frame.keyframe and frame.tells_rotation
    return told and frame.rotation != stretch.rotation


def _begins(frame: Frame) -> bool:
    """Whether a file can begin with a frame."""
    kind = frame.track.kind
    whole = kind is Kind.AUDIO or (frame.keyframe and frame.width > 0)
    return whole and frame.codec.key in _CODECS[kind]


def load(cursor: Mapping[str, Any]) -> dict[Line, LineState]:
    """The states by line; an empty cursor is the start of a recording."""
    states = {}
    for row in cursor.get("lines", ()):
        fields = dict(row["state"])
        if fields["mark"] is not None:
            fields["mark"] = Mark(**fields["mark"])
        states[Line(row["uid"], Source(row["source"]))] = LineState(**fields)
    return states


def dump(states: Mapping[Line, LineState]) -> dict[str, Any]:
    """The inverse of :func:`load`."""
    return {
        "lines": [
            {"uid": line.uid, "source": line.source.value, "state": asdict(state)}
            for line, state in sorted(states.items())
        ]
    }
