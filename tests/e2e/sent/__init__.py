"""What Chromium's fake camera and microphone really gave, noted in the page that sends it.

Both are threads of a program that may be kept from running: then pictures come late, sound is
left out, beeps move.  A file shall show what was sent, so it is compared with that and not with
what the devices would do on a machine with nothing else to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import BrowserContext, Page

from tests.e2e.fake_device import DEGREES_PER_S, LOUD, TURN_S, Moving

_SCRIPT = Path(__file__).parent / "note.js"
_LATE_S = (0.0, 0.02, 0.04)  # a picture is shown at the canvas' next tick


@dataclass(frozen=True, slots=True)
class Sent:
    """What was noted of one page until now."""

    beeps_s: NDArray[np.float64]  # when each began, in seconds of samples given so far
    beeps_at_s: NDArray[np.float64]  # and by the clock, which runs on where samples are left out
    frames_at_s: NDArray[np.float64]  # when each picture was taken, by the clock
    frames_turned_s: NDArray[np.float64]  # how far the pie was turned in it
    pictures: int  # encoded and sent, of connections that are open

    def beeps_parted_s(self, heard_s: Sequence[float]) -> float:
        """How far apart the places of a file's beeps are, relative to those that were sent.

        A recorder learns from sender reports that sound was left out: in the file the time
        between two beeps is that of the samples between them, or that of the clock, or in
        between.  Infinite if a beep is missing between the first and the last, or is one too many.
        """
        heard, count = np.array(heard_s), len(heard_s)
        apart = [float("inf")]
        for first in range(len(self.beeps_s) - count + 1):
            part = slice(first, first + count)
            by_samples = heard - self.beeps_s[part]
            left_out = self.beeps_at_s[part] - self.beeps_s[part]
            by_clock = by_samples - (left_out - left_out[0])
            apart.append(float(by_clock.max() - by_samples.min()))
        return min(apart)

    @property
    def longest_silence_s(self) -> float:
        """Between the beginnings of two beeps, by the clock."""
        return float(np.diff(self.beeps_at_s).max())

    @property
    def longest_stand_s(self) -> float:
        """For which the camera gave no picture."""
        return float(np.diff(self.frames_at_s).max())

    def pictures_parted_s(self, seen: Moving) -> NDArray[np.float64]:
        """For each new picture in a file, by how much its pie differs from what was sent then.

        The pie is a clock that begins anew with each turn: so is what is found, half a turn
        (0.3 s) at most.  File and page count from moments of their own; the best fit is taken.
        """
        times_s, clock_s = np.array(seen.times_s), np.array(seen.clock_s)
        new = np.flatnonzero(np.diff(clock_s) > TURN_S / 100) + 1
        since_s = times_s[new] - times_s[new[0]]
        firsts_s = self.frames_at_s[self.frames_at_s <= self.frames_at_s[-1] - since_s[-1]]
        return min(
            (
                self._parted_s(since_s + first_s + late_s, clock_s[new])
                for first_s in firsts_s
                for late_s in _LATE_S
            ),
            key=lambda parted: float(np.percentile(np.abs(parted), 95)),
        )

    def _parted_s(
        self, at_s: NDArray[np.float64], clock_s: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        shown = np.searchsorted(self.frames_at_s, at_s, side="right") - 1
        turned = clock_s - self.frames_turned_s[shown]
        return np.asarray((turned + TURN_S / 2) % TURN_S - TURN_S / 2)


async def note(context: BrowserContext) -> None:
    """From now on pages of this browser note what they send."""
    await context.add_init_script(path=_SCRIPT)


async def pictures_sent(page: Page) -> int:
    """Video frames that its open connections have sent so far."""
    return int(await page.evaluate("noted.sent()"))


async def noted(page: Page) -> Sent:
    """All that a page has sent so far."""
    sound = np.array(await page.evaluate("noted.sound"))
    frames = np.array(await page.evaluate("noted.frames"))
    loud = sound[:, 2] > LOUD
    begin = np.flatnonzero(loud[1:] & ~loud[:-1]) + 1
    return Sent(
        beeps_s=sound[begin, 0],
        beeps_at_s=sound[begin, 1],
        frames_at_s=frames[:, 0],
        frames_turned_s=frames[:, 1] * 360 / DEGREES_PER_S,
        pictures=await pictures_sent(page),
    )
