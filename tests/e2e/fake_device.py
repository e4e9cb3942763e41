"""Reads Chromium's fake camera and microphone back out of finished files.

The camera shows a bright pie on dark green.  Its angle is the camera's clock: it grows by
600 degrees in a second and begins anew after 361.  The microphone beeps twice a second.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.judge.decode import RATE, Picture, Sound

BEEP_PERIOD_S = 0.5
DEGREES_PER_S = 600
TURN_S = 361 / DEGREES_PER_S
_RADIUS = 1 / 4  # of the picture's height
_LEAST_CONTRAST = 40  # between pie and ground, of 255
_HOP = RATE // 100
LOUD = 0.2  # full scale is 1; the room's own noise stays under 0.02


@dataclass(frozen=True, slots=True)
class Moving:
    """The fake camera in the pictures of a file, in the order shown."""

    times_s: tuple[float, ...]  # of the pictures that show it
    clock_s: tuple[float, ...]  # what the pie says at these times, running on over its turns
    without: int  # pictures after the first that shows it, and which do not

    @property
    def longest_stand_s(self) -> float:
        """The longest time for which the picture did not move."""
        longest = since_s = 0.0
        for (before_s, at_s), (old, new) in zip(
            itertools.pairwise(self.times_s), itertools.pairwise(self.clock_s), strict=True
        ):
            since_s = since_s + at_s - before_s if new - old < TURN_S / 100 else 0.0
            longest = max(longest, since_s)
        return longest


def watch(pictures: Iterable[Picture]) -> Moving:
    """Look at all pictures of a file."""
    times: list[float] = []
    clock: list[float] = []
    without = 0
    for picture in pictures:
        turned_s = _turned_s(picture)
        if turned_s is None:
            without += bool(times)
            continue
        step_s = (turned_s - clock[-1]) % TURN_S if clock else turned_s
        # Coding noise may turn the pie of a repeated picture back by a hair.
        step_s -= TURN_S if step_s > TURN_S * 0.97 else 0
        times.append(picture.time_s)
        clock.append((clock[-1] if clock else 0.0) + step_s)
    return Moving(tuple(times), tuple(clock), without)


def beeps(sound: Sound) -> list[float]:
    """When the microphone's beeps begin, in the stream's time."""
    hops = len(sound.samples) // _HOP
    loud = np.abs(sound.samples[: hops * _HOP]).reshape(hops, _HOP).max(axis=1) > LOUD
    onsets = np.flatnonzero(loud[1:] & ~loud[:-1]) + 1
    return [sound.start_s + float(onset) * _HOP / RATE for onset in onsets]


def _turned_s(picture: Picture) -> float | None:
    """The pie's angle as a time, None where there is no fake camera."""
    rgb = picture.frame.to_ndarray(format="rgb24").astype(np.int16)
    height, width = rgb.shape[:2]
    radius = round(height * _RADIUS)
    rows = slice(height // 2 - radius, height // 2 + radius)
    columns = slice(width // 2 - radius, width // 2 + radius)
    square, ground = rgb[rows, columns], np.median(_beside(rgb, radius), axis=(0, 1))
    if not _is_green(ground):
        return None
    lit = square.sum(axis=2) - ground.sum() > _LEAST_CONTRAST
    return float(lit.sum() / (np.pi * radius**2)) * 360 / DEGREES_PER_S


def _beside(rgb: NDArray[np.int16], radius: int) -> NDArray[np.int16]:
    """The ground between the pie and the left edge."""
    height, width = rgb.shape[:2]
    return rgb[height // 2 - radius : height // 2 + radius, : width // 2 - radius - 4]


def _is_green(colour: NDArray[np.float64]) -> bool:
    red, green, blue = colour
    return bool(green > 90 and red < 60 and blue < 60)
