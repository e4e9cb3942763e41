"""A recorder in a real room, and what it put on tape."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whip import Publisher, room

from media.rtc.drain import Drain
from media.rtc.network import LOOPBACK
from media.rtp.packet import parse_header
from media.tape.model import Kind, Track
from tests.taping import WAIT_S, Seen, Taping, running, until

__all__ = ["WAIT_S", "Recording", "Seen", "heard", "recording", "settled", "taped", "until"]


@dataclass
class Recording(Taping):
    """Of a room of its own."""

    address: str = ""

    async def run(self, **options: Any) -> None:
        await super().run(**{"channel_url": f"room+{self.address}", **options})

    def track(self, uid: str, kind: Kind, nth: int = 0) -> Track:
        return [t for t in self.tracks if t.uid == uid and t.kind is kind][nth]


@asynccontextmanager
async def recording(
    tmp_path: Path, port: int, *, room_addresses: Sequence[str] = LOOPBACK, **options: Any
) -> AsyncIterator[Recording]:
    """A room and a recorder in it; at the end the recorder is stopped and its tape read."""
    drain = Drain()
    async with room(port, room_addresses) as address:
        made = Recording(tmp_path, drain, address=address)
        async with running(made, **options):
            yield made
    drain.close()


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
