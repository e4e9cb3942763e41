"""A recorder that has left a Janus is gone, without the cyclic collector."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from janus_guests import Publisher, visiting
from janus_stage import heard, recording

from media.rtc.drain import Drain
from tests.leftovers import left_of, no_collector, ours

pytestmark = pytest.mark.server

CAPTURES = 3


def test_of_captures_that_are_over_nothing_of_ours_is_left(
    tmp_path, janus, room, monkeypatch
) -> None:
    monkeypatch.setattr("media.rtc.consent.EVERY_S", 0.05)  # so that it is asked for in time

    async def main() -> Counter[str]:
        drain = Drain()
        publisher = Publisher(janus.url, room, "alice", drain)
        async with visiting(publisher):
            await publisher.start()
            await _capture(tmp_path / "first", janus.url, room)  # makes what stays
            with no_collector():
                before = ours()
                for number in range(CAPTURES):
                    await _capture(tmp_path / str(number), janus.url, room)
                left = await left_of(before, CAPTURES)
        drain.close()
        return left

    assert not asyncio.run(main())


async def _capture(directory: Path, url: str, room: str) -> None:
    async with recording(directory, url, room) as made:
        await heard(made)
