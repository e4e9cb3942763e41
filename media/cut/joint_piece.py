"""What a segment of mode ``raw`` adds to its publisher's MP4: the same media once more.

A file can say only once how large its pictures are and how they lie; when that changes another one
begins, but not again and again (:mod:`media.cut.continuity`): players scale the pictures of one
that goes on.  Another begins as well when the publisher was away for long.  Shorter holes in the
sound are filled with silence: there are players that leave holes out, and are ahead with the sound.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path
from typing import NamedTuple

import structlog

from media.cut import aac, opus
from media.cut.continuity import paid_for
from media.cut.copying import Run
from media.cut.joint import AAC, JointPart, media_of
from media.cut.model import PieceFile
from media.cut.publication import Publication
from media.errors import CutFailed
from media.mux import adts, avc
from media.mux.mpegts import CLOCK_HZ
from media.mux.piece import TrackFormat, TrackKind
from media.mux.piece_writer import new_piece, piece_at
from media.tape.model import NS

_LONGEST_HOLE_NS = 60 * NS

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RowState:
    """The newest row of MP4 files of a publication, between two units."""

    number: int = -1  # in the publication, from 0; -1: there is none
    codec: str = ""  # that names its files
    width: int = 0  # pixels, of its first pictures; 0: it has none yet
    height: int = 0
    rotation: int = 0  # of its first pictures, see Frame.rotation
    config: str = ""  # hexadecimal, avcC of the newest pictures
    end: int = 0  # where its newest picture ends, 90 kHz from the recording's origin
    sound: int = 0  # where its sound ends, on the grid of AAC frames; 0: it has none
    until_ns: int = 0  # where its newest piece ends
    looks_ns: int = 0  # when other sizes and rotations would be paid for, see paid_for

    def before(self, part: JointPart) -> "RowState":
        """The row that a segment is in: this one, or the next, which has no piece yet."""
        following = RowState(self.number + 1, part.index, end=self.end, looks_ns=self.looks_ns)
        if self.number < 0 or part.index != self.codec:
            return following
        if part.start_ns - self.until_ns > _LONGEST_HOLE_NS:
            return following
        if part.run is None or not self.width or self._look == _look(part.run):
            return self
        paid_ns = paid_for(self.looks_ns, part.start_ns)
        return self if paid_ns is None else replace(following, looks_ns=paid_ns)

    @property
    def _look(self) -> tuple[int, int, int]:
        return self.width, self.height, self.rotation


class _Sample(NamedTuple):
    at_s: float
    track: TrackKind
    time: int
    duration: int
    data: bytes
    keyframe: bool


class PieceMaker:
    """Makes the pieces of one publication, in order."""

    def __init__(self, of: Publication, state: RowState, origin_ns: int) -> None:
        self.state = state
        self._of = of
        self._origin_ns = origin_ns

    def made(self, part: JointPart, sound: Sequence[bytes], out_dir: Path) -> PieceFile | None:
        """The piece of a segment with these AAC frames.

        None where nobody can know how its pictures are decoded: that was said before the recording.
        """
        self.state = self.state.before(part)
        formats = self._formats(part)
        if formats is None:
            return None
        stem = (self._of.picture if part.run else self._of.sound).stem
        piece = piece_at(out_dir / f"{stem}-{part.start_ns}")
        hole = self._hole(part)
        start_ns = aac.frame_ns(hole.start, self._origin_ns) if hole else part.start_ns
        with new_piece(piece) as writer:
            tracks = {format_.kind: writer.add(format_) for format_ in formats}
            for one in merge(self._pictures(part.run), _sounds(hole, part.span, sound)):
                writer.write(
                    tracks[one.track],
                    one.time,
                    one.duration,
                    one.data,
                    keyframe=one.keyframe,
                )
        ends = part.span.last if part.span else self.state.sound
        self.state = replace(self.state, sound=ends, until_ns=part.end_ns)
        return PieceFile(
            "mp4",
            piece.payload,
            piece.index,
            start_ns,
            (part.end_ns - start_ns) / NS,
            piece.payload.stat().st_size,
            self._of.uid,
            (self._of.sound if part.index == AAC else self._of.picture).source,
            self.state.codec,
            f"{self._of.sound.stem}-{self.state.number}",
            media=media_of(part),
        )

    def _hole(self, part: JointPart) -> range:
        """The frames without sound before that of a segment."""
        if part.span is None or not self.state.sound:
            return range(0)
        return range(self.state.sound, part.span.first)

    def _formats(self, part: JointPart) -> list[TrackFormat] | None:
        formats = []
        if part.run is not None:
            config = self._config(part.run)
            if not config:
                return None
            width, height, turn = _look(part.run)
            self.state = replace(self.state, config=config.hex())
            if not self.state.width:
                self.state = replace(self.state, width=width, height=height, rotation=turn)
            formats.append(TrackFormat("video", CLOCK_HZ, config, width, height, rotation=turn))
        if part.span is not None:
            channels = aac.PROFILES[0].channels
            config = adts.configuration(channels)
            formats.append(TrackFormat("audio", opus.RATE, config, channels=channels))
        return formats

    def _config(self, run: Run) -> bytes:
        """How its pictures are decoded; a segment that was cut by force goes on from another."""
        try:
            first = next((frame for frame in run.frames if frame.keyframe), None)
            if first is not None:
                return avc.configuration(first.data)
        except CutFailed as error:
            _log.warning("pictures are in no MP4", uid=self._of.uid, error=str(error))
            return b""
        return bytes.fromhex(self.state.config)

    def _pictures(self, run: Run | None) -> Iterator[_Sample]:
        if run is None:
            return
        times = [self._ticks(frame.time_ns) for frame in run.frames]
        ends = [*times[1:], self._ticks(run.end_ns)]
        end = self.state.end
        for frame, at, until in zip(run.frames, times, ends, strict=True):
            begin = max(at, end)  # two tables in a file count up, whatever clocks did
            end = max(until, begin + 1)
            data = avc.sample(frame.data)
            yield _Sample(begin / CLOCK_HZ, "video", begin, end - begin, data, frame.keyframe)
        self.state = replace(self.state, end=end)

    def _ticks(self, at_ns: int) -> int:
        return (at_ns - self._origin_ns) * CLOCK_HZ // NS


def _look(run: Run) -> tuple[int, int, int]:
    return run.width, run.height, run.rotation


def _sounds(hole: range, span: aac.Span | None, sound: Sequence[bytes]) -> Iterator[_Sample]:
    if span is None:
        return
    rest = itertools.repeat(aac.silence(aac.PROFILES[0]), len(hole)) if hole else ()
    frames = itertools.chain(hole, range(span.first, span.last))
    for frame, data in zip(frames, itertools.chain(rest, sound), strict=True):
        time = frame * aac.FRAME
        yield _Sample(time / opus.RATE, "audio", time, aac.FRAME, data, keyframe=True)
