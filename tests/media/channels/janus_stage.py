"""A recorder in a Janus room, and what it put on tape."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from janus_guests import network

from media.capture.capture import Capture
from media.channels.base import Wants
from media.rtc.drain import Drain
from media.rtp.packet import parse_header
from media.tape.format import PartReader
from media.tape.model import EventType, Kind, PartManifest, Source, TapeEvent, Track
from media.tape.writer import TapeWriter

WAIT_S = 20.0


class Seen:
    """An observer that counts packets and does not mind the rest."""

    def __init__(self) -> None:
        self.count = 0

    def packets(self, count: int) -> None:
        self.count += count

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **options: None


@dataclass
class Recording:
    """A capture that runs, and its tape when it is over."""

    directory: Path
    drain: Drain
    seen: Seen = field(default_factory=Seen)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""
    tracks: list[Track] = field(default_factory=list)
    events: list[TapeEvent] = field(default_factory=list)
    packets: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)  # arrival, packet
    capture: Any = None
    task: asyncio.Task[None] | None = None

    async def run(self, url: str, cname: str, **options: Any) -> None:
        sealed: list[PartManifest] = []
        writer = TapeWriter(self.directory, fence=1, first_number=1, on_sealed=sealed.append)
        given: dict[str, Any] = {
            "recorder_uid": "rec",
            "token": None,
            "wants": Wants(),
            "live": False,
            "max_idle_s": 60.0,
            "network": network(),
        }
        self.capture = Capture(
            channel_url=url,
            cname=cname,
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
        self._read()

    def here(self) -> set[str]:
        """Who publishes now, as the recorder sees it."""
        return set(self.capture._cast.taped) if self.capture is not None else set()

    def lines(self) -> set[tuple[str, Kind]]:
        """What is heard now."""
        taps = self.capture._rack._taps if self.capture is not None else ()
        streams = (stream for tap in taps for stream in tap._intake._streams.values())
        return {(stream.track.uid, stream.track.kind) for stream in streams}

    def living(self) -> set[str]:
        """Who is heard now."""
        return {uid for uid, _ in self.lines()}

    def want(self, wants: Wants) -> None:
        """Others are wanted from now on."""
        self.capture.want(wants, time.time_ns())

    async def end(self) -> None:
        """Stop, and read the tape."""
        self.stop.set()
        assert self.task is not None
        await asyncio.wait_for(self.task, WAIT_S)

    def _read(self) -> None:
        for path in sorted(self.directory.glob("*.pcapng")):
            part = PartReader(path.read_bytes())
            for taped in part.packets():
                if not taped.rtcp:
                    self.packets.setdefault(taped.track.id, []).append(
                        (taped.arrival_ns, taped.data)
                    )
            known = {track.id for track in self.tracks}
            self.tracks += [track for track in part.tracks if track.id not in known]
            self.events += part.events

    def who(self, kind: EventType) -> list[str | None]:
        """Whom the events of a kind are about, each once for each time (parts repeat them)."""
        return [
            uid for uid, _ in dict.fromkeys((e.uid, e.at_ns) for e in self.events if e.type is kind)
        ]

    def of(self, uid: str, source: Source) -> list[Track]:
        return [each for each in self.tracks if each.uid == uid and each.source is source]

    def sequence(self, *tracks: Track) -> list[int]:
        """The sequence numbers on tape, in order of arrival."""
        found = sorted(item for track in tracks for item in self.packets.get(track.id, []))
        return [parse_header(packet).seq for _, packet in found]

    def longest_pause_s(self, *tracks: Track) -> float:
        """The longest time between two packets of these tracks."""
        times = sorted(at for track in tracks for at, _ in self.packets.get(track.id, []))
        return max((b - a for a, b in pairwise(times)), default=0) / 1e9


@asynccontextmanager
async def recording(
    directory: Path, url: str, cname: str, **options: Any
) -> AsyncIterator[Recording]:
    """A recorder in a room; at the end it is stopped, if it is not yet, and its tape read."""
    drain = Drain()
    made = Recording(directory, drain)
    made.task = asyncio.create_task(made.run(url, cname, **options))
    try:
        yield made
        if not made.task.done():
            await made.end()
        await made.task
    finally:
        made.task.cancel()
        await asyncio.gather(made.task, return_exceptions=True)
        drain.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # what is watched sets no event
            await asyncio.sleep(0.02)


async def heard(made: Recording, packets: int = 100) -> None:
    """Until so many more packets are on tape."""
    before = made.seen.count
    await until(lambda: made.seen.count >= before + packets)


Story = Callable[[Recording, Drain], Awaitable[None]]


def play(tmp_path: Path, url: str, cname: str, story: Story, **options: Any) -> Recording:
    """Run a story in a loop of its own; the recording with its tape."""

    async def main() -> Recording:
        drain = Drain()
        try:
            async with recording(tmp_path / "tape", url, cname, **options) as made:
                await story(made, drain)
        finally:
            drain.close()
        return made

    return asyncio.run(main())


def whole(sequence: list[int]) -> bool:
    """No number is missing and none is there twice."""
    return sequence == list(range(sequence[0], sequence[0] + len(sequence)))
