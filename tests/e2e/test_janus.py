"""A VideoRoom of a real Janus, recorded through a whole farm and judged by what was sent."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from api.agora.client import Recording
from media.judge import decode, pattern
from media.judge.decode import Picture, Sound
from tests.browser import chromium
from tests.e2e import fake_device, grid
from tests.e2e.farm import Bucket
from tests.e2e.janus_farm import JanusFarm, Stage, stage
from tests.e2e.janus_page import publishing
from tests.e2e.sent import Sent, note, noted
from tests.e2e.strict import decodes

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.alone]

FPS = 15
CANVAS = {"width": 640, "height": 360, "bitrate": 800, "fps": FPS, "mixedVideoLayout": 1}
MIX = {
    "channelType": 0,
    "streamTypes": 2,
    "transcodingConfig": CANVAS | {"backgroundColor": "#FF0000"},
}
APART = {"channelType": 0, "streamTypes": 2, "subscribeUidGroup": 0}
CELLS = grid.cells(640, 360)
BROWSER = "77"
CNAME = "four-in-janus"


@dataclass(frozen=True, slots=True)
class Recorded:
    """Two finished recordings of one room, made at the same time; Unix times."""

    begun_s: float  # of the mix
    ended_s: float
    mix: str  # a playlist
    apart: list[str]  # playlists
    ready_s: dict[str, list[float]]
    left_s: dict[str, list[float]]
    browser_s: list[tuple[float, float]]  # from, until
    sent: list[Sent]  # what the browser gave meanwhile


@pytest.fixture(scope="module")
def recorded(janus_world: JanusFarm, need: Callable[[str], str]) -> Recorded:
    with stage(janus_world, CNAME) as players:
        story = _record(janus_world, players, need("chromium"))
        return asyncio.run(asyncio.wait_for(story, 150))


async def _record(world: JanusFarm, players: Stage, path: str) -> Recorded:
    async def start(uid: str, mode: str, config: dict[str, Any]) -> Recording:
        storage = world.farm.storage("janus", mode)
        request = {"recordingConfig": config, "storageConfig": storage}
        return await asyncio.to_thread(world.farm.agora.start, CNAME, uid, mode, request)

    async def enter(uid: str, codec: str) -> None:
        await asyncio.to_thread(players.enter, uid, "--video", codec)

    browser_s: list[tuple[float, float]] = []
    sent: list[Sent] = []
    async with chromium(path) as context:
        await note(context)
        await asyncio.gather(enter("1", "vp8"), enter("3", "h264"))
        async with publishing(context, world.janus.url, CNAME, BROWSER, codec="vp8") as page:
            mix = await start("527841", "mix", MIX)
            apart = await start("527842", "individual", APART)
            begun_s = time.time()
            await asyncio.sleep(4)
            await enter("2", "vp8")  # late
            await asyncio.sleep(5)
            await asyncio.to_thread(players.exit, "3")
            await asyncio.sleep(3)
            await enter("3", "h264")
            await asyncio.sleep(3)
            browser_s.append((mix.started_s, time.time()))
            sent.append(await noted(page))
        async with publishing(context, world.janus.url, CNAME, BROWSER, codec="h264") as page:
            begun_s = time.time()
            await asyncio.sleep(12)
            ended_s = time.time()
            browser_s.append((begun_s, ended_s))
            for one in (mix, apart):
                await asyncio.to_thread(one.stop, wait=False)
            sent.append(await noted(page))
    await asyncio.to_thread(players.clear)  # cutting takes what is there of the machine
    (mixed,), files = [await asyncio.to_thread(world.uploaded, one.sid) for one in (mix, apart)]
    return Recorded(
        mix.started_s,
        ended_s,
        mixed,
        files,
        players.ready_s,
        players.left_s,
        browser_s,
        sent,
    )


@dataclass(frozen=True, slots=True)
class Mixed:
    """The mix, decoded."""

    pictures: list[Picture]
    sound: Sound

    @property
    def zero_s(self) -> float:
        """The file's time at which the recording began."""
        return self.pictures[0].time_s


@pytest.fixture(scope="module")
def mixed(janus_world: JanusFarm, recorded: Recorded) -> Mixed:
    segments = janus_world.farm.bucket.segments(recorded.mix)
    data = decode.joined(part for _, part in segments)
    return Mixed(list(decode.pictures(data)), decode.sound(data))


def test_the_mix_is_as_long_as_the_recording(recorded: Recorded, mixed: Mixed) -> None:
    length_s = recorded.ended_s - recorded.begun_s
    seen_s = mixed.pictures[-1].time_s - mixed.zero_s + 1 / FPS
    sound_s = mixed.sound.end_s - mixed.sound.start_s
    print(f"length {length_s:.2f} s, pictures {seen_s:.2f} s, sound {sound_s:.2f} s")
    steps = [b.time_s - a.time_s for a, b in itertools.pairwise(mixed.pictures)]
    assert max(steps) < 1.5 / FPS
    assert abs(seen_s - length_s) <= 0.5
    assert abs(sound_s - length_s) <= 0.5


def test_every_publisher_is_in_the_mix_whole_in_step_and_when_it_was_there(
    recorded: Recorded, mixed: Mixed
) -> None:
    for uid, lives in grid.lives(mixed.pictures, CELLS, "123").items():
        beeps = pattern.beeps(mixed.sound, uid)
        ready_s = [max(at_s, recorded.begun_s) for at_s in recorded.ready_s[uid]]
        gone_s = recorded.left_s[uid][:1] if uid == "3" else []
        for life, from_s, until_s in zip(lives, ready_s, (*gone_s, recorded.ended_s), strict=True):
            offsets = pattern.offsets(life.seen.flashes_s, beeps)
            share = pattern.heard(
                mixed.sound, uid, from_s=life.from_s + 1, until_s=life.until_s - 0.3
            )
            late_s = life.from_s - mixed.zero_s - (from_s - recorded.begun_s)
            early_s = until_s - recorded.begun_s - (life.until_s - mixed.zero_s)
            print(
                f"uid {uid}: {len(life.seen.numbers)} frames, {life.seen.missing} missing, "
                f"seen after {late_s:.2f} s, until {early_s:.2f} s before the end, "
                f"{len(offsets)} flashes, A/V p95 {pattern.p95(offsets) * 1000:.1f} ms, "
                f"tone in {share:.1%}"
            )
            assert life.seen.missing_share <= 0.01
            assert life.seen.disordered == 0
            assert len(offsets) >= until_s - from_s - 3
            assert pattern.p95(offsets) <= 0.060
            assert share == 1.0
            assert -0.5 <= late_s <= 1.5
            assert -0.5 <= early_s <= 0.8


def test_the_browser_is_in_the_mix_with_either_codec(recorded: Recorded, mixed: Mixed) -> None:
    for codec, (from_s, until_s), sent in zip(
        ("vp8", "h264"), recorded.browser_s, recorded.sent, strict=True
    ):
        first_s = mixed.zero_s + from_s - recorded.begun_s
        last_s = mixed.zero_s + until_s - recorded.begun_s
        window = [one for one in mixed.pictures if first_s <= one.time_s <= last_s - 0.3]
        seen = max(
            (fake_device.watch(grid.cropped(window, cell)) for cell in CELLS[-4:]),
            key=lambda one: len(one.times_s),
        )
        parted_s = np.abs(sent.pictures_parted_s(seen))
        p95_s = np.percentile(parted_s, 95)
        print(
            f"{codec}: {until_s - from_s:.2f} s, camera seen after {seen.times_s[0] - first_s:.2f}"
            f" s, p95 parted {p95_s * 1000:.0f} ms (at most {parted_s.max() * 1000:.0f} ms), "
            f"stands {seen.longest_stand_s:.2f} s (sent: {sent.longest_stand_s:.2f} s)"
        )
        assert seen.times_s[0] - first_s <= 2.0
        assert seen.without == 0
        assert seen.longest_stand_s <= 0.9 + sent.longest_stand_s
        assert len(parted_s) > 0
        assert p95_s <= 0.1


def test_each_publisher_apart_is_whole(janus_world: JanusFarm, recorded: Recorded) -> None:
    bucket = janus_world.farm.bucket
    for uid, codec in (("1", "vp8"), ("2", "vp8"), ("3", "h264")):
        (video,) = _playlists(recorded, uid, "video")
        files = bucket.segments(video)
        pictures = [one for _, data in files for one in decode.pictures(data)]
        assert all(decode.codecs(data) == {"video": codec} for _, data in files)
        lives = grid.lives(pictures, CELLS[:1], uid)[uid]
        print(f"uid {uid}: {[len(life.seen.numbers) for life in lives]} pictures apart")
        assert len(lives) == len(recorded.ready_s[uid])
        for life in lives:
            assert life.seen.missing_share <= 0.01
            assert life.seen.disordered == 0


def test_the_browser_apart_decodes_and_beeps(
    janus_world: JanusFarm, recorded: Recorded, need: Callable[[str], str]
) -> None:
    bucket, ffmpeg = janus_world.farm.bucket, need("ffmpeg")
    codecs = _decoded(bucket, ffmpeg, _playlists(recorded, BROWSER, "video"))
    assert codecs == {"vp8", "h264"}
    sounds = _playlists(recorded, BROWSER, "audio")
    assert _decoded(bucket, ffmpeg, sounds) == {"aac"}
    onsets: list[float] = []
    length_s = 0.0
    for playlist in sounds:
        sound = decode.sound(decode.joined(data for _, data in bucket.segments(playlist)))
        onsets += fake_device.beeps(sound)
        length_s += sound.end_s - sound.start_s
    there_s = sum(until_s - from_s for from_s, until_s in recorded.browser_s)
    print(f"{len(onsets)} beeps in {length_s:.2f} s of sound of {there_s:.2f} s there")
    assert len(onsets) >= (there_s - 3) / fake_device.BEEP_PERIOD_S


def _playlists(recorded: Recorded, uid: str, kind: str) -> list[str]:
    return [name for name in recorded.apart if f"uid_s_{uid}__" in name and kind in name]


def _decoded(bucket: Bucket, ffmpeg: str, playlists: list[str]) -> set[str]:
    """The codecs of files that decode without an error."""
    found: set[str] = set()
    for playlist in playlists:
        for _, data in bucket.segments(playlist):
            decodes(ffmpeg, data)
            found |= set(decode.codecs(data).values())
    return found
