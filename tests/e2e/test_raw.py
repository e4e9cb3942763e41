"""Mode ``raw``: one index, one MP4 per publisher, or one MP3, recorded together and delivered."""

import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import pytest

from api.agora.client import Recording
from media.judge import decode, pattern
from tests.e2e import strict
from tests.e2e.farm import Farm, until
from tests.e2e.watch import PlaylistWatch

pytestmark = [pytest.mark.e2e, pytest.mark.server]

PREFIX = "raw"
CNAME = "raw-room"
LENGTH_S = 21.0  # two segments of each
CODECS = {"123": "vp8", "456": "h264"}
DASH = "{urn:mpeg:dash:schema:mpd:2011}"


@dataclass(frozen=True, slots=True)
class Made:
    """Two recordings of the same publishers; what was answered to query and stop."""

    film: str  # what the names of its files begin with
    sound: str
    length_s: float
    queried: list[dict[str, Any]]
    stopped: list[dict[str, Any]]
    watch: PlaylistWatch


@pytest.fixture(scope="module")
def made(running_farm: Farm) -> Made:
    farm = running_farm
    with ExitStack() as there:
        for uid, codec in CODECS.items():
            there.enter_context(farm.publisher(CNAME, uid, "--pattern", "--video", codec))
        watch = there.enter_context(PlaylistWatch(farm.bucket, f"{PREFIX}/"))
        time.sleep(0.5)
        film = _start(farm, "527841", ["hls", "mp4"], 2)
        sound = _start(farm, "527842", ["mp3"], 0)
        begun_s = time.time()
        until(begun_s + LENGTH_S - 0.5)
        queried = [one.query()[1]["serverResponse"] for one in (film, sound)]
        until(begun_s + LENGTH_S)
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(lambda one: one.stop(), (film, sound)))
    assert [status for status, _ in answers] == [200, 200], answers
    stems = [f"{PREFIX}/{one.sid}_{CNAME}__uid_s_" for one in (film, sound)]
    stopped = [body["serverResponse"] for _, body in answers]
    return Made(*stems, LENGTH_S, queried, stopped, watch)


def _start(farm: Farm, uid: str, kinds: list[str], streams: int) -> Recording:
    request = {
        "recordingConfig": {"channelType": 0, "streamTypes": streams, "subscribeUidGroup": 0},
        "recordingFileConfig": {"avFileType": kinds},
        "storageConfig": farm.storage(PREFIX),
    }
    return farm.agora.start(CNAME, uid, "raw", request)


def _entry(name: str, kind: str, uid: str, *, playable: bool = True) -> tuple[Any, ...]:
    return name, kind, uid, playable, False


def test_answers_list_an_index_and_a_file_of_each(running_farm: Farm, made: Made) -> None:
    assert not made.watch.problems
    both = "audio_and_video"
    expected = (
        {
            _entry(f"{made.film}456__uid_e_0_h264.mp4", both, "456"),
            _entry(f"{made.film}456__uid_e_h264.m3u8", both, "456"),
            _entry(f"{made.film}123__uid_e_vp8.mpd", both, "123", playable=False),
        },
        {_entry(f"{made.sound}{uid}__uid_e_0_mp3.mp3", "audio", uid) for uid in CODECS},
    )
    keys = ("fileName", "trackType", "uid", "isPlayable", "mixedAllUser")
    for stopped, queried, wanted in zip(made.stopped, made.queried, expected, strict=True):
        assert stopped["fileListMode"] == queried["fileListMode"] == "json"
        assert stopped["uploadingStatus"] == "uploaded"
        assert {tuple(row[key] for key in keys) for row in stopped["fileList"]} == wanted
        for row in stopped["fileList"]:
            begun_ms = row["sliceStartTime"] - queried["sliceStartTime"]
            assert 0 <= begun_ms < made.length_s * 1000 / 4
    types = {"mp4": "video/mp4", "mp3": "audio/mpeg", "mpd": "application/dash+xml"}
    for name in (name for rows in expected for name, *_ in rows if name[-3:] in types):
        assert running_farm.bucket.content_type(name) == types[name[-3:]]


def test_names_are_those_of_the_reference(running_farm: Farm, made: Made) -> None:
    shapes = {
        "456": r"(\d{17}_h264\.ts|h264\.m3u8|0_h264\.mp4)",
        "123": r"([01]_\d+_vp8\.webm|vp8\.mpd)",
    }
    for uid, shape in shapes.items():
        stem = f"{made.film}{uid}__uid_e_"
        names = running_farm.bucket.names(stem)
        assert len(names) >= 4
        assert all(re.fullmatch(re.escape(stem) + shape, name) for name in names), names


def _judge(made: Made, uid: str, pictures: Iterable[decode.Picture], sound: decode.Sound) -> None:
    seen = pattern.watch(pictures)
    numbers = list(seen.numbers)
    print(f"uid {uid}: {len(numbers)} pictures, {sound.end_s - sound.start_s:.2f} s of sound")
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) > made.length_s * 15 * 0.95
    _judge_sound(made, uid, sound)
    offsets = pattern.offsets(seen.flashes_s, pattern.beeps(sound, uid))
    print(f"uid {uid}: sound against picture: p95 {pattern.p95(offsets) * 1000:.0f} ms")
    assert pattern.p95(offsets) <= 0.06


def _judge_sound(made: Made, uid: str, sound: decode.Sound) -> None:
    heard = pattern.heard(sound, uid, from_s=sound.start_s + 0.5, until_s=sound.end_s - 0.5)
    assert heard == 1.0
    assert abs(sound.end_s - sound.start_s - made.length_s) < 1.0


def test_h264_segments_and_the_mp4_hold_sound_and_every_picture(
    running_farm: Farm, made: Made, need: Callable[[str], str]
) -> None:
    bucket, stem = running_farm.bucket, f"{made.film}456__uid_e_"
    segments = [data for _, data in bucket.segments(f"{stem}h264.m3u8")]
    assert len(segments) >= 2
    for data in segments:
        strict.decodes(need("ffmpeg"), data)
        assert decode.codecs(data) == {"video": "h264", "audio": "aac"}
        assert next(iter(decode.pictures(data))).frame.key_frame
    film = bucket.get(f"{stem}0_h264.mp4")
    strict.decodes(need("ffmpeg"), film)
    assert film.index(b"moov") < film.index(b"mdat")
    for data in (decode.joined(segments), film):
        _judge(made, "456", decode.pictures(data), decode.sound(data))
    text = bucket.get(f"{stem}h264.m3u8").decode()
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    assert re.search(r"TRACK_TYPE=AUDIO,TIME=\d{17}\n.*TRACK_TYPE=VIDEO,TIME=\d{17}\n", text)
    assert re.search(r"ROTATE:WIDTH=640,HEIGHT=360,ROTATE=0,TIME=\d{17}", text)
    assert text.endswith("#EXT-X-ENDLIST\n")


def test_vp8_and_opus_are_a_manifest_of_webm(running_farm: Farm, made: Made) -> None:
    bucket, stem = running_farm.bucket, f"{made.film}123__uid_e_"
    root = ElementTree.fromstring(bucket.get(f"{stem}vp8.mpd"))  # noqa: S314  # our own
    assert root.attrib["type"] == "static"
    numbers: list[int] = []
    for chosen in root.iter(f"{DASH}AdaptationSet"):
        kind = chosen.attrib["contentType"]
        names = [one.attrib["media"] for one in chosen.iter(f"{DASH}SegmentURL")]
        stream = {"audio": 0, "video": 1}[kind]
        ends = [f"{stem}{stream}_{number}_vp8.webm" for number in range(len(names))]
        assert [f"{PREFIX}/{name}" for name in names] == ends
        files = [bucket.get(name) for name in ends]
        codec = {"audio": "opus", "video": "vp8"}[kind]
        assert all(decode.codecs(data) == {kind: codec} for data in files)
        if kind == "video":
            for data in files:
                numbers += pattern.watch(decode.pictures(data)).numbers
        else:
            for data in files:
                sound = decode.sound(data)
                edges = {"from_s": sound.start_s + 0.2, "until_s": sound.end_s - 0.2}
                assert pattern.heard(sound, "123", **edges) == 1.0
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) > made.length_s * 15 * 0.95


def test_sound_alone_is_one_mp3_of_each(
    running_farm: Farm, made: Made, need: Callable[[str], str]
) -> None:
    for uid in CODECS:
        names = running_farm.bucket.names(f"{made.sound}{uid}__uid_e_")
        assert names == [f"{made.sound}{uid}__uid_e_0_mp3.mp3"]
        data = running_farm.bucket.get(names[0])
        strict.decodes(need("ffmpeg"), data)
        assert decode.codecs(data)["audio"].startswith("mp3")
        _judge_sound(made, uid, decode.sound(data))
