"""A recorder in a real room, and what it put on tape."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whip import Publisher, room

from media.capture.capture import Capture
from media.channels.base import Wants
from media.rtc.drain import Drain
from media.rtc.network import LOOPBACK
from media.rtp.packet import parse_header
from media.tape.format import PartReader
from media.tape.model import EventType, Kind, PartManifest, TapeEvent, Track
from media.tape.writer import TapeWriter

WAIT_S = 10.0


@dataclass
class Seen:
    """An observer that remembers."""

    first_ns: int = 0
    count: int = 0
    missing: int = 0
    kernel_drops: int = 0
    troubles: list[tuple[str, str]] = field(default_factory=list)

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


@dataclass
class Recording:
    """A capture that runs, and its tape when it is over."""

    directory: Path
    drain: Drain
    address: str
    seen: Seen = field(default_factory=Seen)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""
    tracks: list[Track] = field(default_factory=list)
    events: list[TapeEvent] = field(default_factory=list)
    packets: dict[str, list[bytes]] = field(default_factory=dict)
    capture: Capture | None = None

    async def run(self, **options: Any) -> None:
        sealed: list[PartManifest] = []
        writer = TapeWriter(self.directory, fence=1, first_number=1, on_sealed=sealed.append)
        given = {
            "channel_url": f"room+{self.address}",
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
        self._read()

    def _read(self) -> None:
        for path in sorted(self.directory.glob("*.pcapng")):
            part = PartReader(path.read_bytes())
            for taped in part.packets():
                if not taped.rtcp:
                    self.packets.setdefault(taped.track.id, []).append(taped.data)
            self.tracks, self.events = part.tracks, part.events

    def of(self, kind: EventType) -> list[TapeEvent]:
        return [event for event in self.events if event.type is kind]

    def track(self, uid: str, kind: Kind, nth: int = 0) -> Track:
        return [t for t in self.tracks if t.uid == uid and t.kind is kind][nth]


@asynccontextmanager
async def recording(
    tmp_path: Path, port: int, *, room_addresses: Sequence[str] = LOOPBACK, **options: Any
) -> AsyncIterator[Recording]:
    """A room and a recorder in it; at the end the recorder is stopped and its tape read."""
    drain = Drain()
    async with room(port, room_addresses) as address:
        run = Recording(tmp_path, drain, address)
        task = asyncio.create_task(run.run(**options))
        try:
            yield run
            run.stop.set()
            await asyncio.wait_for(task, WAIT_S)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    drain.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # what is watched sets no event
            await asyncio.sleep(0.01)


async def heard(rec: Recording, publisher: Publisher, lead: int = 400) -> None:
    """Send until the recorder hears both tracks."""
    before = rec.seen.count
    for _ in range(lead):
        await publisher.send(1)
        if rec.seen.count > before + 20:
            return
    raise AssertionError("the recorder hears nothing")


async def settled(rec: Recording) -> None:
    """Until the counts, which come four times a second, stand still."""
    before = -1
    while rec.seen.count != before:
        before = rec.seen.count
        await asyncio.sleep(0.6)


def taped(rec: Recording, track: Track) -> dict[int, bytes]:
    """The packets of a track by sequence number."""
    return {parse_header(packet).seq: packet for packet in rec.packets[track.id]}
