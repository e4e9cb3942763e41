"""The sound of the test pattern: a steady tone of the uid's own and a beep each second."""

import zlib

import numpy as np
from numpy.typing import NDArray

RATE = 48_000  # Hz
BEEP_S = 0.1
TONE_LEVEL = 0.1  # amplitude; full scale is 1
BEEP_LEVEL = 0.4

_PLACES = 16
_RAMP = 96  # samples: 2 ms, so that a beep's edge is no click
_BEEP = int(RATE * BEEP_S)


def tone_hz(uid: str) -> int:
    """The uid's steady tone: 300 to 900 Hz in steps of 40 Hz, neighbours 280 Hz or more apart."""
    return 300 + 40 * _place(uid)


def beep_hz(uid: str) -> int:
    """The uid's beep: 2000 to 3800 Hz in steps of 120 Hz, so that a mix can be told apart."""
    return 2000 + 120 * _place(uid)


def _place(uid: str) -> int:
    number = int(uid) if uid.isascii() and uid.isdigit() else zlib.crc32(uid.encode())
    return number * 7 % _PLACES


class PatternSound:
    """The endless sound of one uid; any stretch of it can be asked for, in any order.

    All frequencies are whole, so the sound repeats each second and one second is all there is
    to compute.
    """

    def __init__(self, uid: str) -> None:
        second = TONE_LEVEL * _sine(tone_hz(uid), RATE)
        second[:_BEEP] += BEEP_LEVEL * _envelope() * _sine(beep_hz(uid), _BEEP)
        self._second = np.round(second * 32767).astype(np.int16)

    def samples(self, first: int, count: int) -> NDArray[np.int16]:
        """``count`` mono samples from number ``first`` on (48 kHz, 0 is the start)."""
        return np.take(self._second, np.arange(first, first + count), mode="wrap")


def _sine(hz: int, count: int) -> NDArray[np.float64]:
    wave: NDArray[np.float64] = np.sin(2 * np.pi * hz / RATE * np.arange(count))
    return wave


def _envelope() -> NDArray[np.float64]:
    ramp = (1 - np.cos(np.pi * np.arange(_RAMP) / _RAMP)) / 2
    envelope = np.ones(_BEEP)
    envelope[:_RAMP], envelope[-_RAMP:] = ramp, ramp[::-1]
    return envelope
