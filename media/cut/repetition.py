"""Goes on with a sound whose continuation is lost, for codecs that cannot do it themselves."""

import numpy as np
import numpy.typing as npt

_Wave = npt.NDArray[np.float32]

_BLEND = 4  # a period's first part of so many is blended with what would have followed


def repeated(recent: _Wave, count: int) -> _Wave:
    """``count`` samples that go on like the last period of ``recent``, which holds 50 ms.

    The method of G.711 Appendix I: the period is the lag, of 5 to 15 ms, at which the sound is
    most like itself.
    """
    size = len(recent)
    shortest, longest = size // 10, size * 3 // 10
    like = recent[-2 * shortest :]
    period = max(range(shortest, longest + 1), key=lambda lag: _likeness(recent, like, lag))
    cycle = recent[-period:].copy()
    # Each period runs into the next: its end turns into what came before its beginning.
    blend = period // _BLEND
    weight = np.linspace(0, 1, blend, endpoint=False, dtype=np.float32)
    before = recent[-period - blend : -period]
    cycle[-blend:] = cycle[-blend:] * (1 - weight) + before * weight
    return np.resize(cycle, count)


def _likeness(recent: _Wave, like: _Wave, lag: int) -> float:
    other = recent[-len(like) - lag : -lag]
    power = float(other @ other)
    return float(like @ other) / power**0.5 if power > 0 else 0.0
