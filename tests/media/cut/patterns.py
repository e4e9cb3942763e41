"""The publisher's test pattern as encoded frames, upright or as a turned camera sends it."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from media.publish.open_encoder import open_encoder
from media.publish.pattern import PatternPicture
from media.tape.model import NS, Frame, Track
from media.tape.orientation import URI
from tests.media.cut.scene import _ENCODERS

TURNS = ((4, URI),)  # Track.extensions of who tells how pictures lie


def turning(track: Track) -> Track:
    return replace(track, extensions=TURNS)


def pattern(
    of: Track,
    *,
    start_ns: int,
    seconds: float,
    size: tuple[int, int] = (320, 180),
    fps: int = 15,
    gop_s: float = 2,
    rotations: dict[int, int] | None = None,
    first: int = 0,
) -> list[Frame]:
    """Frame ``n`` shows the number ``n`` (from ``first`` on), upright in ``size``.

    ``rotations``: how the camera is turned from a frame on; a picture is encoded as it sees it.
    """
    picture = PatternPicture(of.uid, width=size[0], height=size[1], fps=fps)
    rotations = rotations or {}
    frames: list[Frame] = []
    encoder, rotation = None, 0
    codec = of.codecs[0]
    for n in range(int(seconds * fps)):
        turned, rotation = rotation, rotations.get(n, rotation)
        if encoder is None or (rotation - turned) % 180:
            encoder = _encoder(of, size if rotation % 180 == 0 else size[::-1], fps, gop_s)
        frame = _turned(picture.draw(first + n), size, rotation)
        frame.pts = n
        for packet in encoder.encode(frame):
            since_ns = n * NS // fps
            key = packet.is_keyframe
            frames.append(
                Frame(
                    of,
                    codec,
                    start_ns + since_ns,
                    1000 + since_ns * 90_000 // NS,
                    bytes(packet),
                    key,
                    intact=True,
                    width=encoder.width if key else 0,
                    height=encoder.height if key else 0,
                    rotation=rotation,
                    tells_rotation=key or rotation != turned,
                )
            )
    return frames


def _turned(planar: np.ndarray, size: tuple[int, int], rotation: int) -> av.VideoFrame:
    """As a camera sees it that must be turned so far clockwise to be upright."""
    width, height = size
    chroma = planar[height:].reshape(2, height // 2, width // 2)
    planes = [np.rot90(plane, rotation // 90) for plane in (planar[:height], *chroma)]
    flat = np.concatenate([np.ascontiguousarray(plane).reshape(-1) for plane in planes])
    wide = planes[0].shape[1]
    return av.VideoFrame.from_ndarray(flat.reshape(-1, wide), format="yuv420p")


def _encoder(of: Track, size: tuple[int, int], fps: int, gop_s: float) -> VideoCodecContext:
    name, options = _ENCODERS[of.codecs[0]]
    encoder = VideoCodecContext.create(name, "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, fps), Fraction(fps)
    encoder.bit_rate = 800_000
    encoder.gop_size = int(fps * gop_s)
    encoder.thread_count = 1
    encoder.options = options
    open_encoder(encoder)
    return encoder


def numbered(frames: list[Frame], until_ns: int) -> Iterator[int]:
    """The numbers of frames sent up to a time."""
    return (n for n, frame in enumerate(frames) if frame.time_ns <= until_ns)
