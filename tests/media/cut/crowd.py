"""A channel of many publishers, each with a colour of their own, encoded once."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from media.publish.open_encoder import open_encoder
from media.tape.model import NS, Frame, Source, TapeEvent, Track
from media.tape.orientation import URI
from media.tape.reader import Tape
from tests.media.cut.scene import ORIGIN_NS, VP8, Colour, moved, presence, track
from tests.media.cut.tapes import on_tape

SIZE = (160, 90)
FPS = 15


def colour(number: int) -> Colour:
    """Of publisher 1, 2, …; neighbours in any layout differ by a lot."""
    return Colour(40 + number * 7 % 18 * 11, 60 + number % 4 * 45, 60 + number // 4 * 35)


def camera(number: int, take: int = 1) -> Track:
    """A publisher's camera, that tells how it is held."""
    plain = track(str(number), Source.CAMERA, VP8, take)
    return replace(plain, extensions=((4, URI),))


@cache
def encoded(
    left: Colour, right: Colour, size: tuple[int, int], seconds: float
) -> tuple[tuple[bytes, bool], ...]:
    """A still whose halves have two colours, as VP8: (data, key frame), a key frame a second."""
    encoder = VideoCodecContext.create("libvpx", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(FPS), Fraction(1, FPS)
    encoder.bit_rate = 1_000_000
    encoder.gop_size = FPS
    encoder.thread_count = 1
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    open_encoder(encoder)
    still = av.VideoFrame(*size, "yuv420p")
    for plane, one, other in zip(
        still.planes, (left.y, left.u, left.v), (right.y, right.u, right.v), strict=True
    ):
        rows = np.full((plane.height, plane.line_size), one, np.uint8)
        rows[:, plane.width // 2 : plane.width] = other
        plane.update(rows.tobytes())
    made = []
    for n in range(round(seconds * FPS)):
        still.pts = n
        made += [(bytes(packet), packet.is_keyframe) for packet in encoder.encode(still)]
    return tuple(made)


def shown(
    of: Track,
    left: Colour,
    right: Colour | None = None,
    *,
    start_s: float = 0,
    seconds: float = 0.6,
    size: tuple[int, int] = SIZE,
    rotation: int | None = None,
) -> list[Frame]:
    """The frames of such a picture, from a time after ORIGIN_NS on.

    ``rotation`` is told with key frames; None: the publisher does not tell.
    """
    frames = []
    for n, (data, key) in enumerate(encoded(left, right or left, size, seconds)):
        since_ns = round(start_s * NS) + n * NS // FPS
        frame = Frame(of, VP8, ORIGIN_NS + since_ns, since_ns * 9 // 100_000, data, key, True)
        if key:
            told = {"rotation": rotation or 0, "tells_rotation": rotation is not None}
            (frame,) = moved([frame], width=size[0], height=size[1], **told)
        frames.append(frame)
    return frames


def joined(numbers: Iterable[int], at_s: float = -1) -> list[TapeEvent]:
    """Publishers join with a camera, in this order."""
    at_ns = ORIGIN_NS + round(at_s * NS)
    return [one for i, n in enumerate(numbers) for one in presence(camera(n), at_ns + i)]


def crowd(directory: Path, count: int, events: Sequence[TapeEvent] = ()) -> Tape:
    """Everybody's camera, for a little more than half a second."""
    numbers = range(1, count + 1)
    tracks = [shown(camera(n), colour(n)) for n in numbers]
    return on_tape(directory, tracks, [*joined(numbers), *events])
