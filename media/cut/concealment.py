"""What is heard in place of lost packets."""

import numpy as np

from media.cut import opus
from media.cut.limiter import Pcm
from media.cut.sound_decoder import SoundDecoder

# A guess sounds right for a moment; then it sounds like a machine, and silence is better.
_SURE = opus.RATE * 60 // 1000
_UNTIL = opus.RATE * 120 // 1000
_RISE = opus.RATE * 5 // 1000


def concealed(decoder: SoundDecoder, lost: int, following: bytes) -> tuple[Pcm, float]:
    """``lost`` samples that go on from what was decoded last, and the gain they end with.

    The last of them are what the ``following`` packet repeats, if it does.  The others are a
    guess that has faded out 120 ms after the last sound.
    """
    known = decoder.repeats(following)
    if known > lost:
        known = 0
    guess = decoder.conceal(min(lost - known, _UNTIL))
    gains = _gains(guess.shape[1])
    sound = np.pad(guess * gains, ((0, 0), (0, lost - known - guess.shape[1])))
    gain = float(gains[-1]) if 0 < guess.shape[1] == lost - known else 0.0
    repeated = decoder.recover(following) if known else None
    if repeated is None:
        return sound, gain
    if gain < 1.0 and lost > known:
        repeated[:, :_RISE] *= np.linspace(gain, 1.0, repeated[:, :_RISE].shape[1])
    return np.concatenate((sound, repeated), axis=1), 1.0


def _gains(count: int) -> Pcm:
    behind = np.arange(count, dtype=np.float32)
    return np.clip((_UNTIL - behind) / (_UNTIL - _SURE), 0.0, 1.0).astype(np.float32)
