"""A speaker whose sender rests in pauses (Opus DTX), as a browser's does."""

import ctypes.util
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from cffi import FFI
from numpy.typing import NDArray

from media.cut import opus
from media.tape.model import NS, Frame, Track
from tests.media.cut.scene import OPUS

RATE, PACKET = opus.RATE, 960
NOISE = 0.004  # of the room, in every pause

_VOIP, _SET_BITRATE, _SET_DTX = 2048, 4002, 4016
_ffi = FFI()
_ffi.cdef(
    """
    typedef struct OpusEncoder OpusEncoder;
    OpusEncoder *opus_encoder_create(int32_t rate, int channels, int application, int *error);
    void opus_encoder_destroy(OpusEncoder *encoder);
    int opus_encoder_ctl(OpusEncoder *encoder, int request, ...);
    int32_t opus_encode_float(OpusEncoder *encoder, const float *pcm, int samples,
                              unsigned char *data, int32_t room);
    """
)


def speaker(
    of: Track,
    speaks: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    *,
    start_ns: int,
    seconds: float,
    tireless: bool = False,
) -> list[Frame]:
    """What is sent of a voice that is heard at the times (seconds) that ``speaks`` says.

    ``tireless`` senders also send the packets that say nothing.
    """
    at = np.arange(int(seconds * RATE)) / RATE
    pitch = 2 * np.pi * np.cumsum(140 + 20 * np.sin(2 * np.pi * 0.7 * at)) / RATE
    voice = sum(np.sin(k * pitch) / k for k in range(1, 20)) * (1 + np.sin(2 * np.pi * 4 * at))
    noise = np.random.default_rng(1).standard_normal(len(at))
    wave = 0.1 * voice * speaks(at) + NOISE * noise
    frames: list[Frame] = []
    rests = False
    for n, data in enumerate(_encoded(wave.astype(np.float32))):
        # Of packets that say nothing senders usually send the first.
        if tireless or not (rests and opus.rests(data)):
            at_ns = start_ns + n * PACKET * NS // RATE
            frames.append(Frame(of, OPUS, at_ns, 7000 + n * PACKET, data, True, True))
        rests = opus.rests(data)
    return frames


def _encoded(wave: NDArray[np.float32]) -> list[bytes]:
    library = _ffi.dlopen(_name())
    error = _ffi.new("int *")
    encoder = library.opus_encoder_create(RATE, 1, _VOIP, error)
    assert not error[0]
    for request, value in ((_SET_BITRATE, 24_000), (_SET_DTX, 1)):
        assert library.opus_encoder_ctl(encoder, request, _ffi.cast("int", value)) == 0
    room = _ffi.new("unsigned char[1500]")
    packets = []
    for i in range(0, len(wave) // PACKET * PACKET, PACKET):
        block = np.ascontiguousarray(wave[i : i + PACKET])
        pcm = _ffi.cast("const float *", _ffi.from_buffer(block))
        size = library.opus_encode_float(encoder, pcm, PACKET, room, 1500)
        assert size > 0
        packets.append(bytes(_ffi.buffer(room, size)))
    library.opus_encoder_destroy(encoder)
    return packets


def _name() -> str:
    """Of the library that PyAV brings, or the system has."""
    bundled = sorted((Path(av.__file__).parent.parent / "av.libs").glob("libopus*"))
    return str(bundled[0]) if bundled else ctypes.util.find_library("opus") or "libopus.so.0"
