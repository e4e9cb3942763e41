"""The reference decoder of Opus itself: FFmpeg's wrapper of it hides what it knows of losses.

It is the library that FFmpeg's libraries brought into this process, so there is nothing to install.
"""

import ctypes.util
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from cffi import FFI

from media.cut import opus
from media.cut.limiter import Pcm
from media.errors import CutFailed

_ffi = FFI()
_ffi.cdef(
    """
    typedef struct OpusDecoder OpusDecoder;
    OpusDecoder *opus_decoder_create(int32_t rate, int channels, int *error);
    void opus_decoder_destroy(OpusDecoder *decoder);
    int opus_decode_float(OpusDecoder *decoder, const unsigned char *packet, int32_t length,
                          float *pcm, int samples, int decode_fec);
    """
)


class Decoder:
    """One stream at 48 kHz, with its memory of what came before.  Raises CutFailed."""

    def __init__(self, channels: int) -> None:
        """Gives so many channels, 1 or 2, whatever packets hold."""
        library, error = _library(), _ffi.new("int *")
        state = library.opus_decoder_create(opus.RATE, channels, error)
        if error[0]:
            raise CutFailed(f"libopus gives no decoder: error {error[0]}")
        self._state = _ffi.gc(state, library.opus_decoder_destroy)
        self._decode = library.opus_decode_float
        self._pcm = np.empty((opus.LONGEST, channels), np.float32)
        self._room = _ffi.cast("float *", _ffi.from_buffer(self._pcm))

    def decode(self, packet: bytes) -> Pcm | None:
        """The samples of a packet, full scale 1.0; None if it is damaged."""
        return self._decoded(packet, opus.LONGEST, 0)

    def conceal(self, samples: int) -> Pcm | None:
        """What may have been in a lost packet: so many samples, a multiple of 120."""
        return self._decoded(b"", samples, 0)

    def recover(self, packet: bytes, samples: int) -> Pcm | None:
        """A poorer copy of what was before this packet (RFC 6716 §2.1.7), where it has one."""
        return self._decoded(packet, samples, 1)

    def _decoded(self, packet: bytes, samples: int, fec: int) -> Pcm | None:
        data = packet or _ffi.NULL
        count = self._decode(self._state, data, len(packet), self._room, samples, fec)
        return self._pcm[:count].T.copy() if count > 0 else None


@cache
def _library() -> Any:
    bundled = Path(av.__file__).parent.parent / "av.libs"
    names = [*map(str, sorted(bundled.glob("libopus*"))), ctypes.util.find_library("opus")]
    for name in [*filter(None, names), "libopus.so.0"]:
        try:
            return _ffi.dlopen(name)
        except OSError:
            continue
    raise CutFailed("libopus is not found beside FFmpeg's libraries, nor on this system")
