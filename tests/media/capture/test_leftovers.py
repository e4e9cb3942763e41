"""Captures that are over are gone, without the collector, which comes seldom in a recorder."""

import asyncio
from collections import Counter
from pathlib import Path

from recorder import Recording, heard
from whip import Publisher, room

from media.rtc.drain import Drain
from tests.leftovers import left_of, no_collector, ours

CAPTURES = 3


def test_of_captures_that_are_over_nothing_of_ours_is_left(
    tmp_path, free_port, monkeypatch
) -> None:
    monkeypatch.setattr("media.rtc.consent.EVERY_S", 0.05)  # so that it is asked for in time

    async def main() -> Counter[str]:
        drain = Drain()
        async with room(free_port()) as address:
            publisher = Publisher(address, "c", "alice", drain)
            await publisher.join()
            await _capture(tmp_path / "first", drain, address, publisher)  # makes what stays
            with no_collector():
                before = ours()
                for number in range(CAPTURES):
                    await _capture(tmp_path / str(number), drain, address, publisher)
                left = await left_of(before, CAPTURES)
            await publisher.leave()
        drain.close()
        return left

    assert not asyncio.run(main())


async def _capture(directory: Path, drain: Drain, address: str, publisher: Publisher) -> None:
    made = Recording(directory, drain, address=address)
    task = asyncio.create_task(made.run())
    await heard(made, publisher)
    made.stop.set()
    await task
