"""Chromium at both ends: it is recorded, and it plays what was recorded.

The mix is compared with what the page gave (:mod:`tests.e2e.sent`): on a busy machine its devices
do not keep time.
"""

import asyncio
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from api.agora.client import Recording
from media.judge import decode
from tests.browser import chromium
from tests.e2e import fake_device, player
from tests.e2e.farm import Farm
from tests.e2e.sent import Sent, note, noted, pictures_sent
from tests.e2e.strict import decodes

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.alone]

LENGTH_S = 18.0  # two segments
FPS = 15
CAMERA_FPS = 20
UID = "77"
CANVAS = {
    "width": 640,
    "height": 360,
    "bitrate": 500,
    "fps": FPS,
    "mixedVideoLayout": 1,
    "backgroundColor": "#FF0000",
}
MIX = {"channelType": 0, "streamTypes": 2, "transcodingConfig": CANVAS}
APART = {"channelType": 0, "streamTypes": 2, "subscribeUidGroup": 0}


@dataclass(frozen=True, slots=True)
class Recorded:
    """Two finished recordings of one Chromium, made at the same time."""

    codec: str
    length_s: float  # of the mix, from the answer to start until stop was called
    mix: str  # a playlist
    apart: list[str]  # playlists
    sent: Sent  # since the page was opened
    pictures: int  # of these, while both were recorded


@pytest.fixture(scope="module", params=["vp8", "h264"])
def recorded(
    running_farm: Farm, need: Callable[[str], str], request: pytest.FixtureRequest
) -> Recorded:
    path, codec = need("chromium"), str(request.param)
    return asyncio.run(asyncio.wait_for(_record(running_farm, path, codec), 120))


async def _record(farm: Farm, path: str, codec: str) -> Recorded:
    cname, loop = f"chromium-{codec}", asyncio.get_running_loop()

    async def start(uid: str, mode: str, config: dict[str, object]) -> Recording:
        storage = farm.storage("chromium", codec, mode)
        request = {"recordingConfig": config, "storageConfig": storage}
        return await asyncio.to_thread(farm.agora.start, cname, uid, mode, request)

    async with chromium(path) as context:
        await note(context)
        page = await context.new_page()
        troubles: list[str] = []
        page.on("pageerror", lambda error: troubles.append(str(error)))
        query = f"channel={cname}&uid={UID}&autojoin=1&codec={codec}"
        await page.goto(f"{farm.facts['room']}/?{query}")
        await page.wait_for_selector('html[data-state="in"]')
        mix = await start("527841", "mix", MIX)
        begun_s = loop.time()
        apart = await start("527842", "individual", APART)
        before = await pictures_sent(page)
        await asyncio.sleep(LENGTH_S)
        length_s, until = loop.time() - begun_s, await pictures_sent(page)
        answers = await asyncio.gather(*(asyncio.to_thread(one.stop) for one in (mix, apart)))
        assert await page.get_attribute("html", "data-state") == "in"
        assert not troubles
        sent = await noted(page)
    assert [status for status, _ in answers] == [200, 200], answers
    mixed, files = (body["serverResponse"]["fileList"] for _, body in answers)
    names = [row["fileName"] for row in files]
    return Recorded(codec, length_s, mixed, names, sent, until - before)


def test_chromiums_camera_and_microphone_are_in_the_mix(
    running_farm: Farm, recorded: Recorded
) -> None:
    segments = running_farm.bucket.segments(recorded.mix)
    assert len(segments) == 2
    data = decode.joined(part for _, part in segments)
    pictures, sound = list(decode.pictures(data)), decode.sound(data)
    begin_s, end_s = pictures[0].time_s, pictures[-1].time_s + 1 / FPS
    sent, seen, beeps = recorded.sent, fake_device.watch(pictures), fake_device.beeps(sound)
    parted_s, beeps_parted_s = sent.pictures_parted_s(seen), sent.beeps_parted_s(beeps)
    print(
        f"{recorded.codec}: {recorded.length_s:.2f} s; pictures {end_s - begin_s:.2f} s, camera "
        f"from {seen.times_s[0] - begin_s:.2f} s on, parted {np.abs(parted_s).max() * 1000:.0f} ms,"
        f" stands {seen.longest_stand_s:.2f} s (sent: {sent.longest_stand_s:.2f} s); sound "
        f"{sound.end_s - sound.start_s:.2f} s, {len(beeps)} beeps, parted "
        f"{beeps_parted_s * 1000:.0f} ms, at most {sent.longest_silence_s:.2f} s between those sent"
    )
    assert {(p.frame.width, p.frame.height) for p in pictures} == {(640, 360)}
    assert abs(end_s - begin_s - recorded.length_s) <= 0.5
    assert abs(sound.end_s - sound.start_s - recorded.length_s) <= 0.5
    assert seen.times_s[0] - begin_s <= 1.5
    assert seen.without == 0
    assert seen.longest_stand_s <= 0.4 + sent.longest_stand_s
    assert len(parted_s) >= recorded.pictures * FPS / CAMERA_FPS * 0.8
    assert np.abs(parted_s).max() <= 0.2
    assert np.percentile(np.abs(parted_s), 95) <= 0.1
    assert beeps_parted_s <= 0.1
    between_s = max(1.0, sent.longest_silence_s)
    assert beeps[0] - sound.start_s <= 0.5 + between_s
    assert sound.end_s - beeps[-1] <= between_s


def test_chromium_plays_the_mix_through_its_seam_to_the_end(
    running_farm: Farm, recorded: Recorded, need: Callable[[str], str]
) -> None:
    async def test() -> player.Played:
        async with chromium(need("chromium")) as context:
            return await player.play(context, running_farm.bucket, recorded.mix, listed_s)

    text = running_farm.bucket.get(recorded.mix).decode()
    lengths_s = [float(value) for value in re.findall(r"#EXTINF:([\d.]+)", text)]
    listed_s = sum(lengths_s)
    data = decode.joined(part for _, part in running_farm.bucket.segments(recorded.mix))
    sound_bytes = sum(len(payload) for _, payload in decode.packets(data, "audio"))
    played = asyncio.run(asyncio.wait_for(test(), 120))
    print(f"{recorded.codec}: {played}")
    assert played.errors == []
    assert played.ended
    assert abs(played.duration_s - listed_s) <= 0.1
    assert played.at_s >= played.duration_s - 0.3
    assert played.size == (640, 360)
    assert [number for number, _ in played.fragments] == list(range(len(lengths_s)))
    # hls.js makes up for much that is wrong at a seam, but not in silence.
    for (_, at_s), starts_s in zip(
        played.fragments, itertools.accumulate(lengths_s, initial=0.0), strict=False
    ):
        assert abs(at_s - starts_s) <= 0.5
    assert len(played.buffered) == 1
    assert played.waits() == []
    assert abs(played.frames - listed_s * FPS) <= listed_s * FPS * 0.02
    assert played.audio_bytes >= sound_bytes * 0.9


def test_chromium_apart_decodes_without_an_error(
    running_farm: Farm, recorded: Recorded, need: Callable[[str], str]
) -> None:
    container = {"vp8": "webm", "h264": "ts"}[recorded.codec]
    (video,) = (name for name in recorded.apart if name.endswith("video.m3u8"))
    (audio,) = (name for name in recorded.apart if name.endswith("audio.m3u8"))
    pictures = 0
    for playlist, codec in ((video, recorded.codec), (audio, "aac")):
        for name, data in running_farm.bucket.segments(playlist):
            assert name.endswith(container if playlist == video else "ts")
            assert codec in decode.codecs(data).values()
            decodes(need("ffmpeg"), data)
            pictures += len(list(decode.pictures(data))) if playlist == video else 0
    print(f"{recorded.codec}: {pictures} pictures of {recorded.pictures} that were sent")
    assert recorded.pictures > 0
    assert pictures >= recorded.pictures * 0.9
