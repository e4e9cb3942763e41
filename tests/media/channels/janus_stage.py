"""A recorder in a Janus room, and what it put on tape."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from janus_guests import network

from media.channels.base import Wants
from media.rtc.drain import Drain
from media.rtp.packet import parse_header
from media.tape.model import EventType, Kind, Source, Track
from tests.taping import Taping, running, until

__all__ = ["Recording", "heard", "play", "recording", "until", "whole"]


@dataclass
class Recording(Taping):
    """What tests of a VideoRoom ask of it."""

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

    def who(self, kind: EventType) -> list[str]:
        """Whom the events of a kind are about, each once for each time."""
        return [uid for uid, _ in dict.fromkeys((e.uid, e.at_ns) for e in self.told(kind))]

    def of(self, uid: str, source: Source) -> list[Track]:
        return [each for each in self.tracks if each.uid == uid and each.source is source]

    def sequence(self, *tracks: Track) -> list[int]:
        """The sequence numbers on tape, in order of arrival."""
        return [parse_header(packet).seq for _, packet in self._arrived(*tracks)]

    def sent(self, track: Track) -> list[int]:
        """What its guest numbered the packets on tape, in order of arrival."""
        return [int.from_bytes(packet[-2:]) for _, packet in self._arrived(track)]

    def longest_pause_s(self, *tracks: Track) -> float:
        """The longest time between two packets of these tracks."""
        times = [at_ns for at_ns, _ in self._arrived(*tracks)]
        return max((b - a for a, b in pairwise(times)), default=0) / 1e9

    def _arrived(self, *tracks: Track) -> list[tuple[int, bytes]]:
        return sorted(
            each
            for track in tracks
            for each in zip(
                self.tape.arrivals_ns.get(track.id, []),
                self.packets.get(track.id, []),
                strict=True,
            )
        )


@asynccontextmanager
async def recording(
    directory: Path, url: str, cname: str, **options: Any
) -> AsyncIterator[Recording]:
    """A recorder in a room; at the end it is stopped, if it is not yet, and its tape read."""
    drain = Drain()
    made = Recording(directory, drain)
    given = {"channel_url": url, "cname": cname, "network": network(), **options}
    try:
        async with running(made, **given):
            yield made
    finally:
        drain.close()


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
