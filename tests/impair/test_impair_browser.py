"""Chromium over a bad network: it joins by the proxy's page, and a recorder misses nothing."""

import asyncio
from pathlib import Path

import pytest

from media.tape.model import Kind
from tests.browser import chromium
from tests.impair.fates import Impairment
from tests.impair.rig import impaired
from tests.impair.take import CNAME, Seen, recording, room, sequences

pytestmark = pytest.mark.server

WAIT_S = 60.0
PACKETS = 400


def test_a_page_on_a_bad_network_is_recorded_whole(need, tmp_path: Path) -> None:
    path = need("chromium")
    way = Impairment(loss=0.05, delay_s=0.01)
    directory = tmp_path / "tape"
    directory.mkdir()

    async def main() -> None:
        seen = Seen()
        async with room() as address, chromium(path) as context:
            with impaired(address, up=way, down=way) as rig:
                async with recording(directory, address, seen), asyncio.timeout(WAIT_S):
                    page = await context.new_page()
                    await page.goto(f"{rig.address}/?channel={CNAME}&uid=7&autojoin=1")
                    await page.wait_for_selector('html[data-state="in"]')
                    while seen.count < PACKETS:
                        await asyncio.sleep(0.05)
            (relay,) = rig.relays
            assert sum(relay.up.log.dropped.values()) > PACKETS * 0.02
            found = sequences(directory)
            assert {track.kind for track in found} == set(Kind)
            for track, numbers in found.items():
                got, last = set(numbers), max(numbers) - 60
                missing = {n & 0xFFFF for n in range(min(numbers), last) if n not in got}
                assert missing <= relay.up.log.never_passed(track.ssrc)

    asyncio.run(main())
