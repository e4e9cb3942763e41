"""What a slice of a mix adds to its MP4: the packets of the segment, once more."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from media.cut import aac, h264, opus
from media.cut.model import CompositeSpec, PieceFile, Segment
from media.mux import adts, avc
from media.mux.piece import TrackFormat
from media.mux.piece_writer import PieceWriter, new_piece, piece_at

_TICK = 1000  # track units of a picture: any whole number of pictures a second is exact


@dataclass(frozen=True, slots=True)
class Sound:
    """One raw AAC frame."""

    frame: int  # on the recording's grid
    data: bytes


class MixPiece:
    """Takes the encoded pictures and AAC frames of one slice, in order of time.

    Times are those of the recording's grids: pieces join as segments do, and sound lies to
    picture as in the segments.
    """

    def __init__(self, writer: PieceWriter, spec: CompositeSpec, size: tuple[int, int]) -> None:
        self._writer = writer
        self._spec = spec
        self._size = size
        self._video = -1
        self._audio = -1

    def write(self, unit: h264.Picture | Sound) -> None:
        """Append one; the first picture must be a key picture with its parameter sets."""
        if isinstance(unit, Sound):
            if self._audio < 0:
                self._audio = self._writer.add(self._audio_format())
            time = unit.frame * aac.FRAME
            self._writer.write(self._audio, time, aac.FRAME, unit.data, keyframe=True)
        else:
            if self._video < 0:
                self._video = self._writer.add(self._video_format(unit))
            time, data = unit.tick * _TICK, avc.sample(unit.data)
            self._writer.write(self._video, time, _TICK, data, keyframe=unit.keyframe)

    def _video_format(self, first: h264.Picture) -> TrackFormat:
        scale = self._spec.fps * _TICK
        return TrackFormat("video", scale, avc.configuration(first.data), *self._size)

    def _audio_format(self) -> TrackFormat:
        channels = aac.PROFILES[self._spec.audio_profile].channels
        return TrackFormat("audio", opus.RATE, adts.configuration(channels), channels=channels)


@contextmanager
def mix_piece(
    spec: CompositeSpec, segment: Path, size: tuple[int, int]
) -> Iterator[MixPiece | None]:
    """The piece beside a segment, complete after the block; None where no MP4 is asked for."""
    if not spec.mp4:
        yield None
        return
    with new_piece(piece_at(segment.with_suffix(""))) as writer:
        yield MixPiece(writer, spec, size)


def made(spec: CompositeSpec, segment: Segment) -> tuple[PieceFile, ...]:
    """What :func:`mix_piece` left."""
    if not spec.mp4:
        return ()
    piece = piece_at(segment.path.with_suffix(""))
    size = piece.payload.stat().st_size
    times = segment.start_ns, segment.duration_s
    return (PieceFile("mp4", piece.payload, piece.index, *times, size),)
