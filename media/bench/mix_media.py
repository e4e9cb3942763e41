"""The publishers of a mix, encoded once, and their files."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from pathlib import Path

import av
import numpy as np

from media.bench.mix_scene import Picture, Scene, voice
from media.mux.muxer import Muxer
from media.publish.encoders import AUDIO_RATE, OPUS_SAMPLES, VIDEO_RATE, OpusEncoder, VideoEncoder

FPS = 30  # of every source
PACKETS_PER_S = AUDIO_RATE // OPUS_SAMPLES
_BITS_PER_PIXEL = 0.09  # 620 kbit/s at 640x360, 2.5 Mbit/s at 1280x720


@dataclass(frozen=True, slots=True)
class Media:
    """One publisher's picture and sound; the first picture is a key frame, as after a request."""

    codec: str  # "vp8", "h264"
    size: tuple[int, int]
    pictures: tuple[bytes, ...]  # FPS per second
    packets: tuple[bytes, ...]  # Opus, PACKETS_PER_S per second


def make(codec: str, size: tuple[int, int], seconds: int, seed: int) -> Media:
    """Encode one publisher as a browser does: in real time, one key frame, then none."""
    scene, (width, height) = Scene(seed, *size), size
    bitrate = round(width * height * FPS * _BITS_PER_PIXEL)
    encoder = VideoEncoder(
        codec, width=width, height=height, fps=FPS, bitrate=bitrate, keyframe_s=seconds
    )
    pictures = tuple(
        encoder.encode(scene.picture(n), n * VIDEO_RATE // FPS, force_key=n == 0)[0]
        for n in range(seconds * FPS)
    )
    sound, opus = voice(seed, seconds * AUDIO_RATE), OpusEncoder()
    packets = tuple(
        opus.encode(sound[at : at + OPUS_SAMPLES], at) for at in range(0, len(sound), OPUS_SAMPLES)
    )
    return Media(codec, size, pictures, packets)


def decoded(media: Media) -> Iterator[Picture]:
    """Its pictures, planar YUV 4:2:0."""
    decoder = av.CodecContext.create("vp8" if media.codec == "vp8" else "h264", "r")
    if not isinstance(decoder, av.VideoCodecContext):
        raise TypeError(f"{media.codec} is not a video codec")
    for data in [*media.pictures, None]:
        for frame in decoder.decode(av.Packet(data) if data is not None else None):
            yield np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)


def write(path: Path, media: Media) -> None:
    """Write picture and sound into one file."""
    with _File(path, media):
        pass


class _File(Muxer):
    """A NUT file: it takes VP8 and H.264 as they come off the wire."""

    def __init__(self, path: Path, media: Media) -> None:
        super().__init__(path, "nut")
        width, height = media.size
        video = self._container.add_mux_stream(
            media.codec, width=width, height=height, time_base=Fraction(1, VIDEO_RATE)
        )
        audio = self._container.add_stream("libopus", rate=AUDIO_RATE, layout="mono")
        rows = merge(
            *(
                [(i / rate, stream, i * clock // rate, clock, data) for i, data in enumerate(units)]
                for stream, units, rate, clock in (
                    (video, media.pictures, FPS, VIDEO_RATE),
                    (audio, media.packets, PACKETS_PER_S, AUDIO_RATE),
                )
            ),
            key=lambda row: row[0],
        )
        for _, stream, time, clock, data in rows:
            unit = av.Packet(data)
            unit.stream, unit.time_base = stream, Fraction(1, clock)
            unit.pts = unit.dts = time
            unit.is_keyframe = stream is audio or time == 0
            self._container.mux(unit)
