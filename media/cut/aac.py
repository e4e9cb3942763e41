"""AAC on one global grid of 1024-sample frames, so that slices encoded apart join exactly.

Frame ``j`` holds the samples ``[1024 j, 1024 (j + 1))`` from the recording's origin.  Each range
of frames is encoded with a lead-in that is thrown away (the encoder's first frames depend on
what was before) and a look-ahead (its transform overlaps).
"""

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from media.cut import opus
from media.cut.frame_grid import FrameGrid
from media.cut.limiter import Pcm
from media.errors import CutFailed
from media.mux.mpegts import CLOCK_HZ, START_TICKS

FRAME = 1024
_GRID = FrameGrid(FRAME)
frame_at, frame_ns = _GRID.at, _GRID.start_ns
TICKS = FRAME * CLOCK_HZ // opus.RATE  # 1920, exactly
LEAD_FRAMES = 4  # two are enough by measurement; silence costs little
AHEAD_FRAMES = 2


@dataclass(frozen=True, slots=True)
class Profile:
    """How much an AAC stream may carry."""

    channels: int
    bitrate: int  # bit/s


PROFILES = (Profile(1, 48_000), Profile(1, 128_000), Profile(2, 192_000))


@dataclass(frozen=True, slots=True)
class Span:
    """The frames ``[first, last)`` of the grid."""

    first: int
    last: int

    @property
    def sample(self) -> int:
        """The first sample the encoder wants, lead-in included."""
        return (self.first - LEAD_FRAMES) * FRAME

    @property
    def samples(self) -> int:
        """How many samples the encoder wants, look-ahead included."""
        return (self.last - self.first + LEAD_FRAMES + AHEAD_FRAMES) * FRAME

    @property
    def seconds(self) -> float:
        """How long the frames last."""
        return (self.last - self.first) * FRAME / opus.RATE


def frame_ticks(frame: int) -> int:
    """The timestamp of a frame in a recording's files."""
    return frame * TICKS + START_TICKS


def encode(pcm: Pcm, span: Span, profile: Profile) -> list[bytes]:
    """The raw AAC frames of ``span``; ``pcm`` holds ``span.samples`` from ``span.sample``."""
    context = _encoder(profile)
    sound = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(pcm), format="fltp", layout=_layout(profile)
    )
    sound.sample_rate = opus.RATE
    sound.pts = 0  # so that the encoder's own delay is the same in every slice
    frames = {
        # The first packet, at -1024, is the encoder's priming.
        span.first - LEAD_FRAMES + packet.pts // FRAME: bytes(packet)
        for packet in context.encode(sound)
        if packet.pts is not None
    }
    try:
        return [frames[j] for j in range(span.first, span.last)]
    except KeyError as missing:
        raise CutFailed(f"the AAC encoder left out frame {missing}") from missing


def silence(profile: Profile) -> bytes:
    """A raw frame of silence."""
    span = Span(0, 1)
    return encode(np.zeros((profile.channels, span.samples), np.float32), span, profile)[0]


def _encoder(profile: Profile) -> AudioCodecContext:
    context = AudioCodecContext.create("aac", "w")
    context.sample_rate = opus.RATE
    context.layout = _layout(profile)
    context.format = "fltp"
    context.bit_rate = profile.bitrate
    context.time_base = Fraction(1, opus.RATE)
    context.thread_count = 1
    return context


def _layout(profile: Profile) -> str:
    return "stereo" if profile.channels == 2 else "mono"
