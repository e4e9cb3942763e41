"""MP3 on one global grid of 1152-sample frames, so that pieces encoded apart are one stream.

As in :mod:`media.cut.aac`: each range of frames is encoded with a lead-in that is thrown away, and
a look-ahead.  Frames keep no bits for each other (no reservoir), so any may follow any other.
Frame ``j`` decodes to the samples ``[1152 j, 1152 (j + 1))`` from the recording's origin: what the
encoder and every decoder delay is taken off here, since no header tells it.
"""

from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from media.cut import opus
from media.cut.aac import Span
from media.cut.frame_grid import FrameGrid
from media.cut.limiter import Pcm
from media.errors import CutFailed

FRAME = 1152
_GRID = FrameGrid(FRAME)
frame_at, frame_ns = _GRID.at, _GRID.start_ns
LEAD_FRAMES = 8
AHEAD_FRAMES = 3
BITRATE = 64_000  # bit/s, mono
FRAME_BYTES = 144 * BITRATE // opus.RATE  # each frame has as many: nothing is ever padded
_DELAY = 1105  # samples, of LAME and of a decoder: 576 + 528 + 1


def window(span: Span) -> tuple[int, int]:
    """The first sample that :func:`encode` wants for some frames, and how many."""
    count = (span.last - span.first + LEAD_FRAMES + AHEAD_FRAMES) * FRAME
    return (span.first - LEAD_FRAMES) * FRAME + _DELAY, count


def encode(pcm: Pcm, span: Span) -> list[bytes]:
    """The frames of ``span``; ``pcm`` holds mono sound of its :func:`window`."""
    context = _encoder()
    sound = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm), format="fltp", layout="mono")
    sound.sample_rate = opus.RATE
    sound.pts = 0
    packets = [*context.encode(sound), *context.encode(None)]
    frames = [bytes(packet) for packet in packets][LEAD_FRAMES:]
    wanted = frames[: span.last - span.first]
    if len(wanted) < span.last - span.first or any(len(one) != FRAME_BYTES for one in wanted):
        raise CutFailed("the MP3 encoder gave other frames than it was asked for")
    return wanted


def silence() -> bytes:
    """A frame of silence."""
    span = Span(0, 1)
    return encode(np.zeros((1, window(span)[1]), np.float32), span)[0]


def _encoder() -> AudioCodecContext:
    context = AudioCodecContext.create("libmp3lame", "w")
    context.sample_rate = opus.RATE
    context.layout = "mono"
    context.format = "fltp"
    context.bit_rate = BITRATE
    context.time_base = Fraction(1, opus.RATE)
    context.options = {"reservoir": "0"}
    return context
