"""Pieces of a growing MP4: what each slice adds to a file whose head is written last.

A piece is two files.  The *payload* holds samples byte for byte as they will stand in the finished
file: the payloads of consecutive pieces, one after the other, are the content of its ``mdat``.  The
*index* says what lies in it, and is all that :func:`media.mux.mp4.head` needs to know.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from media.errors import CutFailed
from media.mux.output import complete

TrackKind = Literal["video", "audio"]
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_MAGIC = b"TFpiece1"
_LENGTH = struct.Struct("<I")  # of the JSON behind the magic
_WORD = np.dtype("<u4")


@dataclass(frozen=True, slots=True)
class TrackFormat:
    """How a track is encoded; a change of it within a file makes one more sample description."""

    kind: TrackKind
    timescale: int  # track units per second
    config: bytes  # avcC of H.264 (ISO/IEC 14496-15 §5.3.3.1), AudioSpecificConfig of AAC
    width: int = 0  # pixels; 0 of audio
    height: int = 0
    channels: int = 0  # 0 of video
    rotation: int = 0  # degrees to turn pictures clockwise so that they are upright

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        turned = {"rotation": self.rotation} if self.rotation else {}
        return turned | {
            "kind": self.kind,
            "timescale": self.timescale,
            "config": self.config.hex(),
            "width": self.width,
            "height": self.height,
            "channels": self.channels,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "TrackFormat":
        """The inverse of :meth:`to_json`."""
        return cls(**(row | {"config": bytes.fromhex(row["config"])}))


@dataclass(frozen=True, slots=True, eq=False)
class TrackIndex:
    """The samples of one track in one piece.  Decode times are presentation times."""

    format: TrackFormat
    times: Numbers  # track units since the recording's origin, growing
    sizes: Numbers  # bytes
    keyframes: Flags
    end: int  # track units: where the last sample ends


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """What lies in one payload: chunks, each some samples of one track that follow each other."""

    tracks: tuple[TrackIndex, ...]  # at most one of each kind, none without samples
    chunks: Numbers  # shape (n, 2): number of the track, count of samples; in the payload's order

    @property
    def bytes(self) -> int:
        """The size of the payload."""
        return sum(int(track.sizes.sum()) for track in self.tracks)

    def write(self, path: Path) -> None:
        """Write the index file; it is complete once it carries its name."""
        head = {
            "chunks": len(self.chunks),
            "tracks": [
                {
                    "format": track.format.to_json(),
                    "samples": len(track.sizes),
                    "first": int(track.times[0]),
                    "end": track.end,
                }
                for track in self.tracks
            ],
        }
        text = json.dumps(head).encode()
        arrays = [self.chunks.astype(_WORD).tobytes()]
        for track in self.tracks:
            arrays.append(track.sizes.astype(_WORD).tobytes())
            arrays.append(np.diff(track.times, append=track.end).astype(_WORD).tobytes())
            arrays.append(np.packbits(track.keyframes).tobytes())
        with complete(path) as part:
            part.write_bytes(b"".join((_MAGIC, _LENGTH.pack(len(text)), text, *arrays)))

    @classmethod
    def read(cls, path: Path) -> "Index":
        """The inverse of :meth:`write`.  Raises CutFailed when the file is damaged."""
        try:
            return _parsed(path.read_bytes())
        except (ValueError, KeyError, TypeError, struct.error) as error:
            raise CutFailed(f"{path.name} is no index of a piece: {error}") from error


@dataclass(frozen=True, slots=True)
class Piece:
    """The two files of a piece."""

    payload: Path
    index: Path


def _parsed(data: bytes) -> Index:
    if not data.startswith(_MAGIC):
        raise ValueError("it begins with something else")
    (length,) = _LENGTH.unpack_from(data, len(_MAGIC))
    begin = len(_MAGIC) + _LENGTH.size
    head = json.loads(data[begin : begin + length])
    arrays = _Arrays(data, begin + length)
    chunks = arrays.words(2 * head["chunks"]).reshape(-1, 2)
    tracks = tuple(_track(row, arrays) for row in head["tracks"])
    return Index(tracks, chunks)


def _track(row: dict[str, Any], arrays: "_Arrays") -> TrackIndex:
    count, first = row["samples"], row["first"]
    sizes, steps = arrays.words(count), arrays.words(count)
    times = first + np.cumsum(steps) - steps
    format_ = TrackFormat.from_json(row["format"])
    return TrackIndex(format_, times, sizes, arrays.flags(count), row["end"])


class _Arrays:
    """Takes one array after the other from the bytes of a file."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def words(self, count: int) -> Numbers:
        found = np.frombuffer(self._data, _WORD, count, self._at)
        self._at += found.nbytes
        return found.astype(np.int64)

    def flags(self, count: int) -> Flags:
        found = np.frombuffer(self._data, np.uint8, (count + 7) // 8, self._at)
        self._at += found.nbytes
        return np.unpackbits(found, count=count).astype(np.bool_)
