"""Real-time encoders, one frame in, one frame out.  Used by one thread each, never by the loop."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from media.errors import FarmError

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
}


class CannotEncode(FarmError):
    """There is no encoder for what was asked, or it refuses these numbers."""


@contextmanager
def _our_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, ValueError) as exc:
        raise CannotEncode(f"{name}: {exc}") from exc


class VideoEncoder:
    """VP8, VP9 or H.264 (constrained baseline, Annex B) without any delay."""

    def __init__(
        self, codec: str, *, width: int, height: int, fps: float, bitrate: int, keyframe_s: float
    ) -> None:
        if codec not in _VIDEO:
            raise CannotEncode(f"publishing {codec} is not possible yet; vp8, vp9 and h264 are")
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
            context.open()
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
