"""Looks at finished files: colours, numbers and tones."""

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.media.cut.scene import BITS, CELL, Colour

START_S = 10.0  # every TS file's clock reads this at the recording's start


@dataclass(frozen=True)
class Shot:
    """One decoded picture and its time since the recording's start (or the file's, WebM)."""

    time_s: float
    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]

    def colour(self, x: float, y: float) -> Colour:
        """Around a point given in fractions of the picture."""
        high, wide = self.y.shape
        row, column = int(y * high), int(x * wide)
        box = np.s_[row - 3 : row + 4, column - 3 : column + 4]
        half = np.s_[row // 2 - 2 : row // 2 + 3, column // 2 - 2 : column // 2 + 3]
        return Colour(*(round(float(p.mean())) for p in (self.y[box], self.u[half], self.v[half])))

    def number(self, x: int, y: int, width: int, height: int, source: tuple[int, int]) -> int:
        """The number written in a region that shows a cropped picture of size ``source``."""
        scale = max(width / source[0], height / source[1])
        number = 0
        for bit, (right, down) in enumerate(BITS):
            column = round(x + width / 2 + right * CELL * scale)
            row = round(y + height / 2 + down * CELL * scale)
            if self.y[row, column] > 125:
                number |= 1 << bit
        return number


def like(one: Colour, other: Colour, tolerance: int = 12) -> bool:
    pairs = zip((one.y, one.u, one.v), (other.y, other.u, other.v), strict=True)
    return all(abs(a - b) <= tolerance for a, b in pairs)


def shots(path: Path) -> list[Shot]:
    found = []
    with av.open(str(path)) as file:
        base = START_S if file.format.name == "mpegts" else 0.0
        for frame in file.decode(video=0):
            array = frame.to_ndarray(format="yuv420p")
            high, wide = frame.height, frame.width
            chroma = array[high:].reshape(2, high // 2, wide // 2)
            found.append(Shot(float(frame.time) - base, array[:high], chroma[0], chroma[1]))
    return found


@dataclass(frozen=True)
class Sound:
    """Decoded sound of one file; ``start_s`` since the recording's start."""

    start_s: float
    pcm: NDArray[np.float32]  # (channels, samples)

    def part(self, begin_s: float, end_s: float) -> NDArray[np.float32]:
        a, b = (round((at - self.start_s) * 48_000) for at in (begin_s, end_s))
        return self.pcm[0, max(a, 0) : b]

    def level(self, hz: float, begin_s: float, end_s: float) -> float:
        """Amplitude of a tone within a range of time."""
        part = self.part(begin_s, end_s)
        at = np.arange(len(part)) / 48_000
        return float(2 * abs(np.mean(part * np.exp(-2j * np.pi * hz * at))))


def sound(path: Path) -> Sound:
    with av.open(str(path)) as file:
        frames = list(file.decode(audio=0))
        first = float(frames[0].time) - START_S
        return Sound(first, np.concatenate([frame.to_ndarray() for frame in frames], axis=1))


def packets(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as file:
        return [
            (float(packet.pts * packet.time_base) - START_S, bytes(packet))
            for packet in file.demux(file.streams[0])
            if packet.size
        ]


def concatenated(paths: Iterable[Path], target: Path) -> Path:
    target.write_bytes(b"".join(path.read_bytes() for path in paths))
    return target


def assert_plays(path: Path) -> None:
    """The whole file decodes without a single complaint of the ffmpeg program."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed")
    run = subprocess.run(
        [ffmpeg, "-v", "warning", "-xerror", "-i", str(path), "-f", "null", "-"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
