"""Stream mode ``standard`` and screenshots, recorded together and delivered."""

import asyncio
import io
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from api.agora.client import Recording
from media.judge import decode, pattern
from media.publish.frame_code import uid_code
from media.publish.read_pattern import read_frame_number
from tests.browser import chromium
from tests.e2e import player
from tests.e2e.farm import Farm, until
from tests.e2e.strict import decodes
from tests.e2e.watch import PlaylistWatch
from tests.judge import rfc8216

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.alone]

PREFIX = "outputs"
LENGTH_S = 33.0  # two whole slices of each line, and a rest
EVERY_S = 3
CODECS = {"123": "vp8", "456": "h264"}
SNAPSHOTS = {"snapshotConfig": {"captureInterval": EVERY_S, "fileType": ["jpg"]}}
FILES = {"recordingFileConfig": {"avFileType": ["hls"]}}
CHANNEL = {"channelType": 0, "streamTypes": 2}
_DASH = "{urn:mpeg:dash:schema:mpd:2011}"


@dataclass(frozen=True, slots=True)
class Made:
    """Two recordings of the same publishers; what was answered to query and stop."""

    standard: str  # what the names of its files begin with
    pictures: str
    queried: list[dict[str, Any]]
    stopped: list[dict[str, Any]]
    watch: PlaylistWatch


@pytest.fixture(scope="module")
def made(running_farm: Farm) -> Made:
    farm, cname = running_farm, "outputs"
    with ExitStack() as there:
        for uid, codec in CODECS.items():
            there.enter_context(farm.publisher(cname, uid, "--pattern", "--video", codec))
        watch = there.enter_context(PlaylistWatch(farm.bucket, f"{PREFIX}/"))
        time.sleep(0.5)
        standard = {"streamMode": "standard", "subscribeUidGroup": 0}
        both = _start(farm, cname, "527841", {"recordingConfig": CHANNEL | standard} | FILES)
        only = _start(farm, cname, "527842", {"recordingConfig": CHANNEL})
        begun_s = time.time()
        until(begun_s + LENGTH_S - 3)
        queried = [one.query()[1]["serverResponse"] for one in (both, only)]
        until(begun_s + LENGTH_S)
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(lambda one: one.stop(), (both, only)))
    assert [status for status, _ in answers] == [200, 200], answers
    stems = [f"{PREFIX}/{one.sid}_{cname}__uid_s_" for one in (both, only)]
    return Made(*stems, queried, [body["serverResponse"] for _, body in answers], watch)


def _start(farm: Farm, cname: str, uid: str, request: dict[str, Any]) -> Recording:
    request = request | SNAPSHOTS | {"storageConfig": farm.storage(PREFIX)}
    return farm.agora.start(cname, uid, "individual", request)


def test_query_and_stop_say_no_more_than_the_reference(made: Made) -> None:
    for queried in made.queried:
        assert set(queried) == {"status", "sliceStartTime"}
        assert queried["status"] == 5
        assert queried["sliceStartTime"] > 0
    assert made.stopped == [{"uploadingStatus": "uploaded"}] * 2


def test_every_file_has_its_name_and_type(running_farm: Farm, made: Made) -> None:
    bucket = running_farm.bucket
    assert not made.watch.problems
    kinds = {"m3u8": 2, "ts": 2, "webm": 2, "mpd": 1, "jpg": LENGTH_S // EVERY_S}
    for uid, codec in CODECS.items():
        names = bucket.names(f"{made.standard}{uid}__uid_e_")
        shape = r"_(audio|video|av)(_\d{17})?\.(m3u8|mpd|ts|webm|jpg)"
        assert all(re.search(shape + "$", name) for name in names)
        found = {name.rpartition(".")[2] for name in names}
        assert found == {"m3u8", "ts", "jpg"} | ({"webm", "mpd"} if codec == "vp8" else set())
        for kind in found:
            assert sum(name.endswith(kind) for name in names) >= kinds[kind] - 1
        merged = [name for name in names if "__uid_e_av" in name]
        assert merged == [f"{made.standard}{uid}__uid_e_av.{'mpd' if codec == 'vp8' else 'm3u8'}"]
        alone = bucket.names(f"{made.pictures}{uid}__uid_e_")
        assert {name.rpartition(".")[2] for name in alone} == {"jpg"}
        assert bucket.content_type(alone[0]) == "image/jpeg"


def _at_s(name: str) -> float:
    """The time in a file's name, Unix seconds."""
    digits = re.search(r"_(\d{14})(\d{3})\.\w+$", name)
    assert digits is not None
    moment = datetime.strptime(digits[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return moment.timestamp() + int(digits[2]) / 1000


@pytest.mark.parametrize("uid", CODECS)
def test_screenshots_show_what_the_video_shows_at_that_time(
    running_farm: Farm, made: Made, uid: str
) -> None:
    bucket, shown = running_farm.bucket, {}
    for key, data in bucket.segments(f"{made.standard}{uid}__uid_e_video.m3u8"):
        pictures = list(decode.pictures(data))
        for one in pictures:
            found = read_frame_number(one.luma())
            if found is not None:
                shown[_at_s(key) + one.time_s - pictures[0].time_s] = found[1]
    for stem in (made.standard, made.pictures):
        names = [
            name
            for name in bucket.names(f"{stem}{uid}__uid_e_video_")
            if name.endswith(".jpg") and min(shown) + 0.1 < _at_s(name) < max(shown)
        ]
        steps = np.diff([_at_s(name) for name in names])
        assert len(names) >= LENGTH_S / EVERY_S - 2
        assert steps == pytest.approx(EVERY_S, abs=0.0015)
        for name in names:
            with av.open(io.BytesIO(bucket.get(name))) as file:
                (picture,) = file.decode(video=0)
            code, number = read_frame_number(decode.luma(picture)) or (-1, -1)
            expected = max(at_s for at_s in shown if at_s <= _at_s(name) + 0.002)
            assert code == uid_code(uid)
            assert abs(number - shown[expected]) <= 1


def test_the_manifest_names_files_that_play_as_one(
    running_farm: Farm, made: Made, need: Callable[[str], str], tmp_path: Path
) -> None:
    bucket = running_farm.bucket
    key = f"{made.standard}123__uid_e_av.mpd"
    assert bucket.content_type(key) == "application/dash+xml"
    text = bucket.get(key).decode()
    root = ElementTree.fromstring(text)  # noqa: S314  # our own
    assert root.attrib["type"] == "static"
    sets = {one.attrib["contentType"]: one for one in root.iter(f"{_DASH}AdaptationSet")}
    assert {kind: one.attrib["codecs"] for kind, one in sets.items()} == {
        "audio": "opus",
        "video": "vp8",
    }
    assert re.search(r'width="640" height="360" rotate="0" time="\d{17}"', text)
    assert len(re.findall(r'ExtDiscontinuity time="\d{17}"', text)) == 2
    stored = {}
    for kind, chosen in sets.items():
        names = [one.attrib["media"] for one in chosen.iter(f"{_DASH}SegmentURL")]
        assert len(names) >= 2
        assert all(re.search(rf"_{kind}_\d{{17}}\.webm$", name) for name in names)
        for name in names:
            data = bucket.get(f"{PREFIX}/{name}")
            (tmp_path / name).write_bytes(data)
            decodes(need("ffmpeg"), data)
            stored[name] = data
    assert set(stored) == {
        name.rpartition("/")[2]
        for name in bucket.names(f"{made.standard}123__uid_e_")
        if name.endswith(".webm")
    }
    (tmp_path / "av.mpd").write_text(text)
    command = [need("ffmpeg"), "-v", "error", "-i", "av.mpd", "-map", "0", "-c", "copy", "av.mkv"]
    done = subprocess.run(command, cwd=tmp_path, timeout=60, check=True, capture_output=True)
    assert not done.stderr, done.stderr.decode()
    joined = (tmp_path / "av.mkv").read_bytes()
    for kind in ("audio", "video"):
        files = [data for name, data in stored.items() if f"_{kind}_" in name]
        apart = sum(len(decode.packets(data, kind)) for data in files)
        together = decode.packets(joined, kind)
        print(f"{kind}: {len(together)} of {apart} packets")
        assert len(together) >= apart * 0.99
    sound, seen = decode.sound(joined), pattern.watch(decode.pictures(joined))
    offsets = pattern.offsets(seen.flashes_s, pattern.beeps(sound, "123"))
    print(f"sound against picture: p95 {pattern.p95(offsets) * 1000:.0f} ms")
    assert pattern.p95(offsets) <= 0.06


def test_chromium_plays_the_files_of_the_manifest_as_a_dash_player_does(
    running_farm: Farm, made: Made, need: Callable[[str], str]
) -> None:
    bucket = running_farm.bucket
    root = ElementTree.fromstring(bucket.get(f"{made.standard}123__uid_e_av.mpd"))  # noqa: S314  # our own
    files, times = {}, {}
    for chosen in root.iter(f"{_DASH}AdaptationSet"):
        kind = f'{chosen.attrib["mimeType"]}; codecs="{chosen.attrib["codecs"]}"'
        files[kind] = [
            f"{PREFIX}/{one.attrib['media']}" for one in chosen.iter(f"{_DASH}SegmentURL")
        ]
        listed = [(int(one.attrib["t"]), int(one.attrib["d"])) for one in chosen.iter(f"{_DASH}S")]
        times[kind] = listed[0][0] / 1000, sum(listed[-1]) / 1000

    async def test() -> dict[str, Any]:
        async with chromium(need("chromium")) as context:
            return await player.play_apart(context, bucket, files)

    played = asyncio.run(asyncio.wait_for(test(), 150))
    print(played, times)
    assert (played["ended"], played["error"]) == (True, "")
    assert played["size"] == [640, 360]
    for kind, ranges in played["buffered"].items():
        assert len(ranges) == 1, "the files do not join"
        assert ranges[0] == pytest.approx(times[kind], abs=0.1)


def test_chromium_plays_the_merged_playlist_with_sound_and_picture_in_step(
    running_farm: Farm, made: Made, need: Callable[[str], str]
) -> None:
    bucket = running_farm.bucket
    stem = f"{made.standard}456__uid_e_"
    text = bucket.get(f"{stem}av.m3u8").decode()
    assert re.search(r'CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2",RESOLUTION=640x360', text)
    starts, problems = {}, []
    for medium, kind in (("audio", "audio"), ("main", "video")):
        listed = bucket.get(f"{stem}{kind}.m3u8").decode()
        problems += rfc8216.check(listed)
        for number, (_, data) in enumerate(bucket.segments(f"{stem}{kind}.m3u8")):
            starts[medium, number] = decode.packets(data, kind)[0][0]
    assert problems == []
    texts = (bucket.get(f"{stem}{kind}.m3u8").decode() for kind in ("audio", "video"))
    lengths = [sum(rfc8216.durations(text)) for text in texts]

    async def test() -> player.Played:
        async with chromium(need("chromium")) as context:
            return await player.play(context, bucket, f"{stem}av.m3u8", max(lengths))

    played = asyncio.run(asyncio.wait_for(test(), 150))
    print(played)
    # Sound that comes before the first picture has no place in the player's buffer.
    assert {error["details"] for error in played.errors} <= {"bufferAppendNoProgress"}
    assert not any(error["fatal"] for error in played.errors)
    assert played.ended
    assert played.size == (640, 360)
    assert played.waits() == []
    assert played.at_s >= min(lengths) - 0.6
    assert abs(played.frames - lengths[1] * 15) <= lengths[1] * 15 * 0.03
    assert played.audio_bytes > 0
    # Where hls.js put each segment, against the time that the segment itself has.
    shifts = {
        (medium, number): starts[medium, number] - at_s
        for medium, number, at_s in played.placed
        if number > 0  # sound that comes before the first picture is not played
    }
    assert {medium for medium, _ in shifts} == {"main", "audio"}
    parted_s = max(shifts.values()) - min(shifts.values())
    print(f"sound and picture parted by {parted_s * 1000:.0f} ms")
    assert parted_s <= 0.03
