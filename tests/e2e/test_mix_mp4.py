"""An MP4 beside the playlist of a mix: there with the last segment, and the same media."""

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import av
import pytest

from media.judge import decode, pattern
from media.judge.pattern import Region
from tests.e2e import strict
from tests.e2e.farm import Bucket, Farm, farm, until
from tests.receiver import Receiver, listening

pytestmark = [pytest.mark.e2e, pytest.mark.server]

FPS = 15
CANVAS = {"width": 320, "height": 180, "fps": FPS, "bitrate": 1500, "mixedVideoLayout": 1}
LENGTHS_S = (4.0, 21.0)  # in one request, and in two slices
ENTRY = {"trackType": "audio_and_video", "uid": "0", "mixedAllUser": True, "isPlayable": True}


@dataclass
class Take:
    """One recording with an MP4."""

    sid: str
    answer: dict[str, Any]
    took_s: float  # from the stop call to its answer
    data: bytes  # of the MP4
    stream: bytes  # of its segments
    queried: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Take], Receiver]]:
    with listening() as receiver:
        url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
        data = tmp_path_factory.mktemp("mp4") / "data"
        with (
            farm(data, "--callback-url", url) as running,
            running.publisher("film", "7", "--pattern"),
        ):
            yield [_take(running, length_s) for length_s in LENGTHS_S], receiver


def _take(running: Farm, length_s: float) -> Take:
    request = {
        "recordingConfig": {"channelType": 0, "transcodingConfig": CANVAS},
        "recordingFileConfig": {"avFileType": ["hls", "mp4"]},
        "storageConfig": running.storage("films"),
    }
    recording = running.agora.start("film", "900", "mix", request)
    queried = []
    while time.time() < recording.started_s + length_s:
        status, answer = recording.query()
        assert status == 200
        queried.append(answer["serverResponse"])
        time.sleep(0.5)
    until(recording.started_s + length_s)
    asked_s = time.time()
    status, answer = recording.stop()
    took_s = time.time() - asked_s
    assert status == 200, answer
    stem = f"films/{recording.sid}_film"
    return Take(
        recording.sid,
        answer["serverResponse"],
        took_s,
        running.bucket.get(f"{stem}_0.mp4"),
        _stream(running.bucket, f"{stem}.m3u8"),
        queried,
    )


def _stream(bucket: Bucket, playlist: str) -> bytes:
    return decode.joined(part for _, part in bucket.segments(playlist))


def test_it_is_listed_when_it_is_there(takes: tuple[list[Take], Receiver]) -> None:
    for take in takes[0]:
        stem = f"films/{take.sid}_film"
        print(f"stop to last file {take.took_s:.2f} s, {len(take.data)} bytes")
        rows = take.answer["fileList"]
        start_ms = rows[0]["sliceStartTime"]
        assert take.answer == {
            "fileListMode": "json",
            "fileList": [
                {"fileName": f"{stem}_0.mp4", "sliceStartTime": start_ms, **ENTRY},
                {"fileName": f"{stem}.m3u8", "sliceStartTime": start_ms, **ENTRY},
            ],
            "uploadingStatus": "uploaded",
        }
        assert {row["fileListMode"] for row in take.queried} == {"json"}
        listed = [[file["fileName"] for file in row["fileList"]] for row in take.queried]
        assert listed[0] == []
        assert all(names in ([], [f"{stem}.m3u8"]) for names in listed)
    assert takes[0][1].queried[-1]["fileList"], "the playlist is listed while it records"


def test_callbacks_name_it(takes: tuple[list[Take], Receiver]) -> None:
    for take in takes[0]:
        stem = f"films/{take.sid}_film"
        mine = _told(takes[1], take.sid)
        details = {
            number: [row["payload"]["details"] for row in mine if row["eventType"] == number]
            for number in (4, 31)
        }
        assert sorted(row["fileList"] for row in details[4]) == [f"{stem}.m3u8", f"{stem}_0.mp4"]
        (uploaded,) = details[31]
        assert uploaded["fileList"] == take.answer["fileList"]


def _told(receiver: Receiver, sid: str) -> list[dict[str, Any]]:
    """Every callback of a recording; they arrive in any order, and the last one is 11."""
    deadline = time.monotonic() + 60
    while True:
        rows = [json.loads(raw) for _, raw in list(receiver.got)]
        mine = {row["payload"]["sequence"]: row for row in rows if row["payload"]["sid"] == sid}
        exits = [number for number, row in mine.items() if row["eventType"] == 11]
        if exits and len(mine) == exits[0] + 1:
            return [mine[number] for number in sorted(mine)]
        assert time.monotonic() < deadline, sorted(mine)
        time.sleep(0.1)


def test_it_holds_what_the_segments_hold(
    takes: tuple[list[Take], Receiver], need: Callable[[str], str]
) -> None:
    for take in takes[0]:
        strict.decodes(need("ffmpeg"), take.data)  # from a pipe: its index comes first
        assert take.data[4:8] == b"ftyp"
        assert take.data.index(b"moov") < take.data.index(b"mdat")
        pictures, streamed = (list(decode.pictures(one)) for one in (take.data, take.stream))
        assert abs(len(pictures) - len(streamed)) <= 1
        sound, streamed_sound = decode.sound(take.data), decode.sound(take.stream)
        assert abs(len(sound.samples) - len(streamed_sound.samples)) <= decode.RATE / FPS
        with av.open(io.BytesIO(take.data)) as container:
            assert container.duration is not None
            assert abs(container.duration / av.time_base - len(streamed) / FPS) <= 1 / FPS
        seen = pattern.watch(pictures, Region(0, 0, CANVAS["width"], CANVAS["height"]))
        assert seen.missing_share <= 0.02
        assert seen.disordered == 0
