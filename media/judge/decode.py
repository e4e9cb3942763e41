"""Finished segments, decoded as a player would."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

RATE = 48_000


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture: its time in the stream in seconds, and its planes."""

    time_s: float
    frame: VideoFrame

    def luma(self) -> NDArray[np.uint8]:
        """See :func:`luma`."""
        return luma(self.frame)


@dataclass(frozen=True, slots=True)
class Sound:
    """Decoded sound on its timeline: mono, 48 kHz, silence where the file has a hole."""

    start_s: float
    samples: NDArray[np.float32]

    @property
    def end_s(self) -> float:
        """Where it ends, in the stream's time."""
        return self.start_s + len(self.samples) / RATE


def luma(frame: VideoFrame) -> NDArray[np.uint8]:
    """The Y plane of a planar picture, ``(height, width)``."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]  # a plane is a buffer
    return cast("NDArray[np.uint8]", rows[: frame.height, : frame.width].copy())


def joined(segments: Iterable[bytes]) -> bytes:
    """MPEG-TS segments one after the other are one stream."""
    return b"".join(segments)


def pictures(data: bytes) -> Iterator[Picture]:
    """Every picture of a file, in order of display."""
    with av.open(io.BytesIO(data), mode="r") as container:
        for frame in container.decode(video=0):
            if frame.time is not None:
                yield Picture(frame.time, frame)


def sound(data: bytes) -> Sound:
    """All sound of a file, placed by its timestamps."""
    with av.open(io.BytesIO(data), mode="r") as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        pieces = [
            (frame.time or 0.0, _mono(resampler.resample(frame)))
            for frame in container.decode(audio=0)
        ]
    if not pieces:
        return Sound(0.0, np.zeros(0, np.float32))
    start_s = pieces[0][0]
    return Sound(start_s, _placed(start_s, pieces))


def packets(data: bytes, kind: str) -> list[tuple[float, bytes]]:
    """``(time in s, payload)`` of each packet of the first stream of a kind, not decoded."""
    with av.open(io.BytesIO(data), mode="r") as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(stream)
            if packet.pts is not None and packet.time_base is not None
        ]


def codecs(data: bytes) -> dict[str, str]:
    """The codec's name of each kind of stream in a file."""
    with av.open(io.BytesIO(data), mode="r") as container:
        return {stream.type: stream.codec_context.name for stream in container.streams}


def _mono(frames: Sequence[AudioFrame]) -> NDArray[np.float32]:
    rows = [frame.to_ndarray().reshape(-1) for frame in frames]
    return np.concatenate(rows).astype(np.float32) if rows else np.zeros(0, np.float32)


def _placed(start_s: float, pieces: list[tuple[float, NDArray[np.float32]]]) -> NDArray[np.float32]:
    ends = [round((at - start_s) * RATE) + len(piece) for at, piece in pieces]
    line = np.zeros(max(ends), np.float32)
    for (_, piece), end in zip(pieces, ends, strict=True):
        line[end - len(piece) : end] = piece
    return line
