"""The composite's H.264: each slice begins with an IDR picture and stands alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.video.codeccontext import VideoCodecContext

_KEYFRAME_S = 5  # a player's seek decodes this much at most
_PEAK = 1.5  # times the bitrate, over a window of a second or so


@dataclass(frozen=True, slots=True)
class Picture:
    """One encoded picture; decode order is display order."""

    tick: int
    data: bytes
    keyframe: bool


def encode(
    frames: Iterable[tuple[int, av.VideoFrame]], *, width: int, height: int, fps: int, bitrate: int
) -> Iterator[Picture]:
    """Encode (tick, frame) pairs; ``bitrate`` in kbit/s.  The same input gives the same bytes."""
    context = _encoder(width, height, fps, bitrate)
    for tick, frame in frames:
        frame.pts = tick
        frame.time_base = context.time_base
        yield from _pictures(context.encode(frame))
    yield from _pictures(context.encode(None))


def _pictures(packets: "Iterable[av.Packet[Any]]") -> Iterator[Picture]:
    for packet in packets:
        if packet.pts is not None:
            yield Picture(packet.pts, bytes(packet), packet.is_keyframe)


def _encoder(width: int, height: int, fps: int, bitrate: int) -> VideoCodecContext:
    context = VideoCodecContext.create("libx264", "w")
    context.width, context.height = width, height
    context.pix_fmt = "yuv420p"
    context.framerate = Fraction(fps)
    context.time_base = Fraction(1, fps)
    context.bit_rate = bitrate * 1000
    context.gop_size = fps * _KEYFRAME_S
    context.thread_count = 1
    context.options = {
        "preset": "veryfast",
        "bf": "0",  # no reordering: decode times equal presentation times over every seam
        "maxrate": f"{round(bitrate * _PEAK)}k",
        "bufsize": f"{round(bitrate * _PEAK)}k",
        "x264-params": "open-gop=0:threads=1:lookahead-threads=1",
    }
    return context
