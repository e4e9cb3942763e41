"""Decoded pictures and sound of a file, on one timeline."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray


@dataclass(frozen=True)
class GrayFrame:
    """One picture: its time in the file (s) and its luma."""

    time_s: float
    gray: NDArray[np.uint8]

    def region(self, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        return self.gray[y : y + height, x : x + width]


@dataclass(frozen=True)
class AudioSamples:
    """Mono sound; holes in the file's timeline are silence here, so an index is a time."""

    start_s: float
    rate: int
    samples: NDArray[np.float32]


def video_frames(path: Path | str) -> Iterator[GrayFrame]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield GrayFrame(float(frame.time), luma(frame))


def luma(frame: av.VideoFrame) -> NDArray[np.uint8]:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width].copy()


def audio_samples(path: Path | str, rate: int = 48_000) -> AudioSamples:
    resampler = AudioResampler("flt", "mono", rate)
    pieces: list[tuple[float, NDArray[np.float32]]] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            # One frame at a time: a resampler fed across a hole would close it.
            time_s = float(frame.time)
            ready = [piece.to_ndarray().reshape(-1) for piece in resampler.resample(frame)]
            pieces.append((time_s, np.concatenate(ready)))
    if not pieces:
        return AudioSamples(0.0, rate, np.zeros(0, np.float32))
    start_s = pieces[0][0]
    end = max(round((at - start_s) * rate) + len(piece) for at, piece in pieces)
    samples = np.zeros(end, np.float32)
    for at, piece in pieces:
        first = round((at - start_s) * rate)
        samples[first : first + len(piece)] = piece
    return AudioSamples(start_s, rate, samples)


def crop_to_fill(picture: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    """Scale so that a region is filled and cut off what hangs over, as layouts do."""
    scale = max(width / picture.width, height / picture.height)
    wide, high = round(picture.width * scale / 2) * 2, round(picture.height * scale / 2) * 2
    gray = luma(picture.reformat(width=max(wide, width), height=max(high, height)))
    x, y = (gray.shape[1] - width) // 2, (gray.shape[0] - height) // 2
    return gray[y : y + height, x : x + width]
