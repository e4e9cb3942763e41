"""A Janus that dies and comes back, and one that throws the recorder out."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from api.agora.client import Recording
from api.cli.doctor import Finding, examine
from media.judge import decode, pattern
from tests.browser import chromium
from tests.e2e import grid
from tests.e2e.farm import until
from tests.e2e.janus_farm import JanusFarm, Stage, janus_farm, stage
from tests.e2e.janus_page import publishing
from tests.e2e.sent import note, pictures_sent
from tests.e2e.strict import decodes

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.alone]

FPS = 15
CANVAS = {"width": 640, "height": 360, "bitrate": 500, "fps": FPS, "mixedVideoLayout": 1}
CELLS = grid.cells(640, 360)
RECORDER = "527841"
PIN = "31415926"
ERROR, LEFT = 1, 41  # event types
CODECS = {"vp9": ("vp9", "libvpx-vp9"), "av1": ("av1", "libdav1d")}  # as FFmpeg calls them


def test_janus_is_killed_and_the_same_recording_goes_on_with_a_hole(
    tmp_path: Path, need: Callable[[str], str]
) -> None:
    with janus_farm(tmp_path, need, pin=PIN) as world:
        _kill_and_judge(world, "restarted")


def _kill_and_judge(world: JanusFarm, cname: str) -> None:
    request = {
        "recordingConfig": {"transcodingConfig": CANVAS},
        "storageConfig": world.farm.storage("restarted"),
    }
    with stage(world, cname) as players:
        _enter(players)
        recording = world.farm.agora.start(cname, RECORDER, "mix", request)
        until(recording.started_s + 5)
        world.janus.kill()
        killed_s = time.time()
        players.clear()
        assert not _media_server(world).well
        until(killed_s + 6)
        world.janus.start()
        started_s = time.time()
        _enter(players)
        back_s = max(ready_s[-1] for ready_s in players.ready_s.values())
        until(max(recording.started_s + 20, back_s + 5))  # a busy machine takes long to start them
        assert _media_server(world).well
        assert PIN not in _in_redis(world.farm.facts["redis"])
        ended_s = time.time()
        recording.stop(wait=False)
    (playlist,) = world.uploaded(recording.sid)
    assert not [path for path in (world.farm.data / "logs").iterdir() if PIN in path.read_text()]
    segments = world.farm.bucket.segments(playlist)
    data = decode.joined(part for _, part in segments)
    pictures, sound = list(decode.pictures(data)), decode.sound(data)
    seen_s = pictures[-1].time_s - pictures[0].time_s + 1 / FPS
    print(f"length {ended_s - recording.started_s:.2f} s, pictures {seen_s:.2f} s")
    assert abs(seen_s - (ended_s - recording.started_s)) <= 0.5
    zero_s = pictures[0].time_s - recording.started_s
    for uid, lives in grid.lives(pictures, CELLS, "12").items():
        before, after = lives
        hole_s = after.from_s - before.until_s
        ready_s = players.ready_s[uid][1]
        lost_s = after.seen.numbers[0] / FPS  # of what its publisher sends again
        beeps = pattern.beeps(sound, uid)
        offsets = [
            offset for life in lives for offset in pattern.offsets(life.seen.flashes_s, beeps)
        ]
        shares = [
            pattern.heard(sound, uid, from_s=life.from_s + 1, until_s=life.until_s - 0.3)
            for life in lives
        ]
        print(
            f"uid {uid}: Janus away for {started_s - killed_s:.2f} s, publisher for "
            f"{ready_s - killed_s:.2f} s, hole {hole_s:.2f} s, taped again "
            f"{after.from_s - zero_s - ready_s:.2f} s after it, {lost_s:.2f} s of it lost; "
            f"{[len(life.seen.numbers) for life in lives]} frames, "
            f"{[life.seen.missing for life in lives]} missing, "
            f"A/V p95 {pattern.p95(offsets) * 1000:.1f} ms, tone in {shares}"
        )
        # All three together: the hole is the outage ± 2 s.
        assert abs(before.until_s - zero_s - killed_s) <= 0.5
        assert abs(after.from_s - zero_s - ready_s - lost_s) <= 0.5
        assert lost_s <= 1.0
        assert all(life.seen.missing_share <= 0.01 for life in lives)
        assert all(life.seen.disordered == 0 for life in lives)
        assert pattern.p95(offsets) <= 0.060
        assert shares == [1.0, 1.0]


def _media_server(world: JanusFarm) -> Finding:
    """What `tapefarm doctor` says of it."""
    (found,) = (each for each in examine(world.farm.data) if each.name == "media server")
    assert PIN not in found.words
    return found


def _in_redis(url: str) -> str:
    """All values, as text."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        found = [repr(_value(client, key)) for key in client.scan_iter()]
    assert found
    return "".join(found)


def _value(client: redis.Redis, key: str) -> object:
    match client.type(key):
        case "string":
            return client.get(key)
        case "hash":
            return client.hgetall(key)
        case "list":
            return client.lrange(key, 0, -1)
        case "set":
            return client.smembers(key)
        case "zset":
            return client.zrange(key, 0, -1)
        case other:
            pytest.fail(f"a {other} in Redis")


def _enter(players: Stage) -> None:
    with ThreadPoolExecutor() as pool:
        both = (("1", "vp8"), ("2", "h264"))
        list(pool.map(lambda each: players.enter(each[0], "--video", each[1]), both))


@dataclass(frozen=True, slots=True)
class ThrownOut:
    """A recording that ended because its recorder was kicked out of the room."""

    sid: str
    took_s: float  # from the kick until the recording was over
    files: list[str]  # playlists
    pictures: dict[str, int]  # that each browser sent before the kick


@pytest.fixture(scope="module")
def thrown_out(janus_world: JanusFarm, need: Callable[[str], str]) -> ThrownOut:
    return asyncio.run(asyncio.wait_for(_throw_out(janus_world, need("chromium")), 120))


async def _throw_out(world: JanusFarm, path: str) -> ThrownOut:
    cname, config = "thrown-out", {"channelType": 0, "streamTypes": 2, "subscribeUidGroup": 0}
    request = {"recordingConfig": config, "storageConfig": world.farm.storage("thrownout")}
    url = world.janus.url
    world.janus.create_room(cname)
    async with chromium(path) as context:
        await note(context)
        async with (
            publishing(context, url, cname, "9", codec="vp9") as nine,
            publishing(context, url, cname, "10", codec="av1") as ten,
        ):
            recording: Recording = await asyncio.to_thread(
                world.farm.agora.start, cname, RECORDER, "individual", request
            )
            before = [await pictures_sent(page) for page in (nine, ten)]
            await asyncio.sleep(18)  # over the end of a slice
            after = [await pictures_sent(page) for page in (nine, ten)]
            world.janus.kick(cname, RECORDER)
            kicked_s = time.time()
            await asyncio.to_thread(world.told, recording.sid, LEFT)
            took_s = time.time() - kicked_s
    files = await asyncio.to_thread(world.uploaded, recording.sid)
    pictures = {uid: b - a for uid, a, b in zip(("9", "10"), before, after, strict=True)}
    return ThrownOut(recording.sid, took_s, files, pictures)


def test_a_recorder_that_is_thrown_out_says_so_and_ends(
    janus_world: JanusFarm, thrown_out: ThrownOut
) -> None:
    world, sid = janus_world, thrown_out.sid
    error, left = world.told(sid, ERROR), world.told(sid, LEFT)
    print(f"over {thrown_out.took_s:.2f} s after the kick: {error}, {left}")
    assert "kicked out" in error["errorMsg"]
    assert left["leaveCode"] == 1
    assert RECORDER not in world.janus.participants("thrown-out")


@pytest.mark.parametrize(("uid", "codec"), [("9", "vp9"), ("10", "av1")])
def test_vp9_and_av1_of_a_browser_end_in_files_that_decode(
    janus_world: JanusFarm,
    thrown_out: ThrownOut,
    need: Callable[[str], str],
    uid: str,
    codec: str,
) -> None:
    (playlist,) = (name for name in thrown_out.files if f"uid_s_{uid}__uid_e_video" in name)
    pictures = 0
    for name, data in janus_world.farm.bucket.segments(playlist):
        decodes(need("ffmpeg"), data)
        pictures += len(list(decode.pictures(data)))
        print(f"{codec} in {name.rpartition('.')[2]}: {pictures} pictures so far")
        assert decode.codecs(data)["video"] in CODECS[codec]
    assert thrown_out.pictures[uid] > 0
    assert pictures >= thrown_out.pictures[uid] * 0.7
