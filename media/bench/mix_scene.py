"""What the publishers of a mix show and say: pictures that move and have noise, and voices."""

import math

import numpy as np
import numpy.typing as npt

from media.publish.encoders import AUDIO_RATE

Picture = npt.NDArray[np.uint8]  # planar YUV 4:2:0, (height * 3 / 2, width)

_NOISE = 2.2  # of a camera in a room, standard deviation in steps of 8 bits
_FIELDS = 16  # noise fields; each is used from many corners
_MARGIN = 32  # pixels the wall reaches over the picture on each side


class Scene:
    """Somebody before a wall, filmed by hand; each picture is a function of seed and number."""

    def __init__(self, seed: int, width: int, height: int) -> None:
        """``width`` and ``height`` are even."""
        rng = np.random.default_rng(seed)
        self._width, self._height, self._seed = width, height, seed
        self._wall = _texture(rng, height + 2 * _MARGIN, width + 2 * _MARGIN, 110, 40)
        self._noise = rng.normal(0, _NOISE, (_FIELDS, height + 64, width + 64)).astype(np.int8)
        high, wide = height * 3 // 5, height * 2 // 5 // 2 * 2
        self._person = _texture(rng, high, wide, 150, 25)
        down, across = np.mgrid[-1 : 1 : high * 1j, -1 : 1 : wide * 1j]
        self._shape = down**2 + across**2 <= 1
        self._colours = [int(c) for c in rng.integers(90, 166, 4)]

    def picture(self, number: int) -> Picture:
        """One picture of thirty per second."""
        width, height = self._width, self._height
        x, y = self._swing(number, 97, _MARGIN - 1), self._swing(number, 61, _MARGIN - 1)
        top, left = _MARGIN + y, _MARGIN + x
        luma = self._wall[top : top + height, left : left + width].copy()
        chroma = np.empty((2, height // 2, width // 2), np.uint8)
        chroma[0], chroma[1] = self._colours[:2]
        self._put_person(number, luma, chroma)
        rng = np.random.default_rng((self._seed, number))
        field, down, across = rng.integers(0, (_FIELDS, 64, 64))
        luma += self._noise[field, down : down + height, across : across + width]
        out = np.concatenate((luma.clip(16, 235).astype(np.uint8).reshape(-1), chroma.reshape(-1)))
        return out.reshape(height * 3 // 2, width)

    def _put_person(
        self, number: int, luma: npt.NDArray[np.int16], chroma: npt.NDArray[np.uint8]
    ) -> None:
        high, wide = self._person.shape
        x = (self._width - wide) // 2 + self._swing(number, 43, self._width // 8)
        y = self._height // 4 + self._swing(number, 29, self._height // 12)
        x, y = x // 2 * 2, y // 2 * 2
        luma[y : y + high, x : x + wide][self._shape] = self._person[self._shape]
        for plane, colour in zip(chroma, self._colours[2:], strict=True):
            part = plane[y // 2 : y // 2 + high // 2, x // 2 : x // 2 + wide // 2]
            part[self._shape[1::2, ::2][: part.shape[0]]] = colour

    def _swing(self, number: int, period: int, reach: int) -> int:
        return round(reach * math.sin(math.tau * (number / period + self._seed / 7)))


def _texture(
    rng: np.random.Generator, height: int, width: int, level: int, contrast: int
) -> npt.NDArray[np.int16]:
    """Large forms and small ones, as much of each as a picture of a room has."""
    total = np.zeros((height, width))
    for step in (64, 32, 16, 8, 4):
        coarse = rng.normal(0, step, (height // step + 2, width // step + 2))
        rows, columns = np.arange(height) / step, np.arange(width) / step
        wide = _between(coarse, columns, axis=1)
        total += _between(wide, rows, axis=0)
    total *= contrast / total.std()
    return (level + total).clip(16, 235).astype(np.int16)


def _between(
    values: npt.NDArray[np.float64], at: npt.NDArray[np.float64], axis: int
) -> npt.NDArray[np.float64]:
    """Linear interpolation along an axis."""
    low = at.astype(int)
    part = (at - low).reshape((-1, 1) if axis == 0 else (1, -1))
    before, after = np.take(values, low, axis), np.take(values, low + 1, axis)
    return np.asarray(before * (1 - part) + after * part)


def voice(seed: int, samples: int) -> npt.NDArray[np.int16]:
    """Mono at 48 kHz: somebody who speaks now and then."""
    rng = np.random.default_rng(seed)
    at = np.arange(samples) / AUDIO_RATE
    pitch = rng.uniform(100, 220) * (1 + 0.05 * np.sin(2 * np.pi * at * 2.3))
    phase = 2 * np.pi * np.cumsum(pitch) / AUDIO_RATE
    wave = sum(np.sin(phase * k) / k for k in range(1, 9))
    syllables = np.clip(np.sin(2 * np.pi * (at * rng.uniform(3, 5) + rng.uniform())), 0, 1)
    talks = np.sin(2 * np.pi * (at / rng.uniform(4, 9) + rng.uniform())) > -0.2
    sound = wave * syllables * talks * 2000 + rng.normal(0, 60, samples)
    return np.asarray(sound.clip(-32768, 32767), np.int16)
