"""One track of a media file on its way out: copied, or decoded and encoded again."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from media.publish.encoders import (
    AUDIO_RATE,
    OPUS_SAMPLES,
    VIDEO_RATE,
    OpusEncoder,
    VideoEncoder,
)
from media.publish.sources import Unit
from media.tape.model import Kind

_KEYFRAME_S = 1.0  # nobody can ask a file for a key frame, so they are frequent
_BITS_PER_PIXEL = 0.08
_OPUS_BITRATE = 48_000  # per channel


class Lane(Protocol):
    """What becomes of the packets of one stream; the last packet is empty and flushes."""

    @property
    def stream(self) -> VideoStream | AudioStream:
        """Where the packets come from."""
        ...

    def feed(self, packet: "Packet[Any]") -> Iterator[Unit]:
        """What this packet makes ready to be sent."""
        ...


class CopiedVideo:
    """VP8 as it stands, H.264 turned into Annex B with parameter sets before key frames."""

    def __init__(self, stream: VideoStream, start_s: float) -> None:
        self.stream = stream
        self._start_s = start_s
        h264 = stream.codec_context.name == "h264"
        self._filter = BitStreamFilterContext("h264_mp4toannexb", stream) if h264 else None

    def feed(self, packet: "Packet[Any]") -> Iterator[Unit]:
        """One picture."""
        if packet.pts is None:
            return
        time = _ticks(packet.pts, packet.time_base, self._start_s, VIDEO_RATE)
        for ready in self._filter.filter(packet) if self._filter is not None else [packet]:
            yield Unit(Kind.VIDEO, time, bytes(ready), keyframe=ready.is_keyframe)


class CopiedAudio:
    """Opus packets of 20 ms, their times put back on the grid that containers round away."""

    def __init__(self, stream: AudioStream, start_s: float) -> None:
        self.stream = stream
        self._start_s = start_s
        self._grid = _Grid()

    def feed(self, packet: "Packet[Any]") -> Iterator[Unit]:
        """One packet."""
        if packet.pts is None or packet.size == 0:
            return
        time = _ticks(packet.pts, packet.time_base, self._start_s, AUDIO_RATE)
        yield Unit(Kind.AUDIO, self._grid.place(time), bytes(packet), keyframe=True)


class VideoLane:
    """Decoded, scaled and encoded again."""

    def __init__(
        self,
        stream: VideoStream,
        start_s: float,
        *,
        codec: str,
        size: tuple[int, int] | None,
        bitrate: int | None,
    ) -> None:
        self.stream = stream
        stream.codec_context.thread_count = 1
        self._start_s = start_s
        source = stream.codec_context
        self._width, self._height = size or (source.width // 2 * 2, source.height // 2 * 2)
        fps = float(stream.average_rate or 30)
        pixels = self._width * self._height * fps
        self._encoder = VideoEncoder(
            codec,
            width=self._width,
            height=self._height,
            fps=fps,
            bitrate=bitrate or int(pixels * _BITS_PER_PIXEL),
            keyframe_s=_KEYFRAME_S,
        )
        self._scaler = VideoReformatter()
        self._last = -1

    def feed(self, packet: "Packet[Any]") -> Iterator[Unit]:
        """The pictures that this packet completes."""
        for frame in self.stream.codec_context.decode(packet if packet.size else None):
            if frame.pts is None:
                continue
            # Frames that a flush brings out have lost their time base.
            time = _ticks(frame.pts, self.stream.time_base, self._start_s, VIDEO_RATE)
            if time <= self._last:
                continue
            self._last = time
            fitted = self._scaler.reformat(frame, self._width, self._height, "yuv420p")
            data, is_key = self._encoder.encode_frame(fitted, time)
            yield Unit(Kind.VIDEO, time, data, is_key)


class AudioLane:
    """Decoded, resampled to 48 kHz and encoded as Opus."""

    def __init__(self, stream: AudioStream, start_s: float, *, channels: int) -> None:
        self.stream = stream
        stream.codec_context.thread_count = 1
        self._start_s = start_s
        self._channels = channels
        layout = "mono" if channels == 1 else "stereo"
        self._resampler = AudioResampler("s16", layout, AUDIO_RATE, frame_size=OPUS_SAMPLES)
        self._encoder = OpusEncoder(channels=channels, bitrate=_OPUS_BITRATE * channels)
        self._grid = _Grid()

    def feed(self, packet: "Packet[Any]") -> Iterator[Unit]:
        """The Opus packets that this packet completes."""
        for frame in self.stream.codec_context.decode(packet if packet.size else None):
            for ready in self._resampler.resample(frame):
                yield self._encode(ready)
        if not packet.size:
            for ready in self._resampler.resample(None):
                yield self._encode(ready)

    def _encode(self, frame: av.AudioFrame) -> Unit:
        base = frame.time_base or Fraction(1, AUDIO_RATE)
        time = self._grid.place(_ticks(frame.pts or 0, base, self._start_s, AUDIO_RATE))
        samples = frame.to_ndarray().reshape(-1)
        missing = OPUS_SAMPLES * self._channels - len(samples)  # only at the very end
        data = self._encoder.encode(np.pad(samples, (0, missing)), time)
        # A decoder puts this sound out later by the encoder's delay; its time says so.
        return Unit(Kind.AUDIO, time - self._encoder.delay, data, keyframe=True)


class _Grid:
    """Sample times that go on without a gap unless the file really has one."""

    def __init__(self) -> None:
        self._next: int | None = None

    def place(self, time: int) -> int:
        if self._next is not None and abs(time - self._next) < OPUS_SAMPLES:
            time = self._next
        self._next = time + OPUS_SAMPLES
        return time


def _ticks(pts: int, base: Fraction | None, start_s: float, rate: int) -> int:
    return round((float(pts * (base or 0)) - start_s) * rate)
