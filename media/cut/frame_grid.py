"""One grid of frames of sound for a whole recording, so that what is encoded apart joins."""

from dataclasses import dataclass

from media.cut import opus
from media.tape.model import NS


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """Frames counted from a recording's origin."""

    samples: int  # of each, at 48 kHz

    def at(self, at_ns: int, origin_ns: int) -> int:
        """The first frame that starts at or after a time."""
        return -(-(at_ns - origin_ns) * opus.RATE // (self.samples * NS))

    def start_ns(self, frame: int, origin_ns: int) -> int:
        """When a frame starts."""
        return origin_ns + frame * self.samples * NS // opus.RATE
