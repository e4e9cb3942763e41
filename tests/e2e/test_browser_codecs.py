"""Chromium sends VP9 and AV1, is recorded, and plays what was recorded."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass

import av
import pytest

from media.judge import decode
from tests.browser import chromium
from tests.e2e import fake_device
from tests.e2e.farm import Farm
from tests.e2e.sent import note, pictures_sent
from tests.e2e.strict import decodes
from tests.e2e.test_browser import CANVAS

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.alone]

LENGTH_S = 9.0
CNAME = "chromium-codecs"
CODECS = {"71": "vp9", "72": "av1"}
MIX = {"channelType": 0, "streamTypes": 2, "transcodingConfig": CANVAS}
APART = {"channelType": 0, "streamTypes": 2, "subscribeUidGroup": 0}
# Plays a file to its end as fast as it will; what it saw.
PLAY = """
async (data) => {
  const video = document.createElement("video");
  video.muted = true;
  video.playbackRate = 4;
  video.src = `data:video/webm;base64,${data}`;
  document.body.append(video);
  await new Promise((resolve, reject) => {
    video.addEventListener("ended", resolve);
    video.addEventListener("error", () => reject(new Error(video.error.message)));
    video.play().catch(reject);
  });
  return { at: video.currentTime, duration: video.duration, width: video.videoWidth };
}
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is in the bucket of one mix and of each publisher apart."""

    mix: str
    apart: list[str]
    pictures: dict[str, int]  # sent by each while it was recorded


@pytest.fixture(scope="module")
def recorded(running_farm: Farm, need: Callable[[str], str]) -> Recorded:
    return asyncio.run(asyncio.wait_for(_record(running_farm, need("chromium")), 120))


async def _record(farm: Farm, path: str) -> Recorded:
    async def start(uid: str, mode: str, config: dict[str, object]):
        request = {"recordingConfig": config, "storageConfig": farm.storage("codecs", mode)}
        return await asyncio.to_thread(farm.agora.start, CNAME, uid, mode, request)

    async def sent() -> list[int]:
        return [await pictures_sent(page) for page in pages]

    pages = []
    async with chromium(path) as context:
        await note(context)
        for uid, codec in CODECS.items():
            page = await context.new_page()
            pages.append(page)
            query = f"channel={CNAME}&uid={uid}&autojoin=1&codec={codec}"
            await page.goto(f"{farm.facts['room']}/?{query}")
            await page.wait_for_selector('html[data-state="in"]')
        recordings = [
            await start("527841", "mix", MIX),
            await start("527842", "individual", APART),
        ]
        before = await sent()
        await asyncio.sleep(LENGTH_S)
        until = await sent()
        answers = await asyncio.gather(*(asyncio.to_thread(one.stop) for one in recordings))
    assert [status for status, _ in answers] == [200, 200], answers
    mixed, files = (body["serverResponse"]["fileList"] for _, body in answers)
    pictures = {uid: b - a for uid, a, b in zip(CODECS, before, until, strict=True)}
    return Recorded(mixed, [row["fileName"] for row in files], pictures)


def test_both_cameras_are_in_the_mix(
    running_farm: Farm, recorded: Recorded, need: Callable[[str], str]
) -> None:
    data = decode.joined(part for _, part in running_farm.bucket.segments(recorded.mix))
    decodes(need("ffmpeg"), data)
    for side in (0, 1):  # best fit puts two beside each other
        halves = [
            decode.Picture(picture.time_s, _half(picture, side))
            for picture in decode.pictures(data)
        ]
        seen = fake_device.watch(halves)
        print(f"half {side}: camera from {seen.times_s[0] - halves[0].time_s:.2f} s on")
        assert seen.times_s[0] - halves[0].time_s <= 3.0
        assert seen.without == 0


def _half(picture: decode.Picture, side: int) -> av.VideoFrame:
    rgb = picture.frame.to_ndarray(format="rgb24")
    width = rgb.shape[1] // 2
    part = rgb[:, side * width : (side + 1) * width].copy()
    return av.VideoFrame.from_ndarray(part, format="rgb24")


@pytest.mark.parametrize("uid", CODECS)
def test_each_camera_apart_decodes_and_plays_in_chromium(
    running_farm: Farm, recorded: Recorded, need: Callable[[str], str], uid: str
) -> None:
    (playlist,) = (
        name for name in recorded.apart if f"__uid_s_{uid}__" in name and "video" in name
    )
    segments = running_farm.bucket.segments(playlist)
    pictures = 0
    for name, data in segments:
        assert name.endswith(".webm")
        decodes(need("ffmpeg"), data)
        pictures += len(list(decode.pictures(data)))
    sent = recorded.pictures[uid]
    print(f"{CODECS[uid]}: {pictures} pictures of {sent} sent, in {len(segments)} files")
    assert sent >= LENGTH_S * 5  # of 20 a second; or it shows nothing
    assert pictures >= sent * 0.7

    async def play() -> list[dict[str, float]]:
        async with chromium(need("chromium")) as context:
            page = await context.new_page()
            return [
                await page.evaluate(PLAY, base64.b64encode(data).decode()) for _, data in segments
            ]

    for played in asyncio.run(asyncio.wait_for(play(), 60)):
        print(played)
        assert played["width"] > 0
        assert played["at"] >= played["duration"] - 0.1
