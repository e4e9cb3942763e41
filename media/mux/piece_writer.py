"""Writes a piece of a growing MP4 while its slice is encoded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from media.mux.output import complete
from media.mux.piece import Index, Piece, TrackFormat, TrackIndex

_CHUNK_S = 1.0  # of each track in turn, so that players read both side by side


def piece_at(path: Path) -> Piece:
    """The names of a piece's files; ``path`` has no suffix."""
    return Piece(path.with_name(f"{path.name}.payload"), path.with_name(f"{path.name}.index"))


@contextmanager
def new_piece(piece: Piece) -> Iterator["PieceWriter"]:
    """Write a piece; both files are complete after the block.

    When the block raises, none of them is there.  The index comes last: a piece without it is
    none.
    """
    piece.index.unlink(missing_ok=True)
    with complete(piece.payload) as part, part.open("wb") as file:
        writer = PieceWriter(file)
        yield writer
        writer.flush()
    writer.index().write(piece.index)


@dataclass(slots=True)
class _Track:
    format: TrackFormat
    times: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    keyframes: list[bool] = field(default_factory=list)
    end: int = 0
    number: int = -1  # in the index, which knows no track without samples
    held: list[bytes] = field(default_factory=list)  # the open chunk

    def index(self) -> TrackIndex:
        return TrackIndex(
            self.format,
            np.array(self.times, np.int64),
            np.array(self.sizes, np.int64),
            np.array(self.keyframes, np.bool_),
            self.end,
        )


class PieceWriter:
    """Takes samples in order of time, all tracks together, and holds a second of them."""

    def __init__(self, payload: BinaryIO) -> None:
        self._payload = payload
        self._tracks: list[_Track] = []
        self._chunks: list[tuple[int, int]] = []
        self._since_s: float | None = None  # when the open chunks begin

    def add(self, format_: TrackFormat) -> int:
        """A track; its number is what :meth:`write` wants."""
        self._tracks.append(_Track(format_))
        return len(self._tracks) - 1

    def write(self, track: int, time: int, duration: int, data: bytes, *, keyframe: bool) -> None:
        """Append one sample; times in track units, counted from the recording's origin."""
        one = self._tracks[track]
        at_s = time / one.format.timescale
        if self._since_s is None:
            self._since_s = at_s
        elif at_s >= self._since_s + _CHUNK_S:
            self.flush()
            self._since_s = at_s
        one.times.append(time)
        one.sizes.append(len(data))
        one.keyframes.append(keyframe)
        one.end = time + duration
        one.held.append(data)

    def flush(self) -> None:
        """End the open chunks."""
        for track in self._tracks:
            if not track.held:
                continue
            if track.number < 0:
                track.number = 1 + max(other.number for other in self._tracks)
            self._chunks.append((track.number, len(track.held)))
            self._payload.writelines(track.held)
            track.held.clear()

    def index(self) -> Index:
        """What was written so far, without the open chunks."""
        tracks = sorted((t for t in self._tracks if t.number >= 0), key=lambda t: t.number)
        chunks = np.array(self._chunks, np.int64).reshape(-1, 2)
        return Index(tuple(track.index() for track in tracks), chunks)
