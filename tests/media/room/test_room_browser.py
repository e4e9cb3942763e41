"""Chromium as a real client: it joins by the page, and others get its packets."""

import asyncio
import os
from pathlib import Path

import pytest

from media.rtp.packet import parse_header
from tests.browser import chromium
from tests.media.room.clients import open_room

pytestmark = pytest.mark.server

SHOT = os.environ.get("TAPEFARM_ROOM_SCREENSHOT")  # a path, to look at the page


async def join(context, place, uid, **more):
    page = await context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page failed: {error}"))
    query = "&".join(f"{name}={value}" for name, value in more.items())
    await page.goto(f"{place.base}/?channel=c&uid={uid}&autojoin=1&{query}")
    await page.wait_for_selector('html[data-state="in"]')
    return page


def tile(uid, source="camera"):
    return f'.tile[data-uid="{uid}"][data-source="{source}"]'


async def playing(page, uid, source="camera"):
    """The tile's picture moves on."""
    await page.wait_for_function(
        """(selector) => {
            const video = document.querySelector(selector + " video");
            return video && video.videoWidth > 0 && video.currentTime > 0.5;
        }""",
        arg=tile(uid, source),
    )


def test_chromium_joins_is_heard_mutes_and_leaves(need):
    path = need("chromium")

    async def test():
        async with open_room() as place, chromium(path) as context, place.events() as events:
            await events.next()
            page = await join(context, place, "1001")
            joined = await events.until("joined")
            assert {track["kind"] for track in joined["tracks"]} == {"audio", "video"}
            subscriber = await place.subscribe("1001")
            await subscriber.until(lambda: len(subscriber.rtp) > 60)
            kinds = {parse_header(packet).pt for packet in subscriber.rtp}
            assert kinds == {100, 101}
            named = {track["ssrc"] for track in joined["tracks"]}
            assert {parse_header(packet).ssrc for packet in subscriber.rtp} == named
            await subscriber.until(lambda: len(subscriber.raw_rtcp) > 1)
            await page.click("#audio")
            muted = await events.until("muted")
            assert (muted["kind"], muted["muted"]) == ("audio", True)
            await page.click("#leave")
            assert (await events.until("left"))["uid"] == "1001"
            await page.wait_for_selector('html[data-state="out"]')

    asyncio.run(asyncio.wait_for(test(), 120))


def test_chromium_shares_a_screen_beside_its_camera(need):
    path = need("chromium")

    async def test():
        async with open_room() as place, chromium(path) as context:
            one, other = await join(context, place, "1"), await join(context, place, "2")
            await one.click("#screen")
            await playing(other, "1", "screen")
            await playing(other, "1", "camera")
            await one.click("#screen")
            await other.wait_for_selector(tile("1", "screen"), state="detached")
            await playing(other, "1", "camera")

    asyncio.run(asyncio.wait_for(test(), 120))


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9", "av1"])
def test_two_pages_see_each_other(need, codec):
    path = need("chromium")

    async def test():
        async with open_room() as place, chromium(path) as context:
            one = await join(context, place, "alice", codec=codec)
            other = await join(context, place, "bob", codec=codec)
            await playing(one, "bob")
            await playing(other, "alice")
            snapshot = place.room._channels["c"].snapshot()
            codecs = {t["codec"] for p in snapshot["publishers"] for t in p["tracks"]}
            assert codecs == {"opus", codec.upper()}
            if SHOT and codec == "vp8":
                await _pose(context, place, one)
            await other.close()
            await one.wait_for_selector(tile("bob"), state="detached")

    asyncio.run(asyncio.wait_for(test(), 120))


async def _pose(context, place, page):
    others = [await join(context, place, uid) for uid in ("carol", "dave")]
    for uid in ("carol", "dave"):
        await playing(page, uid)
    await others[0].click("#audio")
    await others[1].click("#video")
    await page.bring_to_front()
    async with place.events(query="?as=recorder"):
        await page.wait_for_selector("#watching:visible")
        await page.screenshot(path=SHOT)
    await page.click("#leave")
    await page.wait_for_timeout(400)
    await page.screenshot(path=str(Path(SHOT).with_suffix(".door.png")))
    await page.click("#join")
    await page.wait_for_selector('html[data-state="in"]')
    await playing(page, "bob")
