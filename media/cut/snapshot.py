"""Screenshots: what each publisher's pictures show at the moments of a grid (reference §2.6)."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from media.cut.lines import Line, by_line
from media.cut.model import Segment, Slice
from media.cut.picture import LinePictures, decodable
from media.cut.wishes import Wishes
from media.errors import FarmError
from media.mux import jpeg
from media.mux.output import complete
from media.tape.model import NS, EventType, Frame, Kind, TapeEvent
from media.tape.reader import Tape

# A picture that stands still is sent again when a key frame is asked for, every 15 s.  Who sends
# nothing for so long sends no video.
_STILL_NS = 40 * NS
OLDEST_NS = 300 * NS  # from further back nothing is decoded
_PAUSES = (EventType.MUTED, EventType.UNMUTED, EventType.LEFT, EventType.JOINED)
_LATE_NEWS_NS = 1_500_000_000  # events reach the recorder by another way than packets

log = structlog.get_logger(__name__)

_Frames = Mapping[str, Sequence[Frame]]


def moments(origin_ns: int, every_s: int, part: Slice) -> list[int]:
    """The times of a slice at which pictures are taken: every so often from the origin on."""
    step_ns = every_s * NS
    first = -(-(part.start_ns - origin_ns) // step_ns)
    return list(range(origin_ns + max(first, 0) * step_ns, part.end_ns, step_ns))


def due(
    tape: Tape,
    origin_ns: int,
    every_s: int,
    part: Slice,
    wishes: Wishes,
    frames: _Frames,
    out_dir: Path,
) -> list[Segment]:
    """The screenshots of a slice, one in so many seconds; 0: none.

    Whatever is wrong with pictures, the recording goes on.
    """
    if not every_s:
        return []
    at = moments(origin_ns, every_s, part)
    video = {id_: track for id_, track in frames.items() if track[0].track.kind is Kind.VIDEO}
    try:
        return snapshots(tape, at, wishes, video, out_dir)
    except Exception:  # logged with traceback: reference §2.6
        log.exception("there are no screenshots of a slice", slice=part.number)
        return []


def snapshots(
    tape: Tape, at: Sequence[int], wishes: Wishes, frames: _Frames, out_dir: Path
) -> list[Segment]:
    """A JPEG per moment of ``at`` and line that sends pictures then.

    ``frames`` is what is read of the tape already, by track id; what is missing is read.  A line
    whose pictures cannot be had has none, and that is all: nothing is raised for it.
    """
    read = {line: [f for one in tracks for f in one] for line, tracks in by_line(frames).items()}
    made: list[Segment] = []
    sending = _sending(tape, at, wishes)
    pauses = _tell_of_pauses(tape, at[0] - OLDEST_NS, at[-1]) if sending else []
    for line, times in sending.items():
        try:
            taken = _Line(tape, line, wishes, pauses, read.get(line, ())).take(times)
            made += [_stored(line, one, out_dir) for one in taken]
        except (FarmError, OSError) as exc:
            log.warning("screenshots failed", uid=line.uid, source=line.source, error=str(exc))
    return made


def keep_from_ns(tape: Tape, at_ns: int, wishes: Wishes, frames: _Frames) -> int:
    """From when on the tape is needed for pictures that are taken after ``at_ns``."""
    lines = _sending(tape, [at_ns], wishes)
    alive = [track.id for track in tape.roster(at_ns).tracks if Line.of(track) in lines]
    keys = (_last_key_ns(tape, track, at_ns, frames.get(track, ())) for track in alive)
    return min((key_ns for key_ns in keys if key_ns is not None), default=at_ns)


def _last_key_ns(tape: Tape, track: str, at_ns: int, frames: Sequence[Frame]) -> int | None:
    times = [frame.time_ns for frame in frames if frame.keyframe and frame.time_ns <= at_ns]
    if times:
        return max(times)
    return tape.keyframe_before(track, at_ns, since_ns=at_ns - OLDEST_NS)


def _sending(tape: Tape, at: Sequence[int], wishes: Wishes) -> dict[Line, list[int]]:
    """The lines that may send pictures, and at which of the moments."""
    found: dict[Line, list[int]] = {}
    for at_ns in at:
        roster = tape.roster(at_ns)
        for line in {Line.of(track) for track in roster.tracks if track.kind is Kind.VIDEO}:
            away = line.uid not in roster.publishers or (line.uid, line.source) in roster.muted
            if not away and not wishes.unwanted_between(line, at_ns, at_ns):
                found.setdefault(line, []).append(at_ns)
    return {line: found[line] for line in sorted(found)}


def _tell_of_pauses(tape: Tape, from_ns: int, until_ns: int) -> list[TapeEvent]:
    """What may say that somebody's pictures were over, or begin anew."""
    return [event for event in tape.events(from_ns, until_ns + 1) if event.type in _PAUSES]


@dataclass(frozen=True, slots=True)
class _Shot:
    at_ns: int
    data: bytes
    width: int
    height: int


class _Line:
    """The pictures of one line, decoded from the last key frame before each moment."""

    def __init__(
        self,
        tape: Tape,
        line: Line,
        wishes: Wishes,
        pauses: Sequence[TapeEvent],
        frames: Sequence[Frame],
    ) -> None:
        self._tape = tape
        self._line = line
        self._wishes = wishes
        self._pauses = [
            event
            for event in pauses
            if event.uid == line.uid and event.source in (None, line.source)
        ]
        self._frames = frames

    def take(self, times: Sequence[int]) -> Iterator[_Shot]:
        chains = {at_ns: chain for at_ns in times if (chain := self._chain(at_ns))}
        # Moments of one group of pictures share its beginning, which is decoded once.
        needed = {(f.track.id, f.rtp_time): f for chain in chains.values() for f in chain}
        shown_at = list(chains)
        ticks = [bisect_left(shown_at, frame.time_ns) for frame in needed.values()]
        pictures = LinePictures(list(needed.values()), ticks)
        for tick, (at_ns, chain) in enumerate(chains.items()):
            pictures.advance(tick)
            picture = pictures.picture
            if picture is not None and pictures.track == chain[-1].track.id:
                size = picture.width, picture.height
                upright = size[::-1] if pictures.rotation in (90, 270) else size
                yield _Shot(at_ns, jpeg.encode(picture, pictures.rotation), *upright)

    def _chain(self, at_ns: int) -> list[Frame]:
        """What must be decoded for the picture of a moment; empty if none is sent then."""
        known = [frame for frame in self._frames if frame.time_ns <= at_ns]
        chain = _from_key_frame(known)
        if not chain:
            known = self._earlier(at_ns)
            chain = _from_key_frame(known)
        if not chain or at_ns - known[-1].time_ns > _STILL_NS:
            return []
        return [] if self._paused(chain[0].time_ns, known[-1].time_ns, at_ns) else chain

    def _earlier(self, at_ns: int) -> list[Frame]:
        name = self._line.uid, self._line.source
        key_ns = self._tape.keyframe_before(name, at_ns, since_ns=at_ns - OLDEST_NS)
        if key_ns is None:
            return []
        read = self._tape.frames(
            key_ns, at_ns + 1, tracks=lambda track: Line.of(track) == self._line
        )
        return [frame for track in by_line(read)[self._line] for frame in track]

    def _paused(self, key_ns: int, last_ns: int, at_ns: int) -> bool:
        """Whether the line paused between the key frame and ``at_ns``; then it begins anew.

        So does its recording, and the tape need not keep what was before the pause.
        """
        if self._wishes.unwanted_between(self._line, key_ns, at_ns):
            return True
        for event in self._pauses:
            # That a pause began may have been told before the key frame came.
            ends = event.type in (EventType.UNMUTED, EventType.JOINED)
            since_ns = last_ns + _LATE_NEWS_NS if ends else key_ns
            if since_ns < event.at_ns <= at_ns:
                return True
        return False


def _from_key_frame(frames: Sequence[Frame]) -> list[Frame]:
    """The frames from the last key frame on, up to the first that cannot be decoded."""
    keys = (i for i in range(len(frames) - 1, -1, -1) if frames[i].keyframe and frames[i].width)
    first = next(keys, None)
    return [] if first is None else decodable(frames[first:])


def _stored(line: Line, shot: _Shot, out_dir: Path) -> Segment:
    path = out_dir / f"{line.stem}-{shot.at_ns}.jpg"
    with complete(path) as part:
        part.write_bytes(shot.data)
    return Segment(
        uid=line.uid,
        kind="video",
        source=line.source,
        container="jpg",
        path=path,
        start_ns=shot.at_ns,
        duration_s=0.0,
        discontinuity=False,
        width=shot.width,
        height=shot.height,
        codec="mjpeg",
        listed=False,
    )
