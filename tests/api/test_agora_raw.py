"""Mode ``raw`` (reference §2.12): what may be asked for, and what is answered."""

from typing import Any

import pytest

from tests.api.farm import Farm, error, start_body
from workers.job.spec import Mode
from workers.job.state import State
from workers.job.status import FileEntry


def files(*kinds: str) -> dict[str, Any]:
    return {"recordingFileConfig": {"avFileType": list(kinds)}}


@pytest.mark.parametrize(
    ("request_", "mp4", "mp3"),
    [
        (start_body(), False, False),
        (start_body() | files("hls"), False, False),
        (start_body(subscribeUidGroup=5) | files("hls", "mp4"), True, False),
        (start_body(streamTypes=0) | files("mp3"), False, True),
        (start_body(subscribeAudioUids=["7"], subscribeVideoUids=["7"]), False, False),
    ],
)
def test_what_the_mode_takes(farm: Farm, request_: Any, mp4: bool, mp3: bool) -> None:
    answer = farm.start(farm.acquire(), request_, mode="raw")
    assert answer.status_code == 200, answer.json
    spec = farm.control.specs[answer.json["sid"]]
    assert (spec.mode, spec.mp4, spec.mp3, spec.files) == (Mode.RAW, mp4, mp3, True)


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (start_body(streamMode="standard"), "streamMode"),
        (start_body(streamMode="default"), "streamMode"),
        (start_body(transcodingConfig={"width": 640}), "transcodingConfig"),
        (start_body() | {"extensionServiceConfig": {}}, "extensionServiceConfig"),
        (start_body() | files("mp4"), "avFileType"),
        (start_body() | files("mp3"), "avFileType"),
        (start_body(streamTypes=0) | files("hls", "mp3"), "avFileType"),
        (
            start_body(streamTypes=0) | {"snapshotConfig": {"fileType": ["jpg"]}} | files("mp3"),
            "streamTypes",
        ),
    ],
)
def test_what_it_refuses(farm: Farm, request_: Any, named: str) -> None:
    answer = farm.start(farm.acquire(), request_, mode="raw")
    assert error(answer) == (400, 2)
    assert named in answer.json["reason"]
    assert not farm.control.specs


def test_screenshots_as_in_individual_mode(farm: Farm) -> None:
    shots = {"snapshotConfig": {"captureInterval": 5, "fileType": ["jpg"]}}
    answer = farm.start(farm.acquire(), start_body() | shots, mode="raw")
    spec = farm.control.specs[answer.json["sid"]]
    assert (spec.snapshot_s, spec.files) == (5, False)


def test_answers_list_files_from_the_first_query_on(farm: Farm) -> None:
    resource_id, sid = farm.started(mode="raw", mp4=True)
    farm.control.move(sid, State.RECORDING)
    answer = farm.query(resource_id, sid, "raw").json["serverResponse"]
    assert (answer["fileListMode"], answer["fileList"]) == ("json", [])
    stem = f"{sid}_demo-room-7__uid_s_"
    names = [
        f"{stem}7__uid_e_0_h264.mp4",
        f"{stem}7__uid_e_h264.m3u8",
        f"{stem}8__uid_e_vp8.mpd",
    ]
    for name in reversed(names):
        playable = not name.endswith("mpd")
        entry = FileEntry(name, "audio_and_video", name[len(stem)], False, playable, 1)
        farm.control.deliver(sid, entry)
    for answer in (farm.query(resource_id, sid, "raw"), farm.stop(resource_id, sid, "raw")):
        listed = answer.json["serverResponse"]["fileList"]
        assert {row["fileName"] for row in listed} == set(names)
        assert listed[0]["fileName"] == names[0]
        assert not any(row["mixedAllUser"] for row in listed)


def test_lists_may_change_and_there_is_no_layout(farm: Farm) -> None:
    resource_id, sid = farm.started(mode="raw")
    farm.control.move(sid, State.RECORDING)
    assert farm.change("update", resource_id, sid, "raw").status_code == 200
    assert error(farm.change("updateLayout", resource_id, sid, "raw")) == (400, 2)
    assert error(farm.query(resource_id, sid, "individual")) == (400, 2)
