"""Pieces of a growing WebM: clusters of one track, and what the head must know of them.

As with :mod:`media.mux.piece`, the payloads of consecutive pieces are the end of the finished file,
and the indices are all that :func:`media.mux.matroska.head` needs.
"""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from media.errors import CutFailed
from media.mux import ebml
from media.mux.output import complete
from media.mux.piece import Piece

NS_PER_MS = 1_000_000  # Matroska's usual unit of time
TRACK = 1  # its number; there is no other
_LONGEST_MS = 5000  # of a cluster; blocks say their time in it by 16 bits
_LARGEST = 8_000_000  # bytes
_CLUSTER, _TIMESTAMP, _SIMPLE_BLOCK = 0x1F43B675, 0xE7, 0xA3
_KEYFRAME = 0x80


@dataclass(frozen=True, slots=True)
class WebmTrack:
    """What a file's only track is."""

    codec: str  # vp8, vp9, av1 or opus
    config: str = ""  # hexadecimal, the CodecPrivate of AV1 (av1C)
    width: int = 0  # pixels of the first picture; 0 of sound
    height: int = 0
    channels: int = 0  # 0 of pictures
    rotation: int = 0  # degrees to turn pictures clockwise so that they are upright


@dataclass(frozen=True, slots=True)
class Cluster:
    """Some frames in a row."""

    time_ms: int  # since the beginning of the file
    size: int  # bytes
    keyframe: bool  # players can begin with it


@dataclass(frozen=True, slots=True)
class ClusterIndex:
    """What lies in one payload; there may be nothing in it."""

    track: WebmTrack
    clusters: tuple[Cluster, ...]
    end_ns: int  # where its last frame ends, since the beginning of the file

    @property
    def bytes(self) -> int:
        """The size of the payload."""
        return sum(cluster.size for cluster in self.clusters)

    def write(self, path: Path) -> None:
        """Write the index file; it is complete once it carries its name."""
        with complete(path) as part:
            part.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "ClusterIndex":
        """The inverse of :meth:`write`.  Raises CutFailed when the file is damaged."""
        try:
            row = json.loads(path.read_text())
            clusters = tuple(Cluster(**one) for one in row["clusters"])
            return cls(WebmTrack(**row["track"]), clusters, row["end_ns"])
        except (ValueError, KeyError, TypeError) as error:
            raise CutFailed(f"{path.name} is no index of a WebM piece: {error}") from error


@contextmanager
def new_clusters(piece: Piece) -> Iterator["ClusterWriter"]:
    """Write a payload; it is complete after the block, or not there if that raises.

    The index is the caller's to write, after the block: it says that the piece is whole.
    """
    piece.index.unlink(missing_ok=True)
    with complete(piece.payload) as part, part.open("wb") as file:
        writer = ClusterWriter(file)
        yield writer
        writer.flush()


class ClusterWriter:
    """Takes frames in order of time, and holds one cluster of them in memory."""

    def __init__(self, payload: BinaryIO) -> None:
        self.clusters: list[Cluster] = []
        self._payload = payload
        self._blocks: list[bytes] = []
        self._begin_ms = 0  # of the open cluster
        self._last_ms = 0
        self._bytes = 0
        self._keyframe = False

    def write(self, data: bytes, *, time_ns: int, keyframe: bool, splits: bool) -> None:
        """Append a frame; the time counts from the beginning of the file.

        ``splits`` says that players are to find this frame: it begins a cluster.
        """
        time_ms = max(time_ns // NS_PER_MS, self._last_ms)
        full = time_ms - self._begin_ms >= _LONGEST_MS or self._bytes >= _LARGEST
        if splits or full or not self._blocks:
            self.flush()
            self._begin_ms, self._keyframe = time_ms, keyframe
        flags = _KEYFRAME if keyframe else 0
        head = struct.pack(">BhB", 0x80 | TRACK, time_ms - self._begin_ms, flags)
        self._blocks.append(ebml.element(_SIMPLE_BLOCK, head, data))
        self._bytes += len(self._blocks[-1])
        self._last_ms = time_ms

    def flush(self) -> None:
        """End the open cluster."""
        if not self._blocks:
            return
        time = ebml.number(_TIMESTAMP, self._begin_ms)
        head = ebml.opened(_CLUSTER, len(time) + self._bytes) + time
        self._payload.write(head)
        self._payload.writelines(self._blocks)
        size = len(head) + self._bytes
        self.clusters.append(Cluster(self._begin_ms, size, self._keyframe))
        self._blocks.clear()
        self._bytes = 0
