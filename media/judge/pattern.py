"""What became of a publisher's test pattern in finished files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from media.judge.decode import RATE, Picture, Sound
from media.publish.read_pattern import (
    beep_onsets,
    flash_onsets,
    is_flash,
    read_frame_number,
    tone_presence,
)
from media.publish.tones import beep_hz, tone_hz

_WRAP = 1 << 16


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the canvas in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The frame numbers read from one publisher's region."""

    numbers: tuple[int, ...]  # unwrapped, without repetitions, in the order shown
    unreadable: int  # pictures between the first and the last readable one without a code
    flashes_s: tuple[float, ...]

    @property
    def missing(self) -> int:
        """Frames that the publisher sent between the first and the last seen, and nobody saw."""
        shown = set(self.numbers)
        return max(shown) - min(shown) + 1 - len(shown) if shown else 0

    @property
    def missing_share(self) -> float:
        """The same as a part of all."""
        return self.missing / (max(self.numbers) - min(self.numbers) + 1) if self.numbers else 1.0

    @property
    def disordered(self) -> int:
        """How often a picture was older than the one before it."""
        return sum(b < a for a, b in zip(self.numbers, self.numbers[1:], strict=False))


def watch(pictures: Iterable[Picture], region: Region | None = None) -> Seen:
    """Read a region (all of the picture if None) from beginning to end."""
    numbers: list[int] = []
    lit: list[tuple[float, bool]] = []
    unreadable = pending = 0
    for picture in pictures:
        luma = picture.luma()
        if region is not None:
            luma = luma[region.y : region.y + region.height, region.x : region.x + region.width]
        found = read_frame_number(luma)
        if found is None:
            pending += bool(numbers)
            continue
        unreadable, pending = unreadable + pending, 0
        number = _unwrapped(found[1], numbers[-1] if numbers else None)
        if not numbers or number != numbers[-1]:
            numbers.append(number)
        lit.append((picture.time_s, is_flash(luma)))
    return Seen(tuple(numbers), unreadable, tuple(flash_onsets(lit)))


def heard(sound: Sound, uid: str, *, from_s: float, until_s: float) -> float:
    """The share of a time in which a publisher's tone is to be heard; beeps count as sound."""
    first = max(round((from_s - sound.start_s) * RATE), 0)
    last = max(round((until_s - sound.start_s) * RATE), 0)
    windows = tone_presence(sound.samples[first:last], RATE, tone_hz(uid))
    return float(np.mean(windows)) if windows else 0.0


def beeps(sound: Sound, uid: str) -> list[float]:
    """When a publisher's beeps begin, in the stream's time."""
    onsets = beep_onsets(sound.samples, RATE, beep_hz(uid))
    return [sound.start_s + onset for onset in onsets]


def offsets(flashes: Sequence[float], beeps_: Sequence[float]) -> list[float]:
    """For each flash the signed distance (s) of the nearest beep; positive: sound is late."""
    times = np.asarray(beeps_)
    return [float(times[np.abs(times - at).argmin()] - at) for at in flashes] if len(times) else []


def p95(values: Sequence[float]) -> float:
    """The 95th percentile of the absolute values."""
    return float(np.percentile(np.abs(values), 95)) if values else float("inf")


def _unwrapped(number: int, before: int | None) -> int:
    if before is None:
        return number
    return before + (number - before + _WRAP // 2) % _WRAP - _WRAP // 2
