"""Keeps a sum of voices within full scale without memory of what was long ago.

The gain at any sample depends only on the 5 ms blocks from 0.6 s before to 10 ms after it, on
a grid that is the same for every slice; so two slices agree on the samples around their seam.  It
falls before a peak, stays for 50 ms, so that it does not follow the waves of a low voice, and
recovers by 60 dB a second, so that nobody hears it move.
"""

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.float32]  # (channels, samples), full scale is 1.0

BLOCK = 240  # samples: 5 ms
_HOLD = 10  # blocks a gain is held for
_MEMORY = 120  # blocks after which a peak counts no more; by then it counts 33 dB less
_RELEASE_DB = 0.3  # a block
_AHEAD = 2  # blocks it comes early
LEAD = (_MEMORY + 2) * BLOCK  # samples before a range that its gains depend on
LOOK_AHEAD = (_AHEAD + 2) * BLOCK  # samples after it
_CEILING = 0.7  # -3 dBFS: what AAC of 48 kbit/s adds to peaks is up to 3 dB

_RELEASE = 10 ** (_RELEASE_DB / 20 * np.maximum(0, np.arange(_MEMORY + 1) - _HOLD))


def limit(pcm: Pcm, first: int) -> Pcm:
    """The same sound, never above full scale; ``first`` is the grid position of its start.

    Sound that is nowhere too loud is given back as it is.
    """
    if not pcm.size or float(np.abs(pcm).max()) <= _CEILING:
        return pcm
    shift = first % BLOCK
    gains = _block_gains(pcm, shift)
    centres = np.arange(len(gains)) * BLOCK + BLOCK // 2 - shift
    curve = np.interp(np.arange(pcm.shape[1]), centres, gains).astype(np.float32)
    limited: Pcm = np.clip(pcm * curve, -1.0, 1.0)
    return limited


def _block_gains(pcm: Pcm, shift: int) -> npt.NDArray[np.float64]:
    blocks = -(-(pcm.shape[1] + shift) // BLOCK)
    padded = np.zeros((pcm.shape[0], blocks * BLOCK), np.float32)
    padded[:, shift : shift + pcm.shape[1]] = pcm
    peaks = np.abs(padded).reshape(pcm.shape[0], blocks, BLOCK).max(axis=(0, 2))
    wanted = np.minimum(1.0, _CEILING / np.maximum(peaks, _CEILING))
    early = _moving(wanted, 0, _AHEAD).min(axis=1)
    released = (_moving(early, _MEMORY, 0) * _RELEASE[::-1]).min(axis=1)
    smooth = np.pad(np.minimum(released, 1.0), 1, mode="edge")
    return np.asarray((smooth[:-2] + smooth[1:-1] + smooth[2:]) / 3)


def _moving(values: npt.NDArray[np.float64], before: int, after: int) -> npt.NDArray[np.float64]:
    padded = np.pad(values, (before, after), constant_values=1.0)
    return np.lib.stride_tricks.sliding_window_view(padded, before + after + 1)
