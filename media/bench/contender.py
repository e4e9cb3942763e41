"""What a measurement wants of those who take part."""

import time
from dataclasses import dataclass
from typing import Protocol

import psutil


@dataclass(frozen=True, slots=True)
class Sample:
    """What a contender has used so far."""

    cpu_s: float
    rss: int  # bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of what was sent."""

    packets: int | None  # RTP packets that are kept, or were received by who keeps none
    lags_ms: tuple[float, ...] = ()  # how late each timer of the event loop was, if it knows


class Contender(Protocol):
    """Something that receives."""

    async def open(self) -> None:
        """Get ready.  Raises BenchFailed, and BenchImpossible if it is not installed."""
        ...

    async def answer(self, channel: int, offer: str) -> str:
        """Take one connection."""
        ...

    def settled(self) -> None:
        """All are connected: what was seen until now does not count."""
        ...

    def sample(self) -> Sample:
        """Now."""
        ...

    async def close(self) -> Outcome:
        """End all connections."""
        ...


def own_sample() -> Sample:
    """Of this process."""
    return Sample(time.process_time(), psutil.Process().memory_info().rss)
