"""Reads the test pattern back out of pictures and sound, however they were scaled and cropped.

Used by the demo and by tests.  Pictures are luma planes of the region in which one publisher is
shown; the region holds the middle of the publisher's picture (cropped), or all of it (with bars).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from media.publish import frame_code
from media.publish.frame_code import COLUMN, FLASH_FROM, FLASH_UNTIL, ROW, ROWS, TOP, UNITS

Samples = NDArray[np.float32] | NDArray[np.float64] | NDArray[np.int16]  # (n,) or (n, channels)

_ASPECTS = (16 / 9, 4 / 3, 1.0, 3 / 4, 9 / 16)  # of publishers' pictures, where it matters
_LEAST_CONTRAST = 60  # between black and white, of 255
_LEAST_MARGIN = 0.12  # distance of a cell from the middle grey, in parts of the contrast
_HOP_S = 0.001


def read_frame_number(gray: NDArray[np.uint8]) -> tuple[int, int] | None:
    """``(uid code, frame number modulo 65536)`` of a region, or None if no code can be read."""
    for height in _possible_heights(gray):
        lit = _read_cells(gray, height)
        found = frame_code.decode(lit) if lit is not None else None
        if found is not None:
            return found
    return None


def is_flash(gray: NDArray[np.uint8]) -> bool:
    """Whether the ground on both sides of the code is white (see ``read_frame_number``)."""
    for height in _possible_heights(gray):
        lit = _read_cells(gray, height)
        if lit is not None and frame_code.decode(lit) is not None:
            return _sides_are_white(gray, height)
    return False


def flash_onsets(frames: Sequence[tuple[float, bool]]) -> list[float]:
    """The times at which flashes begin, from ``(time in s, is_flash)`` of frames in order."""
    onsets = []
    before = True  # a flash that is already on has an unknown beginning
    for time_s, lit in frames:
        if lit and not before:
            onsets.append(time_s)
        before = lit
    return onsets


def tone_level(samples: Samples, rate: int, hz: float) -> float:
    """Amplitude of one frequency over all of the samples; full scale is 1."""
    sound = _normal(samples)
    if not len(sound):
        return 0.0
    wave = np.exp(-2j * np.pi * hz / rate * np.arange(len(sound)))
    window = np.hanning(len(sound) + 2)[1:-1]
    return float(2 * abs(np.dot(sound * window, wave)) / window.sum())


def tone_presence(
    samples: Samples, rate: int, hz: float, *, window_s: float = 0.1, least: float = 0.03
) -> list[bool]:
    """For each window in order, whether the frequency sounds in it."""
    size = int(rate * window_s)
    starts = range(0, len(samples) - size + 1, size)
    return [tone_level(samples[start : start + size], rate, hz) >= least for start in starts]


def beep_onsets(
    samples: Samples, rate: int, hz: float, *, least: float = 0.1, window_s: float = 0.02
) -> list[float]:
    """The times (s, from the first sample) at which beeps of this frequency begin."""
    level = _envelope(_normal(samples), rate, hz, window_s)
    return [_refined(level, at) * _HOP_S for at in _rises(level, least)]


def _possible_heights(gray: NDArray[np.uint8]) -> Iterator[float]:
    """Heights in region pixels that the publisher's whole picture may have, likely ones first."""
    height, width = gray.shape
    yield float(height)
    for aspect in _ASPECTS:
        candidate = width / aspect
        if height * 0.2 < candidate < height * 1.3 and abs(candidate - height) > 1:
            yield candidate


def _read_cells(gray: NDArray[np.uint8], height: float) -> tuple[bool, ...] | None:
    scale = height / UNITS
    top = (gray.shape[0] - height) / 2 + TOP * scale
    middle = gray.shape[1] / 2
    if top < 0 or middle < COLUMN * scale * 0.75:
        return None
    means = np.array(
        [
            _mean(gray, top + (row + 0.5) * ROW * scale, middle + side * COLUMN * scale, scale)
            for row in range(ROWS)
            for side in (-0.5, 0.5)
        ]
    )
    white, black = means[[0, -1]].mean(), means[[1, -2]].mean()
    contrast = white - black
    distance = means - (white + black) / 2
    if contrast < _LEAST_CONTRAST or np.abs(distance).min() < contrast * _LEAST_MARGIN:
        return None
    return tuple(bool(lit) for lit in distance > 0)


def _mean(gray: NDArray[np.uint8], y: float, x: float, scale: float) -> float:
    """The middle of a cell, of which the edges may be blurred."""
    half_height, half_width = ROW * scale / 4, COLUMN * scale / 4
    rows = slice(round(y - half_height), max(round(y + half_height), round(y - half_height) + 1))
    columns = slice(round(x - half_width), max(round(x + half_width), round(x - half_width) + 1))
    return float(gray[rows, columns].mean())


def _sides_are_white(gray: NDArray[np.uint8], height: float) -> bool:
    scale = height / UNITS
    middle = gray.shape[1] / 2
    top = (gray.shape[0] - height) / 2
    rows = slice(round(top + height * 0.12), round(top + height * 0.86))
    near, far = FLASH_FROM * scale, FLASH_UNTIL * scale
    left = gray[rows, max(0, round(middle - far)) : max(1, round(middle - near))]
    right = gray[rows, round(middle + near) : max(round(middle + far), round(middle + near) + 1)]
    return bool(left.mean() > 165 and right.mean() > 165)


def _normal(samples: Samples) -> NDArray[np.float64]:
    """Mono between -1 and 1."""
    sound = samples.astype(np.float64)
    if samples.dtype == np.int16:
        sound /= 32768
    return sound.mean(axis=1) if sound.ndim == 2 else sound


def _envelope(
    sound: NDArray[np.float64], rate: int, hz: float, window_s: float
) -> NDArray[np.float64]:
    """Amplitude of one frequency each millisecond, over a window around that moment."""
    wave = np.exp(-2j * np.pi * hz / rate * np.arange(len(sound)))
    half = int(rate * window_s / 2)
    total = np.concatenate(([0], np.cumsum(sound * wave)))
    centres = np.arange(0, len(sound), rate * _HOP_S).astype(int)
    first, last = np.maximum(centres - half, 0), np.minimum(centres + half, len(sound))
    return np.asarray(np.abs(total[last] - total[first]) / half, dtype=np.float64)


def _rises(level: NDArray[np.float64], least: float) -> list[int]:
    loud = level >= least
    return [int(at) for at in np.flatnonzero(loud[1:] & ~loud[:-1]) + 1]


def _refined(level: NDArray[np.float64], at: int) -> float:
    """Where the level passes half of its plateau: there the window is half full of beep."""
    half = level[at : at + 60].max() / 2
    begin = max(at - 30, 1)
    passed = np.flatnonzero(level[begin : at + 60] >= half)
    index = begin + int(passed[0])
    step = level[index] - level[index - 1]
    return index - float((level[index] - half) / step) if step > 0 else float(index)
