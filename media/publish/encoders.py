"""Real-time encoders, one frame in, one frame out.  Used by one thread each, never by the loop."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Protocol

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from media.errors import FarmError
from media.publish.open_encoder import open_encoder

AUDIO_RATE = 48_000  # Hz, of every Opus stream
VIDEO_RATE = 90_000  # Hz, of every video RTP clock
OPUS_SAMPLES = 960  # 20 ms

_VIDEO = {
    "vp8": (
        "libvpx",
        # A negative speed is fixed; a positive one would follow how busy the machine is.
        {
            "deadline": "realtime",
            "cpu-used": "-8",
            "lag-in-frames": "0",
            "static-thresh": "100",  # what does not move costs nothing
        },
    ),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    "h264": (
        "libx264",
        {
            "preset": "superfast",
            "tune": "zerolatency",
            "profile": "baseline",
            "forced-idr": "1",
            "x264-params": "scenecut=0:annexb=1:repeat-headers=1:sliced-threads=0",
        },
    ),
    "av1": (
        "libsvtav1",
        {
            "preset": "8",  # faster ones smear what moves
            # Low delay, constant bitrate, one thread.
            "svtav1-params": "pred-struct=1:rc=2:rtc=1:lp=1",
        },
    ),
}
# It writes to stderr by itself, and hears of nothing but this.  What fails is raised all the same.
os.environ.setdefault("SVT_LOG", "0")


class CannotEncode(FarmError):
    """There is no encoder for what was asked, or it refuses these numbers."""


@contextmanager
def _our_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, ValueError) as exc:
        raise CannotEncode(f"{name}: {exc}") from exc


class VideoEncoder:
    """VP8, VP9, H.264 (constrained baseline, Annex B) or AV1 without any delay."""

    def __init__(
        self, codec: str, *, width: int, height: int, fps: float, bitrate: int, keyframe_s: float
    ) -> None:
        if codec not in _VIDEO:
            raise CannotEncode(f"{codec} cannot be published; {', '.join(_VIDEO)} can")
        name, options = _VIDEO[codec]
        context = av.CodecContext.create(name, "w")
        if not isinstance(context, VideoCodecContext):  # a promise of PyAV, told to the checker
            raise CannotEncode(f"{name} is no video encoder")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = Fraction(1, VIDEO_RATE)
        context.framerate = Fraction(fps).limit_denominator(1001)
        context.bit_rate = bitrate
        context.gop_size = max(1, round(keyframe_s * fps))
        context.thread_count = 1
        context.options = options
        with _our_errors(name):
            open_encoder(context)
        self._context = context
        self._name = name

    def encode(
        self, picture: NDArray[np.uint8], time: int, *, force_key: bool
    ) -> tuple[bytes, bool]:
        """Encode planar YUV 4:2:0; returns the frame and whether it is a key frame."""
        return self.encode_frame(
            av.VideoFrame.from_ndarray(picture, "yuv420p"), time, force_key=force_key
        )

    def encode_frame(
        self, frame: av.VideoFrame, time: int, *, force_key: bool = False
    ) -> tuple[bytes, bool]:
        """Likewise, of a yuv420p frame; ``time`` grows, in ticks of 90 kHz."""
        frame.pts, frame.time_base = time, Fraction(1, VIDEO_RATE)
        frame.pict_type = PictureType.I if force_key else PictureType.NONE
        with _our_errors(self._name):
            packets = self._context.encode(frame)
        return b"".join(bytes(p) for p in packets), any(p.is_keyframe for p in packets)


class SoundEncoder(Protocol):
    """Encodes sound of 48 kHz in packets of 20 ms."""

    delay: int  # samples: what comes out of the decoder is this much late

    def encode(self, samples: NDArray[np.int16], time: int) -> bytes:
        """One packet of 960 interleaved samples per channel; ``time`` in samples."""
        ...


class TelephoneEncoder:
    """G.711 at 8 kHz or G.722 at 16 kHz, mono; the sound must hold nothing near half of that."""

    delay = 0

    def __init__(self, codec: str) -> None:
        """``codec``: ``"pcmu"``, ``"pcma"``, ``"g722"``."""
        name, rate = _TELEPHONE[codec]
        context = av.CodecContext.create(name, "w")
        if not isinstance(context, AudioCodecContext):
            raise CannotEncode(f"{name} is no audio encoder")
        context.sample_rate, context.format, context.layout = rate, "s16", "mono"
        context.time_base = Fraction(1, rate)
        with _our_errors(name):
            context.open()
        self._context, self._name = context, name
        self._step = AUDIO_RATE // rate

    def encode(self, samples: NDArray[np.int16], time: int) -> bytes:
        """One packet of 960 mono samples."""
        thinned = np.ascontiguousarray(samples.reshape(1, -1)[:, :: self._step])
        frame = av.AudioFrame.from_ndarray(thinned, "s16", "mono")
        frame.sample_rate, frame.pts = AUDIO_RATE // self._step, time // self._step
        with _our_errors(self._name):
            return b"".join(bytes(packet) for packet in self._context.encode(frame))


_TELEPHONE = {
    "pcmu": ("pcm_mulaw", 8000),
    "pcma": ("pcm_alaw", 8000),
    "g722": ("g722", 16_000),
}


class OpusEncoder:
    """Opus in packets of 20 ms."""

    def __init__(self, *, channels: int = 1, bitrate: int = 32_000) -> None:
        context = av.CodecContext.create("libopus", "w")
        if not isinstance(context, AudioCodecContext):
            raise CannotEncode("libopus is no audio encoder")
        context.sample_rate = AUDIO_RATE
        context.format = "s16"
        context.layout = self._layout = "mono" if channels == 1 else "stereo"
        context.time_base = Fraction(1, AUDIO_RATE)
        context.bit_rate = bitrate
        context.options = {"application": "lowdelay", "compression_level": "0"}
        with _our_errors("libopus"):
            context.open()
        self._context = context
        # RFC 7845 §5.1: what comes out of the decoder is this much late.
        self.delay = int.from_bytes((context.extradata or bytes(12))[10:12], "little")

    def encode(self, samples: NDArray[np.int16], time: int) -> bytes:
        """One packet of 960 interleaved samples per channel; ``time`` in samples."""
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", self._layout)
        frame.sample_rate, frame.pts = AUDIO_RATE, time
        with _our_errors("libopus"):
            return b"".join(bytes(packet) for packet in self._context.encode(frame))
