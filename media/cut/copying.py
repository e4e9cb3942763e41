"""Where copied lines are cut into segments: decisions only, no files."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from media.cut import opus, sound_packet
from media.cut.cursor import LineState, Mark
from media.cut.pauses import Pauses
from media.cut.picture import decodable
from media.tape.model import NS, Frame, Kind

TARGET_NS = 15 * NS
# A longer silence is an interruption.  Pauses of DTX are shorter, and so are those of a picture
# that stands still: it is asked for a key frame every 15 s.
GAP_NS = {Kind.AUDIO: 2 * NS, Kind.VIDEO: 40 * NS}
# Video without a key frame is cut here in any case, by age and bytes.  Reference §5.4 knows such
# limits of H.264 alone; the others are cut where memory would be in danger.
_FORCED = {"h264": (330 * NS, 50_000_000)}
_FORCED_AT_LAST = (1800 * NS, 200_000_000)
_MOST_TURNS = 100  # of one segment that are told
_SHORTEST_NS = NS // 1000  # nobody sees less, and names of segments tell no less apart
_FRAME_NS = NS // 15  # a picture's duration when nothing says otherwise


@dataclass(slots=True)
class Run:
    """The frames of one segment."""

    start_ns: int
    discontinuity: bool
    resumed: bool
    forced: bool = False
    width: int = 0  # pixels; 0 of audio
    height: int = 0
    rotation: int = 0  # of the first picture, see Frame.rotation
    turns: list[tuple[int, int]] = field(default_factory=list)  # later ones: time, rotation
    frames: list[Frame] = field(default_factory=list)
    bytes: int = 0
    end_ns: int = 0  # set when it is closed

    def append(self, frame: Frame) -> None:
        """Take one more frame."""
        # The others repeat what a frame before them told, as far as that was read.
        told = frame.keyframe or frame.tells_rotation
        if told and frame.rotation != self.rotated and len(self.turns) < _MOST_TURNS:
            self.turns.append((frame.time_ns, frame.rotation))
        self.frames.append(frame)
        self.bytes += len(frame.data)

    @property
    def rotated(self) -> int:
        """How the newest picture is turned."""
        return self.turns[-1][1] if self.turns else self.rotation

    @property
    def last(self) -> Frame:
        """The newest frame."""
        return self.frames[-1]

    @property
    def duration_s(self) -> float:
        """From the start to the end; the next continuous segment starts there."""
        return (self.end_ns - self.start_ns) / NS


class Splitter:
    """Splits one line; feed it the frames after the mark, in order."""

    def __init__(self, state: LineState, pauses: Pauses) -> None:
        self.closed: list[Run] = []
        self._pauses = pauses
        self._state = state
        self._run: Run | None = None
        self._first = state.start_ns

    def feed(self, frames: Sequence[Frame]) -> None:
        """Sort the frames of one unit into segments."""
        for frame in self._wanted(frames):
            self._take(frame)

    def _wanted(self, frames: Sequence[Frame]) -> list[Frame]:
        mark = self._state.mark
        fresh = [frame for frame in frames if mark is None or mark.passed(frame)]
        heard = self._pauses.audible(fresh)
        if heard and heard[0].track.kind is Kind.VIDEO:
            return decodable(heard, usable=self._state.forced)
        return [frame for frame in heard if sound_packet.samples(frame)]

    def _take(self, frame: Frame) -> None:
        run = self._run
        if run is None:
            self._begin_first(frame)
        elif self._interrupted(run.last, frame):
            self._close(end_of(run.frames))
            if frame.keyframe:
                self._begin(frame, discontinuity=True, resumed=True)
        elif _reshaped(run, frame):
            self._reshape(run, frame)
        elif _turned(run, frame) or _due(run, frame):
            self._close(frame.time_ns)
            self._begin(frame, discontinuity=False, resumed=False)
        if self._run is not None:
            self._run.append(frame)

    def _reshape(self, run: Run, frame: Frame) -> None:
        if frame.time_ns - run.start_ns < _SHORTEST_NS:
            self._begin(frame, discontinuity=run.discontinuity, resumed=run.resumed)
        else:
            self._close(frame.time_ns)
            self._begin(frame, discontinuity=True, resumed=False)

    def _begin_first(self, frame: Frame) -> None:
        state, start_ns = self._state, self._first
        if start_ns is not None:
            self._first = None
            self._run = Run(
                start_ns,
                state.discontinuity,
                state.resumed,
                state.forced,
                state.width,
                state.height,
                state.rotation,
            )
        elif frame.keyframe:
            self._begin(frame, discontinuity=True, resumed=True)

    def _begin(self, frame: Frame, *, discontinuity: bool, resumed: bool) -> None:
        # Only key frames tell their size; a segment without one has that of the one before.
        look = frame.width, frame.height, frame.rotation
        if not frame.keyframe and self.closed:
            before = self.closed[-1]
            look = before.width, before.height, before.rotated
        self._run = Run(frame.time_ns, discontinuity, resumed, not frame.keyframe, *look)

    def _interrupted(self, before: Frame, after: Frame) -> bool:
        if before.track.id != after.track.id:
            return True
        return self._over(before, after.time_ns)

    @property
    def opened(self) -> Run | None:
        """The run that goes on, after :meth:`finish`."""
        return self._run

    def finish(self, until_ns: int, *, final: bool) -> LineState:
        """Close what cannot go on; the state for the next unit."""
        run = self._run
        if run is not None and (final or self._over(run.last, until_ns)):
            self._close(end_of(run.frames))
            run = None
        mark = Mark.of(self.closed[-1].last) if self.closed else self._state.mark
        if run is None:
            return LineState(mark=mark)
        return LineState(
            run.start_ns,
            run.discontinuity,
            run.resumed,
            run.forced,
            run.width,
            run.height,
            run.rotation,
            mark,
        )

    def _over(self, last: Frame, until_ns: int) -> bool:
        silent = until_ns - last.time_ns > GAP_NS[last.track.kind]
        return silent or self._pauses.between(last.time_ns, until_ns)

    def _close(self, end_ns: int) -> None:
        if self._run is not None:
            self._run.end_ns = max(end_ns, self._run.start_ns + 1)
            self.closed.append(self._run)
        self._run = None


def _reshaped(run: Run, frame: Frame) -> bool:
    size = (frame.width, frame.height) != (run.width, run.height)
    return frame.codec.key != run.frames[0].codec.key or (frame.keyframe and size)


def _turned(run: Run, frame: Frame) -> bool:
    """Whether the picture is turned otherwise than at the segment's start.

    Senders turn it between key frames; the segment goes on to the next one, so that each can be
    decoded alone, and tells of its turns.
    """
    age = frame.time_ns - run.start_ns
    return frame.keyframe and frame.rotation != run.rotation and age >= _SHORTEST_NS


def _due(run: Run, frame: Frame) -> bool:
    age = frame.time_ns - run.start_ns
    if frame.keyframe and age >= TARGET_NS:
        return True
    limit_ns, limit_bytes = _FORCED.get(frame.codec.key, _FORCED_AT_LAST)
    video = frame.track.kind is Kind.VIDEO
    return video and (age >= limit_ns or run.bytes >= limit_bytes)


def end_of(frames: Sequence[Frame]) -> int:
    """When the last of some frames of a line ends."""
    last = frames[-1]
    if last.track.kind is Kind.AUDIO:
        return last.time_ns + sound_packet.samples(last) * NS // opus.RATE
    times = [frame.time_ns for frame in frames[-30:]]
    steps = [b - a for a, b in itertools.pairwise(times)]
    return last.time_ns + (int(median(steps)) if steps else _FRAME_NS)
