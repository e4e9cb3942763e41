"""One clock for everything a publisher sends: media time, wall clock and RTP time are one line."""

import time
from asyncio import sleep
from dataclasses import dataclass, field

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class MediaClock:
    """Begins at zero when it is made; wall clock steps during the session do not touch it."""

    start_ns: int = field(default_factory=time.time_ns)  # Unix nanoseconds at media time zero
    start_monotonic: float = field(default_factory=time.monotonic)

    def now_s(self) -> float:
        """Media time, in seconds."""
        return time.monotonic() - self.start_monotonic

    def wall_ns(self, media_s: float) -> int:
        """The wall clock at a media time, Unix nanoseconds; what sender reports state as NTP."""
        return self.start_ns + round(media_s * _NS)

    async def until(self, media_s: float) -> None:
        """Sleep until a media time; returns at once when it is past."""
        left = media_s - self.now_s()
        if left > 0:
            await sleep(left)
