"""Recuts by the console API: what is asked for, and how it is refused."""

import json
from typing import Any

import pytest

from media.tape.wanted import Wanted
from tests.api.farm import SECRET, STORAGE, Farm
from workers.job.errors import (
    NoTape,
    NoTapeYet,
    SpoolUnseen,
    StorageRefused,
    StoreUnavailable,
    TooManyRecuts,
)
from workers.job.spec import Mode, RecordingSpec
from workers.job.state import State

PREFIX = "/console/api/recordings"
TRY_AGAIN = "the farm cannot answer now, try again"


@pytest.fixture
def sid(farm: Farm) -> str:
    return farm.started(mp4=True)[1]


def ask(farm: Farm, sid: str, body: Any, **more: Any):
    more.setdefault("auth", farm.auth)
    return farm.client.post(f"{PREFIX}/{sid}/cuts", json=body, **more)


def cut(farm: Farm, sid: str, body: Any) -> RecordingSpec:
    answer = ask(farm, sid, body)
    assert answer.status_code == 202, answer.json
    return farm.control.specs[answer.json["sid"]]


def test_nothing_asked_for_is_the_same_again(farm: Farm, sid: str) -> None:
    parent, made = farm.control.specs[sid], cut(farm, sid, {})
    same = {"mode", "canvas", "look", "stream_mode", "mp4", "storage", "cname", "only", "follow"}
    assert made.model_dump(include=same) == parent.model_dump(include=same)
    assert (made.tape_of, made.channel_url, made.token) == (sid, "", None)
    assert made.sid != sid


def test_the_answer_names_what_to_expect(farm: Farm, sid: str) -> None:
    answer = ask(farm, sid, {"avFileType": ["hls", "mp4"]}).json
    stem = f"{answer['sid']}_demo-room-7"
    assert answer["files"] == [f"{stem}.m3u8", f"{stem}_0.mp4", f"{stem}_report.json"]
    assert (answer["cut_of"], answer["mode"]) == (sid, "mix")
    answer = ask(farm, sid, {"mode": "individual", "publishers": {"video": []}}).json
    name = f"{answer['sid']}_demo-room-7"
    assert answer["files"] == [f"{name}__uid_s_<uid>__uid_e_audio.m3u8", f"{name}_report.json"]


def test_formats(farm: Farm, sid: str) -> None:
    assert cut(farm, sid, {"avFileType": ["hls"]}).mp4 is False
    webm = cut(farm, sid, {"mode": "individual", "avFileType": ["webm"]})
    assert (webm.webm, webm.mp4, webm.grows) == (True, False, True)
    assert cut(farm, webm.sid, {}).webm is True
    mix = cut(farm, webm.sid, {"mode": "mix"})
    assert (mix.webm, mix.mp4) == (False, False)


def test_a_canvas_field_by_field_and_a_look_as_a_whole(farm: Farm, sid: str) -> None:
    parent = farm.control.specs[sid]
    made = cut(farm, sid, {"transcodingConfig": {"width": 641, "unknown": 1}})
    assert (made.canvas.width, made.canvas.height) == (640, parent.canvas.height)
    assert (made.look, made.follow) == (parent.look, True)
    made = cut(farm, sid, {"transcodingConfig": {"backgroundColor": "#00FF00"}})
    assert (made.look.background_color, made.look.layout, made.follow) == ("#00FF00", 0, False)
    assert made.canvas == parent.canvas


def test_lists_of_publishers(farm: Farm, sid: str) -> None:
    made = cut(farm, sid, {"publishers": {"audio": ["1", "a b"]}})
    assert made.only == Wanted(audio_uids=frozenset({"1", "a b"}))
    assert (made.audio, made.video) == (True, True)
    silent = cut(farm, sid, {"publishers": {"audio": []}})
    assert (silent.audio, silent.video) == (False, True)


def test_a_cut_of_a_cut_has_the_same_tape(farm: Farm, sid: str) -> None:
    first = cut(farm, sid, {"publishers": {"audio": ["1"]}})
    second = cut(farm, first.sid, {"mode": "individual", "streamMode": "original"})
    assert (second.tape_of, second.mode, second.mp4) == (sid, Mode.INDIVIDUAL, False)
    assert second.only == first.only


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "JSON object"),
        ({"mode": 1}, "mode"),
        ({"mode": "web"}, "mode"),
        ({"layout": 1}, "layout"),
        ({"transcodingConfig": {"fps": "15"}}, "transcodingConfig.fps"),
        ({"transcodingConfig": {"mixedVideoLayout": 4}}, "transcodingConfig.mixedVideoLayout"),
        ({"transcodingConfig": {"height": 1920, "width": 1920}}, "transcodingConfig.width"),
        ({"transcodingConfig": {"mixedVideoLayout": 3}}, "transcodingConfig.layoutConfig"),
        ({"transcodingConfig": {"backgroundImage": "file:///x"}}, "backgroundImage"),
        ({"mode": "individual", "transcodingConfig": {"width": 100}}, "mode"),
        ({"mode": "individual", "audioProfile": 1}, "mode"),
        ({"streamMode": "original"}, "streamMode"),
        ({"audioProfile": 3}, "audioProfile"),
        ({"audioProfile": True}, "audioProfile"),
        ({"avFileType": ["webm"]}, "avFileType"),
        ({"avFileType": ["mp4"]}, "hls"),
        ({"mode": "individual", "avFileType": ["hls", "webm"]}, "webm"),
        ({"mode": "individual", "avFileType": ["webm"], "streamMode": "default"}, "streamMode"),
        ({"avFileType": ["avi"]}, "avFileType"),
        ({"avFileType": []}, "avFileType"),
        ({"avFileType": "hls"}, "avFileType"),
        ({"mode": "individual", "avFileType": ["hls", "mp4"]}, "avFileType"),
        ({"publishers": ["1"]}, "publishers"),
        ({"publishers": {"audio": [""]}}, "publishers.audio[0]"),
        ({"publishers": {"audio": [1]}}, "publishers.audio[0]"),
        ({"publishers": {"audio": [], "video": []}}, "publishers"),
        ({"publishers": {"screen": []}}, "publishers.screen"),
    ],
)
def test_a_body_that_makes_no_sense(farm: Farm, sid: str, body: Any, words: str) -> None:
    answer = ask(farm, sid, body)
    assert answer.status_code == 400, answer.json
    assert words in answer.json["message"]
    assert list(farm.control.specs) == [sid]


def test_a_canvas_too_large_together_with_the_old_one(farm: Farm, sid: str) -> None:
    wide = cut(farm, sid, {"transcodingConfig": {"width": 1920, "height": 1080}})
    answer = ask(farm, wide.sid, {"transcodingConfig": {"height": 1920, "width": 1080}})
    assert answer.status_code == 202
    answer = ask(farm, wide.sid, {"transcodingConfig": {"height": 1900}})
    assert (answer.status_code, "width" in answer.json["message"]) == (400, True)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NoTape("gone"), 410),
        (NoTapeYet("nothing"), 409),
        (SpoolUnseen("TAPEFARM_SPOOL"), 409),
        (TooManyRecuts("16"), 429),
        (StorageRefused("the bucket says no"), 400),
        (StoreUnavailable("secret words"), 503),
    ],
)
def test_what_the_farm_refuses(farm: Farm, sid: str, error: Exception, status: int) -> None:
    farm.control.recut_error = error  # type: ignore[assignment]
    answer = ask(farm, sid, {})
    assert answer.status_code == status
    assert answer.json["message"] == (TRY_AGAIN if status == 503 else str(error))


def test_strangers_see_nothing(farm: Farm, sid: str) -> None:
    for auth, status in ((("other-key", "other-secret"), 404), (("x", "y"), 401), (None, 401)):
        assert ask(farm, sid, {}, auth=auth).status_code == status
        assert farm.client.get(f"{PREFIX}/{sid}", auth=auth).status_code == status
    assert list(farm.control.specs) == [sid]


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"mode": NaN}', b"[" * 5000, b"x" * 70_000])
def test_bodies_that_are_no_json(farm: Farm, sid: str, raw: bytes) -> None:
    answer = farm.client.post(
        f"{PREFIX}/{sid}/cuts", data=raw, auth=farm.auth, content_type="application/json"
    )
    assert answer.status_code in (400, 413)
    assert list(farm.control.specs) == [sid]


def test_a_recording_and_its_cuts_can_be_looked_at(farm: Farm, sid: str) -> None:
    made = cut(farm, sid, {})
    parent = farm.client.get(f"{PREFIX}/{sid}", auth=farm.auth)
    assert (parent.json["cuts"], parent.json["cut_of"]) == ([made.sid], None)
    farm.control.move(made.sid, State.ENDED)
    again = farm.client.get(f"{PREFIX}/{made.sid}", auth=farm.auth)
    assert (again.json["state"], again.json["cut_of"], again.json["cuts"]) == ("ended", sid, [])
    farm.control.move(made.sid, State.FAILED, reason="its tape is gone")
    failed = farm.client.get(f"{PREFIX}/{made.sid}", auth=farm.auth).json
    assert (failed["state"], failed["reason"]) == ("failed", "its tape is gone")
    text = json.dumps([parent.json, again.json, failed])
    for secret in (SECRET, STORAGE["secretKey"], STORAGE["accessKey"]):
        assert secret not in text
