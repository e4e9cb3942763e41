"""Keeps a sum of voices within full scale without memory of what was long ago.

The gain at any sample depends only on the 5 ms blocks from 200 ms before to 10 ms after it, on a
grid that is the same for every slice; so two slices agree on the samples around their seam.
"""

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.float32]  # (channels, samples), full scale is 1.0

BLOCK = 240  # samples: 5 ms
_HOLD = 40  # blocks a gain is held for
_AHEAD = 2  # blocks it comes early
LEAD = (_HOLD + 2) * BLOCK  # samples before a range that its gains depend on
LOOK_AHEAD = (_AHEAD + 2) * BLOCK  # samples after it
_CEILING = 0.95


def limit(pcm: Pcm, first: int) -> Pcm:
    """The same sound, never above full scale; ``first`` is the grid position of its start."""
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
    held = _moving(wanted, _HOLD, _AHEAD).min(axis=1)
    return np.asarray(_moving(held, 1, 1).mean(axis=1))


def _moving(values: npt.NDArray[np.float64], before: int, after: int) -> npt.NDArray[np.float64]:
    padded = np.pad(values, (before, after), constant_values=1.0)
    return np.lib.stride_tricks.sliding_window_view(padded, before + after + 1)
