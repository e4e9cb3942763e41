"""A recorder for tests: a capture that runs, and what it put on tape."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from media.capture.capture import Capture
from media.channels.base import Wants
from media.rtc.drain import Drain
from media.tape.format import PartReader
from media.tape.model import EventType, Kind, TapeEvent, Track
from media.tape.writer import TapeWriter

WAIT_S = 20.0


@dataclass
class Seen:
    """An observer that remembers."""

    first_ns: int = 0
    count: int = 0
    missing: int = 0
    kernel_drops: int = 0
    troubles: list[tuple[str, str]] = field(default_factory=list)
    streams: list[tuple[str, Kind, bool, int]] = field(default_factory=list)

    def first_packet(self, at_ns: int) -> None:
        assert not self.first_ns
        self.first_ns = at_ns

    def packets(self, count: int) -> None:
        self.count += count

    def lost(self, count: int) -> None:
        self.missing += count

    def loop_lag(self, seconds: float) -> None:
        assert seconds >= 0

    def dropped(self, count: int) -> None:
        self.kernel_drops += count

    def trouble(self, uid: str, reason: str) -> None:
        self.troubles.append((uid, reason))

    def stream(self, uid: str, kind: Kind, arrives: bool, at_ns: int) -> None:
        self.streams.append((uid, kind, arrives, at_ns))


@dataclass
class OnTape:
    """All parts of a tape; what later parts repeat is there once."""

    tracks: list[Track] = field(default_factory=list)
    events: list[TapeEvent] = field(default_factory=list)
    packets: dict[str, list[bytes]] = field(default_factory=dict)  # by track, as they arrived
    arrivals_ns: dict[str, list[int]] = field(default_factory=dict)  # of the same

    @classmethod
    def read(cls, directory: Path) -> "OnTape":
        """Raises what a broken part raises."""
        found = cls()
        for path in sorted(directory.glob("*.pcapng")):
            part = PartReader(path.read_bytes())
            for taped in part.packets():
                if not taped.rtcp:
                    found.packets.setdefault(taped.track.id, []).append(taped.data)
                    found.arrivals_ns.setdefault(taped.track.id, []).append(taped.arrival_ns)
            found.tracks = list({each.id: each for each in (*found.tracks, *part.tracks)}.values())
            found.events = list(dict.fromkeys((*found.events, *part.events)))
        return found


@dataclass
class Taping:
    """A capture, and its tape when it is over."""

    directory: Path
    drain: Drain
    seen: Seen = field(default_factory=Seen)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""
    tape: OnTape = field(default_factory=OnTape)
    capture: Any = None  # a Capture, whose inside tests look at
    task: asyncio.Task[None] | None = None

    async def run(self, **options: Any) -> None:
        """Until it ends; ``options`` are a Capture's."""
        writer = TapeWriter(
            self.directory, fence=1, first_number=1, on_sealed=lambda manifest: None
        )
        given: dict[str, Any] = {
            "cname": "c",
            "recorder_uid": "rec",
            "token": None,
            "wants": Wants(),
            "live": False,
            "max_idle_s": 60.0,
        }
        self.capture = Capture(
            **{**given, **options},
            writer=writer,
            observer=self.seen,
            track_prefix="1",
            drain=self.drain,
        )
        try:
            self.reason = await self.capture.run(self.stop)
        finally:
            await writer.close(time.time_ns())
        self.tape = OnTape.read(self.directory)

    async def end(self) -> None:
        """Stop, and read the tape."""
        self.stop.set()
        assert self.task is not None
        await asyncio.wait_for(self.task, WAIT_S)

    def told(self, kind: EventType) -> list[TapeEvent]:
        """The events of a kind."""
        return [event for event in self.events if event.type is kind]

    @property
    def tracks(self) -> list[Track]:
        return self.tape.tracks

    @property
    def events(self) -> list[TapeEvent]:
        return self.tape.events

    @property
    def packets(self) -> dict[str, list[bytes]]:
        return self.tape.packets


@asynccontextmanager
async def running(made: Taping, **options: Any) -> AsyncIterator[None]:
    """At the end it is stopped, if it is not over yet, and its tape read."""
    made.task = asyncio.create_task(made.run(**options))
    try:
        yield
        if not made.task.done():
            await made.end()
        await made.task
    finally:
        made.task.cancel()
        await asyncio.gather(made.task, return_exceptions=True)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # what is watched sets no event
            await asyncio.sleep(0.01)
