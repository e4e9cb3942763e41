"""A session from acquire to stop: what each call means and how it is answered."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.memory import MemoryControl
from media.cut.look import Look
from tests.api.farm import NS, Farm, error, start_body
from workers.job.errors import StoreUnavailable
from workers.job.spec import Mode, RecordingSpec
from workers.job.state import State
from workers.job.status import FileEntry

INDEX = FileEntry("a_demo-room-7.m3u8", "audio_and_video", "0", True, True, 1_760_000_000_150)


def spec_of(farm: Farm, mode: str = "mix", **recording: Any) -> RecordingSpec:
    answer = farm.start(farm.acquire(), start_body(**recording), mode=mode)
    assert answer.status_code == 200, answer.json
    return farm.control.specs[answer.json["sid"]]


@pytest.mark.parametrize("number", [0, 1])
def test_the_low_stream_may_be_asked_for(farm: Farm, number: int) -> None:
    assert spec_of(farm, videoStreamType=number).low_stream == bool(number)


@pytest.mark.parametrize(
    ("recording", "audio", "video"),
    [
        ({}, True, True),
        ({"streamTypes": 0}, True, False),
        ({"streamTypes": 1}, False, True),
        ({"subscribeAudioUids": ["#allstream#"]}, True, False),
        ({"subscribeVideoUids": ["10"]}, False, True),
        ({"unSubscribeVideoUids": ["10"]}, False, True),
        ({"subscribeAudioUids": ["#allstream#"], "subscribeVideoUids": ["10"]}, True, True),
        ({"streamTypes": 1, "subscribeVideoUids": ["10"]}, False, True),
    ],
)
def test_a_list_for_one_medium_leaves_nothing_of_the_other(
    farm: Farm, recording: Any, audio: bool, video: bool
) -> None:
    subscription = spec_of(farm, **recording).subscription
    assert (subscription.audio, subscription.video) == (audio, video)


def test_lists_become_allowed_and_denied_uids(farm: Farm) -> None:
    recording = {"unsubscribeAudioUids": ["20"], "subscribeVideoUids": ["10", "10"]}
    subscription = spec_of(farm, **recording).subscription
    assert (subscription.audio_uids, subscription.not_audio_uids) == (None, {"20"})
    assert (subscription.video_uids, subscription.not_video_uids) == ({"10"}, frozenset())


def test_everything_left_out_takes_its_default(farm: Farm) -> None:
    spec = spec_of(farm)
    canvas = spec.canvas
    assert (canvas.width, canvas.height, canvas.fps, canvas.bitrate) == (360, 640, 15, 500)
    assert spec.look == Look()
    assert (spec.audio_profile, spec.stream_mode, spec.live) == (0, "default", False)
    assert (spec.limits.max_idle_s, spec.token, spec.correct_extinf) == (30, None, False)


@pytest.mark.parametrize(
    ("fps", "becomes"),
    [(24, 24), (60, 60), (25, 15), (0, 15), (-7, 15), (29.97, 15), (10**300, 15)],
)
def test_odd_frame_rates_become_15(farm: Farm, fps: float, becomes: int) -> None:
    assert spec_of(farm, transcodingConfig={"fps": fps}).canvas.fps == becomes


def test_a_canvas_has_even_sides(farm: Farm) -> None:
    canvas = spec_of(farm, transcodingConfig={"width": 361, "height": 641}).canvas
    assert (canvas.width, canvas.height) == (360, 640)


def test_the_vertical_layout_knows_who_is_large(farm: Farm) -> None:
    config = {"mixedVideoLayout": 2, "maxResolutionUid": "101"}
    look = spec_of(farm, transcodingConfig=config).look
    assert (look.layout, look.max_resolution_uid) == (2, "101")


@pytest.mark.parametrize(
    ("mode", "recording", "becomes"),
    [
        ("individual", {"streamMode": "original", "streamTypes": 0}, "original"),
        ("individual", {"streamMode": "original"}, "default"),
        ("individual", {"streamMode": "standard"}, "standard"),
        ("mix", {"streamMode": "original", "streamTypes": 0}, "default"),
    ],
)
def test_original_takes_effect_on_audio_alone(
    farm: Farm, mode: str, recording: Any, becomes: str
) -> None:
    assert spec_of(farm, mode, **recording).stream_mode == becomes


def test_what_the_go_library_writes_without_being_asked_is_accepted(farm: Farm) -> None:
    client = start_body(streamTypes=0, privateParams='{"correctEXTINF":true}', unheardOf={})
    client["storageConfig"] = client["storageConfig"] | {
        "extensionParams": {"sse": "", "tag": "", "endpoint": "HTTPS://S3.Example.com:443/"}
    }
    answer = farm.start(farm.acquire(scene=0), client, mode="individual")
    assert answer.status_code == 200
    spec = farm.control.specs[answer.json["sid"]]
    assert spec.correct_extinf
    assert (spec.storage.endpoint, spec.storage.secure) == ("s3.example.com:443", True)
    assert spec.storage.path_style


def test_a_mix_query_has_a_file_list_from_the_first_moment_on(farm: Farm) -> None:
    resource_id, sid = farm.started()
    server = farm.query(resource_id, sid).json["serverResponse"]
    assert server == {"status": 1, "fileListMode": "string", "fileList": "", "sliceStartTime": 0}
    farm.control.move(sid, State.RECORDING)
    assert farm.query(resource_id, sid).json["serverResponse"]["status"] == 4
    farm.control.deliver(sid, INDEX)
    server = farm.query(resource_id, sid).json["serverResponse"]
    assert (server["status"], server["fileList"]) == (5, INDEX.name)
    assert server["sliceStartTime"] == INDEX.slice_start_ms
    farm.control.move(sid, State.JOINING)  # another recorder takes over
    assert farm.query(resource_id, sid).json["serverResponse"]["status"] == 5
    farm.control.move(sid, State.STOPPING)
    assert farm.query(resource_id, sid).json["serverResponse"]["status"] == 6


@pytest.mark.parametrize("state", [State.ENDED, State.FAILED])
def test_a_session_that_ended_is_not_found(farm: Farm, state: State) -> None:
    resource_id, sid = farm.started()
    farm.control.move(sid, state)
    assert error(farm.query(resource_id, sid)) == (404, 404)
    assert error(farm.stop(resource_id, sid)) == (404, 404)
    assert error(farm.start(resource_id)) == (400, 433)


def test_a_synchronous_stop_waits_for_the_files(farm: Farm) -> None:
    resource_id, sid = farm.started()
    farm.control.deliver(sid, INDEX)
    answer = farm.stop(resource_id, sid, resourceExpiredHour=24, scene=0)
    assert answer.status_code == 200
    assert answer.json["serverResponse"] == {
        "fileListMode": "string",
        "fileList": INDEX.name,
        "uploadingStatus": "uploaded",
    }
    assert farm.control.waits == [20.0]
    assert error(farm.query(resource_id, sid)) == (404, 404)


def test_a_stop_whose_uploads_take_too_long_is_code_50_then_49(farm: Farm) -> None:
    resource_id, sid = farm.started()
    farm.control.finishes = False
    assert error(farm.stop(resource_id, sid)) == (400, 50)
    assert error(farm.stop(resource_id, sid)) == (400, 49)
    assert farm.query(resource_id, sid).json["serverResponse"]["status"] == 6


def test_who_finds_too_many_waiting_stops_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.agora.service.STOPS_WAITING", 0)
    farm = Farm()
    resource_id, sid = farm.started()
    assert error(farm.stop(resource_id, sid)) == (400, 50)
    assert farm.control.waits == [0.0]
    assert farm.control.status(sid).state is State.STOPPING


def test_an_asynchronous_stop_is_answered_at_once(farm: Farm) -> None:
    resource_id, sid = farm.started(mode="individual")
    answer = farm.stop(resource_id, sid, "individual", async_stop=True)
    assert answer.status_code == 200
    assert answer.json["serverResponse"] == {
        "fileListMode": "json",
        "fileList": [],
        "uploadingStatus": "unknown",
    }
    assert farm.control.waits == [0.0]


def test_a_session_without_media_ends_with_435(farm: Farm) -> None:
    resource_id, sid = farm.started()
    assert error(farm.stop(resource_id, sid)) == (206, 435)
    assert error(farm.stop(resource_id, sid)) == (404, 404)


def test_a_second_start_of_a_running_ticket_is_201(farm: Farm) -> None:
    resource_id, _ = farm.started()
    answer = farm.start(resource_id)
    assert error(answer) == (201, 7)
    assert answer.json["reason"] == "already started"
    farm.now_ns += 3600 * NS
    assert error(farm.start(resource_id)) == (201, 7)


def test_many_starts_of_one_ticket_make_one_recording(farm: Farm) -> None:
    resource_id = farm.acquire()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: farm.start(resource_id).status_code, range(16)))
    assert sorted(answers) == [200] + [201] * 15
    assert len(farm.control.specs) == 1


def test_another_ticket_for_the_same_uid_is_a_conflict(farm: Farm) -> None:
    first, second = farm.acquire(), farm.acquire()
    assert first != second
    assert farm.start(first).status_code == 200
    assert error(farm.start(second)) == (400, 53)
    third = farm.acquire(uid="900002")
    assert farm.start(third, uid="900002").status_code == 200


def test_a_start_that_found_no_room_may_be_repeated(farm: Farm) -> None:
    resource_id = farm.acquire()
    farm.control.slots = 0
    assert error(farm.start(resource_id)) == (500, 502)
    farm.control.slots = 1
    assert farm.start(resource_id).status_code == 200


def test_a_ticket_expires_after_five_minutes(farm: Farm) -> None:
    resource_id = farm.acquire()
    farm.now_ns += 301 * NS
    assert error(farm.start(resource_id)) == (400, 433)


def test_calls_end_with_the_hours_that_were_acquired(farm: Farm) -> None:
    resource_id = farm.acquire(resourceExpiredHour=1)
    farm.now_ns += 250 * NS  # they count from the start call
    sid = farm.start(resource_id).json["sid"]
    farm.now_ns += 3600 * NS - 1
    assert farm.query(resource_id, sid).status_code == 200
    farm.now_ns += 1
    assert error(farm.query(resource_id, sid)) == (404, 404)
    assert error(farm.stop(resource_id, sid)) == (404, 404)
    for call in ("update", "updateLayout"):
        assert error(farm.change(call, resource_id, sid)) == (404, 404)
    assert farm.control.specs[sid]
    assert error(farm.start(resource_id)) == (201, 7)  # the recording goes on


def damaged(resource_id: str) -> list[str]:
    middle = len(resource_id) // 2
    flipped = "A" if resource_id[middle] != "A" else "B"
    last = "ABCDEFGH"[("ABCDEFGH".find(resource_id[-1]) + 1) % 8]
    return [
        "x",
        "!!!!",
        "käse",
        resource_id[:-4],
        resource_id + "AAAA",
        resource_id + "=",
        resource_id[:middle] + flipped + resource_id[middle + 1 :],
        resource_id[:-1] + last,
        resource_id + "!",
        "A" * len(resource_id),
        "A" * 5000,
    ]


def test_a_ticket_that_we_did_not_issue_is_1001(farm: Farm) -> None:
    resource_id, sid = farm.started()
    for text in damaged(resource_id):
        assert error(farm.start(text)) == (400, 1001), text
        assert error(farm.query(text, sid)) == (400, 1001), text
        assert error(farm.stop(text, sid)) == (400, 1001), text


def test_a_ticket_of_another_farm_is_1001(farm: Farm) -> None:
    other = Farm(changes={"farm_key": "another-farm-key-another"})
    assert error(other.start(farm.acquire())) == (400, 1001)


def test_a_ticket_of_another_app_is_1003(farm: Farm) -> None:
    resource_id, sid = farm.started()
    farm.auth = ("other-key", "other-secret")
    path = f"/resourceid/{resource_id}/sid/{sid}/mode/mix/query"
    assert error(farm.call("GET", path, app_id="another")) == (400, 1003)


def test_a_ticket_for_another_channel_or_uid_is_432(farm: Farm) -> None:
    resource_id, sid = farm.started()
    assert error(farm.start(farm.acquire(), cname="elsewhere")) == (400, 432)
    assert error(farm.start(farm.acquire(), uid="1")) == (400, 432)
    assert error(farm.stop(resource_id, sid, cname="elsewhere")) == (400, 432)


def test_a_sid_of_another_ticket_is_1003_and_an_unknown_one_404(farm: Farm) -> None:
    _, sid = farm.started()
    other = farm.acquire(uid="900002")
    assert error(farm.query(other, sid)) == (400, 1003)
    assert error(farm.query(other, "0" * 32)) == (404, 404)
    for text in ("x", "0" * 31, "F" * 32, "käse"):
        assert error(farm.query(other, text)) == (400, 2)


@pytest.mark.parametrize("mode", ["web", "composite", "MIX", "käse"])
def test_other_modes_are_refused(farm: Farm, mode: str) -> None:
    resource_id, sid = farm.started()
    assert error(farm.start(farm.acquire(), mode=mode)) == (400, 2)
    assert error(farm.query(resource_id, sid, mode)) == (400, 2)
    assert error(farm.stop(resource_id, sid, mode)) == (400, 2)


def test_the_mode_cannot_change_during_a_session(farm: Farm) -> None:
    resource_id, sid = farm.started()
    assert error(farm.query(resource_id, sid, "individual")) == (400, 2)
    assert error(farm.stop(resource_id, sid, "individual")) == (400, 2)
    assert farm.control.specs[sid].mode is Mode.MIX


@pytest.mark.parametrize(
    ("scene", "mode", "what"),
    [
        (0, "web", "mode web"),
        (1, "web", "mode web"),
        (1, "mix", "web page recording"),
        (1, "individual", "web page recording"),
        (2, "individual", "postponed transcoding"),
    ],
)
def test_what_other_scenes_are_for_is_refused_at_start(
    farm: Farm, scene: int, mode: str, what: str
) -> None:
    ticket = farm.acquire(scene=scene)
    answer = farm.start(ticket, mode=mode)
    assert error(answer) == (400, 2)
    assert what in answer.json["reason"]
    assert answer.json["reason"].endswith("is not available on this farm")
    assert not farm.control.specs


def test_web_tasks_have_free_labels(farm: Farm) -> None:
    label = "Straße 1/2 " * 40
    ticket = farm.acquire(cname=label, scene=1)
    answer = farm.start(ticket, mode="web", cname=label)
    assert error(answer) == (400, 2)
    assert answer.json["reason"] == "Start: mode web is not available on this farm"


def test_raw_mode_does_not_look_at_the_scene(farm: Farm) -> None:
    assert farm.start(farm.acquire(scene=2), mode="raw").status_code == 200


def test_web_is_told_apart_from_what_is_no_mode_at_all(farm: Farm) -> None:
    resource_id, sid = farm.started()
    for answer in (
        farm.start(farm.acquire(), mode="web"),
        farm.start(farm.acquire(), {"extensionServiceConfig": {}}, mode="web"),
        farm.query(resource_id, sid, "web"),
        farm.stop(resource_id, sid, "web"),
        farm.change("update", resource_id, sid, "web", {"webRecordingConfig": {"onhold": True}}),
        farm.change("updateLayout", resource_id, sid, "web"),
    ):
        assert error(answer) == (400, 2)
        assert answer.json["reason"].endswith(": mode web is not available on this farm")
    for answer in (farm.start("x", mode="web"), farm.query("x", sid, "web")):
        assert error(answer) == (400, 1001)
    assert "web" not in farm.query(resource_id, sid, "composite").json["reason"]


class Broken(MemoryControl):
    def status(self, sid: str) -> None:
        raise StoreUnavailable("redis did not answer")

    def capacity(self, app_id: str = "", allowance: object = None) -> bool:
        raise StoreUnavailable("redis did not answer")


def test_a_farm_without_its_state_says_try_again(farm: Farm) -> None:
    resource_id, sid = farm.started()
    broken = Farm(control=Broken())
    body = {"cname": "a", "uid": "1", "clientRequest": {}}
    assert error(broken.call("POST", "/acquire", body)) == (500, 504)
    assert error(broken.start(resource_id)) == (500, 62)
    assert error(broken.query(resource_id, sid)) == (504, 62)
    assert error(broken.stop(resource_id, sid)) == (504, 62)
