"""Layouts and lists, at the start and while it runs: what is taken, and what is refused by name."""

import copy
from typing import Any

import pytest

from api.memory import MemoryControl
from media.cut.look import Look, Place, UserImage
from media.tape.wanted import Wanted
from tests.api.farm import CNAME, UID, Farm, error, start_body
from workers.job.errors import StoreUnavailable
from workers.job.spec import RecordingSpec
from workers.job.state import State

JPG, BMP = "https://img.example.com/a.jpg", "http://img.example.com:8080/b.bmp?token=x%20y"
HALF = {"x_axis": 0, "y_axis": 0, "width": 0.5, "height": 1}
OTHER_HALF = HALF | {"x_axis": 0.5}
CUSTOM = {"mixedVideoLayout": 3, "layoutConfig": [HALF]}
THIRDS = [{**HALF, "x_axis": n * 0.333333, "width": 0.333333} for n in range(3)]


def region(**changes: Any) -> dict[str, Any]:
    return {"mixedVideoLayout": 3, "layoutConfig": [HALF | changes]}


def without(field: str) -> dict[str, Any]:
    return {"mixedVideoLayout": 3, "layoutConfig": [{k: v for k, v in HALF.items() if k != field}]}


def picture(**changes: Any) -> dict[str, Any]:
    return {"backgroundConfig": [{"uid": "7", "image_url": JPG} | changes]}


BAD_LOOKS: list[tuple[dict[str, Any], str]] = [  # what is sent, which field the reason names
    ({"mixedVideoLayout": 4}, "mixedVideoLayout"),
    ({"mixedVideoLayout": -1}, "mixedVideoLayout"),
    ({"mixedVideoLayout": "1"}, "mixedVideoLayout"),
    ({"mixedVideoLayout": True}, "mixedVideoLayout"),
    ({"mixedVideoLayout": 1.5}, "mixedVideoLayout"),
    ({"mixedVideoLayout": None}, "mixedVideoLayout"),
    ({"mixedVideoLayout": 3}, "layoutConfig"),
    ({"mixedVideoLayout": 3, "layoutConfig": []}, "layoutConfig"),
    ({"layoutConfig": [HALF]}, "layoutConfig"),
    ({"mixedVideoLayout": 1, "layoutConfig": [HALF]}, "layoutConfig"),
    ({"mixedVideoLayout": 2, "layoutConfig": [HALF]}, "layoutConfig"),
    ({"mixedVideoLayout": 3, "layoutConfig": [HALF] * 18}, "layoutConfig"),
    ({"mixedVideoLayout": 3, "layoutConfig": HALF}, "layoutConfig"),
    ({"mixedVideoLayout": 3, "layoutConfig": "x"}, "layoutConfig"),
    ({"mixedVideoLayout": 3, "layoutConfig": [7]}, "layoutConfig[0]"),
    ({"mixedVideoLayout": 3, "layoutConfig": None}, "layoutConfig"),
    (without("x_axis"), "layoutConfig[0].x_axis"),
    (without("y_axis"), "layoutConfig[0].y_axis"),
    (without("width"), "layoutConfig[0].width"),
    (without("height"), "layoutConfig[0].height"),
    (region(x_axis=-0.1), "layoutConfig[0].x_axis"),
    (region(x_axis=1.1), "layoutConfig[0].x_axis"),
    (region(x_axis="0"), "layoutConfig[0].x_axis"),
    (region(x_axis=True), "layoutConfig[0].x_axis"),
    (region(x_axis=None), "layoutConfig[0].x_axis"),
    (region(y_axis=10**400), "layoutConfig[0].y_axis"),
    (region(y_axis=[]), "layoutConfig[0].y_axis"),
    (region(width=1.000001), "layoutConfig[0].width"),
    (region(height=-0.000001), "layoutConfig[0].height"),
    (region(x_axis=0.500001), "layoutConfig[0].width"),
    (region(x_axis=0.6, width=0.5), "layoutConfig[0].width"),
    (region(y_axis=0.000001, height=1), "layoutConfig[0].height"),
    (region(alpha=1.1), "layoutConfig[0].alpha"),
    (region(alpha=-1), "layoutConfig[0].alpha"),
    (region(alpha="1"), "layoutConfig[0].alpha"),
    (region(render_mode=2), "layoutConfig[0].render_mode"),
    (region(render_mode=0.5), "layoutConfig[0].render_mode"),
    (region(render_mode=False), "layoutConfig[0].render_mode"),
    (region(uid="0"), "layoutConfig[0].uid"),
    (region(uid=7), "layoutConfig[0].uid"),
    (region(uid="alice"), "layoutConfig[0].uid"),
    (region(uid="4294967296"), "layoutConfig[0].uid"),
    (
        {"mixedVideoLayout": 3, "layoutConfig": [HALF | {"uid": "7"}, OTHER_HALF | {"uid": "7"}]},
        "layoutConfig[1].uid",
    ),
    ({"maxResolutionUid": "0"}, "maxResolutionUid"),
    ({"maxResolutionUid": 101}, "maxResolutionUid"),
    ({"maxResolutionUid": " 1"}, "maxResolutionUid"),
    ({"backgroundColor": "red"}, "backgroundColor"),
    ({"backgroundColor": "#12345"}, "backgroundColor"),
    ({"backgroundColor": "#1234567"}, "backgroundColor"),
    ({"backgroundColor": "#GG0000"}, "backgroundColor"),
    ({"backgroundColor": ""}, "backgroundColor"),
    ({"backgroundColor": 0}, "backgroundColor"),
    *(
        ({field: url}, field)
        for field in ("backgroundImage", "defaultUserBackgroundImage")
        for url in (
            "ftp://img.example.com/a.jpg",
            "img.example.com/a.jpg",
            "//img.example.com/a.jpg",
            "file:///etc/passwd",
            "data:image/png;base64,AAAA",
            "http://",
            "https:///a.jpg",
            "https://user:secret@img.example.com/a.jpg",
            "https://img.example.com:0/a.jpg",
            "https://img.example.com:99999/a.jpg",
            "https://[::1/a.jpg",
            "https://img.example.com/a b.jpg",
            "https://img.example.com/a\r\nX: y",
            "https://img.example.com/ä.jpg",
            "https://img.example.com/" + "x" * 2048,
            7,
            ["https://img.example.com/a.jpg"],
        )
    ),
    ({"backgroundConfig": {}}, "backgroundConfig"),
    ({"backgroundConfig": [7]}, "backgroundConfig[0]"),
    ({"backgroundConfig": [{"uid": "7"}]}, "backgroundConfig[0].image_url"),
    ({"backgroundConfig": [{"image_url": JPG}]}, "backgroundConfig[0].uid"),
    (picture(uid="0"), "backgroundConfig[0].uid"),
    (picture(uid=""), "backgroundConfig[0].uid"),
    (picture(uid=7), "backgroundConfig[0].uid"),
    (picture(image_url=""), "backgroundConfig[0].image_url"),
    (picture(image_url="gopher://x"), "backgroundConfig[0].image_url"),
    (picture(render_mode=2), "backgroundConfig[0].render_mode"),
    (picture(render_mode="0"), "backgroundConfig[0].render_mode"),
    ({"backgroundConfig": picture()["backgroundConfig"] * 2}, "backgroundConfig"),
    (
        {"backgroundConfig": [{"uid": str(n), "image_url": JPG} for n in range(1, 52)]},
        "backgroundConfig",
    ),
]

GOOD_LOOKS: list[tuple[dict[str, Any], Look]] = [
    ({}, Look()),
    ({"layoutConfig": [], "backgroundConfig": []}, Look()),
    ({"mixedVideoLayout": 1, "backgroundColor": "#003366"}, Look(1, background_color="#003366")),
    ({"mixedVideoLayout": 2, "maxResolutionUid": "102"}, Look(2, "102")),
    ({"maxResolutionUid": ""}, Look()),
    ({"backgroundImage": JPG}, Look(background_image=JPG)),
    ({"backgroundImage": "", "defaultUserBackgroundImage": BMP}, Look(default_user_image=BMP)),
    (
        {"backgroundImage": "HTTPS://IMG.example.com"},
        Look(background_image="HTTPS://IMG.example.com"),
    ),
    ({"backgroudColor": "#FFFFFF", "unheardOf": [1]}, Look()),
    (picture(), Look(user_images=(UserImage("7", JPG),))),
    (picture(render_mode=1), Look(user_images=(UserImage("7", JPG, whole=True),))),
    (CUSTOM, Look(3, places=(Place("", 0, 0, 0.5, 1),))),
    (region(uid=""), Look(3, places=(Place("", 0, 0, 0.5, 1),))),
    (region(uid="4294967295"), Look(3, places=(Place("4294967295", 0, 0, 0.5, 1),))),
    (region(alpha=0), Look(3, places=(Place("", 0, 0, 0.5, 1, alpha=0),))),
    (
        region(alpha=0.25, render_mode=1),
        Look(3, places=(Place("", 0, 0, 0.5, 1, 0.25, whole=True),)),
    ),
    (region(width=1, height=1), Look(3, places=(Place("", 0, 0, 1, 1),))),
    (region(x_axis=1, width=0), Look(3, places=(Place("", 1, 0, 0, 1),))),
    (
        {"mixedVideoLayout": 3, "layoutConfig": THIRDS},
        Look(3, places=tuple(Place("", n * 0.333333, 0, 0.333333, 1) for n in range(3))),
    ),
    (
        {"mixedVideoLayout": 3, "layoutConfig": [HALF, OTHER_HALF] * 8 + [HALF]},
        Look(
            3,
            places=(Place("", 0, 0, 0.5, 1), Place("", 0.5, 0, 0.5, 1)) * 8
            + (Place("", 0, 0, 0.5, 1),),
        ),
    ),
]


def post(farm: Farm, call: str, client: Any, mode: str = "mix", **where: str) -> Any:
    """Start a recording and change it."""
    resource_id, sid = (where["resource_id"], where["sid"]) if where else farm.started(mode=mode)
    body = {"cname": CNAME, "uid": UID, "clientRequest": client}
    path = f"/resourceid/{resource_id}/sid/{sid}/mode/{mode}/{call}"
    return farm.call("POST", path, body)


@pytest.mark.parametrize(("config", "field"), BAD_LOOKS)
def test_a_look_that_makes_no_sense_is_refused_by_name(
    farm: Farm, config: dict[str, Any], field: str
) -> None:
    answer = farm.start(farm.acquire(), start_body(transcodingConfig=config))
    assert error(answer) == (400, 2)
    assert f"recordingConfig.transcodingConfig.{field}" in answer.json["reason"]
    assert not farm.control.specs
    answer = post(farm, "updateLayout", config)
    assert error(answer) == (400, 2)
    assert answer.json["reason"].startswith(f"UpdateLayout: invalid {field}")
    assert "secret" not in answer.text
    assert not farm.control.orders


@pytest.mark.parametrize(("config", "look"), GOOD_LOOKS)
def test_a_look_means_the_same_at_the_start_and_later(
    farm: Farm, config: dict[str, Any], look: Look
) -> None:
    answer = farm.start(farm.acquire(), start_body(transcodingConfig=config))
    assert answer.status_code == 200, answer.json
    resource_id, sid = answer.json["resourceId"], answer.json["sid"]
    assert farm.control.specs[sid].look == look
    farm.now_ns += 7
    answer = post(farm, "updateLayout", config, resource_id=resource_id, sid=sid)
    assert answer.status_code == 200, answer.json
    assert answer.json == {"cname": CNAME, "uid": UID, "resourceId": resource_id, "sid": sid}
    assert farm.control.orders == [(sid, look, farm.now_ns)]


def test_the_custom_layout_of_the_reference_is_taken_as_it_stands(farm: Farm) -> None:
    config = {
        **region(uid="101", width=0.75, render_mode=1),
        "backgroundImage": JPG,
        "defaultUserBackgroundImage": BMP,
        **picture(uid="101", render_mode=1),
    }
    answer = farm.start(farm.acquire(), start_body(transcodingConfig=config))
    spec = farm.control.specs[answer.json["sid"]]
    assert spec.look.urls == (BMP, JPG)
    assert RecordingSpec.model_validate_json(spec.model_dump_json()).look == spec.look


def test_a_canvas_cannot_change(farm: Farm) -> None:
    assert post(farm, "updateLayout", {"width": 1280, "fps": 60}).status_code == 200
    assert farm.control.orders[0][1] == Look()


AUDIO, VIDEO = "audioUidList", "videoUidList"
UIDS = [str(number) for number in range(1, 34)]
BAD_LISTS: list[tuple[Any, str]] = [  # streamSubscribe, which field the reason names
    (None, "streamSubscribe"),
    ([], "streamSubscribe"),
    ("x", "streamSubscribe"),
    ({}, "streamSubscribe"),
    ({AUDIO: None}, "streamSubscribe"),
    ({"audioUids": ["1"]}, "streamSubscribe"),
    ({AUDIO: []}, AUDIO),
    ({AUDIO: {}}, AUDIO),
    ({VIDEO: {}}, VIDEO),
    ({AUDIO: {"subscribeAudioUids": ["1"]}, VIDEO: {}}, VIDEO),
    ({VIDEO: {"subscribeAudioUids": ["1"]}}, VIDEO),
    ({AUDIO: {"subscribeAudioUids": []}}, "subscribeAudioUids"),
    ({AUDIO: {"subscribeAudioUids": "1"}}, "subscribeAudioUids"),
    ({AUDIO: {"subscribeAudioUids": [1]}}, "subscribeAudioUids"),
    ({AUDIO: {"subscribeAudioUids": ["0"]}}, "subscribeAudioUids"),
    ({AUDIO: {"subscribeAudioUids": ["alice"]}}, "subscribeAudioUids"),
    ({AUDIO: {"subscribeAudioUids": UIDS}}, "subscribeAudioUids"),
    ({AUDIO: {"subscribeAudioUids": ["#allstream#", "1"]}}, "subscribeAudioUids"),
    ({AUDIO: {"unSubscribeAudioUids": []}}, "unSubscribeAudioUids"),
    ({AUDIO: {"unSubscribeAudioUids": ["#allstream#"]}}, "unSubscribeAudioUids"),
    ({AUDIO: {"unsubscribeAudioUids": [None]}}, "unsubscribeAudioUids"),
    ({AUDIO: {"subscribeAudioUids": ["1"], "unSubscribeAudioUids": ["2"]}}, "subscribeAudioUids"),
    ({VIDEO: {"subscribeVideoUids": []}}, "subscribeVideoUids"),
    ({VIDEO: {"subscribeVideoUids": {"1": "2"}}}, "subscribeVideoUids"),
    ({VIDEO: {"unSubscribeVideoUids": UIDS}}, "unSubscribeVideoUids"),
    ({VIDEO: {"unsubscribeVideoUids": ["-1"]}}, "unsubscribeVideoUids"),
    ({VIDEO: {"subscribeVideoUids": ["1"], "unsubscribeVideoUids": ["2"]}}, "subscribeVideoUids"),
]
GOOD_LISTS: list[tuple[Any, Wanted]] = [
    (
        {
            AUDIO: {"subscribeAudioUids": ["#allstream#"]},
            VIDEO: {"subscribeVideoUids": ["10", "20"]},
        },
        Wanted(video_uids=frozenset({"10", "20"})),
    ),
    (
        {AUDIO: {"subscribeAudioUids": ["#allstream#"]}, VIDEO: {"unSubscribeVideoUids": ["1"]}},
        Wanted(not_video_uids=frozenset({"1"})),
    ),
    ({AUDIO: {"subscribeAudioUids": ["#allstream#"]}}, Wanted(video_uids=frozenset())),
    (
        {AUDIO: {"unsubscribeAudioUids": ["20"]}, VIDEO: {"subscribeVideoUids": ["10", "10"]}},
        Wanted(video_uids=frozenset({"10"}), not_audio_uids=frozenset({"20"})),
    ),
    ({VIDEO: {"subscribeVideoUids": ["#allstream#"]}}, Wanted(audio_uids=frozenset())),
    (
        {AUDIO: {"subscribeAudioUids": UIDS[:32]}, VIDEO: {"subscribeVideoUids": UIDS[:32]}},
        Wanted(audio_uids=frozenset(UIDS[:32]), video_uids=frozenset(UIDS[:32])),
    ),
]


@pytest.mark.parametrize("mode", ["mix", "individual"])
@pytest.mark.parametrize(("lists", "field"), BAD_LISTS)
def test_lists_that_make_no_sense_are_refused_by_name(
    farm: Farm, mode: str, lists: Any, field: str
) -> None:
    answer = post(farm, "update", {"streamSubscribe": lists}, mode)
    assert error(answer) == (400, 2)
    assert answer.json["reason"].startswith("Update: invalid streamSubscribe")
    assert field in answer.json["reason"]
    assert not farm.control.orders


@pytest.mark.parametrize("mode", ["mix", "individual"])
@pytest.mark.parametrize(("lists", "wanted"), GOOD_LISTS)
def test_lists_replace_the_ones_before(farm: Farm, mode: str, lists: Any, wanted: Wanted) -> None:
    answer = post(farm, "update", {"streamSubscribe": lists}, mode)
    assert answer.status_code == 200, answer.json
    assert set(answer.json) == {"cname", "uid", "resourceId", "sid"}
    assert farm.control.orders == [(answer.json["sid"], wanted, farm.now_ns)]


@pytest.mark.parametrize(
    ("mode", "recording", "lists", "status"),
    [
        ("mix", {"streamTypes": 0}, {VIDEO: {"subscribeVideoUids": ["1"]}}, 400),
        ("mix", {"streamTypes": 1}, {AUDIO: {"unSubscribeAudioUids": ["1"]}}, 400),
        ("individual", {"streamTypes": 0}, {VIDEO: {"subscribeVideoUids": ["1"]}}, 400),
        ("individual", {"streamTypes": 1}, {AUDIO: {"subscribeAudioUids": ["1"]}}, 400),
        ("individual", {"streamTypes": 1}, {VIDEO: {"subscribeVideoUids": ["1"]}}, 200),
        # What start's lists left out may come later: streamTypes alone says what there may be.
        ("mix", {"subscribeAudioUids": ["1"]}, {VIDEO: {"subscribeVideoUids": ["1"]}}, 200),
        ("mix", {"subscribeVideoUids": ["1"]}, {AUDIO: {"subscribeAudioUids": ["1"]}}, 200),
        ("individual", {"subscribeAudioUids": ["1"]}, {VIDEO: {"subscribeVideoUids": ["1"]}}, 200),
    ],
)
def test_what_a_recording_was_started_without_cannot_be_asked_for(
    farm: Farm, mode: str, recording: Any, lists: Any, status: int
) -> None:
    started = farm.start(farm.acquire(), start_body(**recording), mode=mode).json
    where = {"resource_id": started["resourceId"], "sid": started["sid"]}
    answer = post(farm, "update", {"streamSubscribe": lists}, mode, **where)
    assert answer.status_code == status
    assert len(farm.control.orders) == (status == 200)


@pytest.mark.parametrize("client", [{}, {"unheardOf": 1}])
def test_an_update_of_nothing_is_refused(farm: Farm, client: Any) -> None:
    answer = post(farm, "update", client)
    assert error(answer) == (400, 2)
    assert "streamSubscribe" in answer.json["reason"]


def test_an_update_is_done_whole_or_not_at_all(farm: Farm) -> None:
    lists = {AUDIO: {"subscribeAudioUids": ["1"]}}
    answer = post(farm, "update", {"streamSubscribe": lists, "storageConfig": {"vendor": 1}})
    assert error(answer) == (400, 2)
    assert "storageConfig.vendor" in answer.json["reason"]
    assert not farm.control.orders


CALLS = {
    "update": {"streamSubscribe": {AUDIO: {"subscribeAudioUids": ["1"]}}},
    "updateLayout": {"mixedVideoLayout": 1},
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("state", [State.STOPPING, State.DELIVERING, State.ENDED, State.FAILED])
def test_what_does_not_run_cannot_be_changed(farm: Farm, call: str, state: State) -> None:
    resource_id, sid = farm.started()
    farm.control.move(sid, state)
    answer = post(farm, call, CALLS[call], resource_id=resource_id, sid=sid)
    assert error(answer) == (404, 404)
    assert answer.json["reason"] == "failed to find worker"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("state", [State.QUEUED, State.JOINING, State.RECORDING])
def test_what_runs_can_be_changed_whoever_tapes_it(farm: Farm, call: str, state: State) -> None:
    resource_id, sid = farm.started()
    farm.control.move(sid, state)
    answer = post(farm, call, CALLS[call], resource_id=resource_id, sid=sid)
    assert answer.status_code == 200


@pytest.mark.parametrize("call", CALLS)
def test_the_same_ids_as_for_query_and_stop_are_needed(farm: Farm, call: str) -> None:
    resource_id, sid = farm.started()
    other = farm.acquire(uid="900002")
    body = {"cname": CNAME, "uid": UID, "clientRequest": CALLS[call]}
    for path, expected in (
        (f"/resourceid/{other}/sid/{sid}/mode/mix/{call}", (400, 432)),
        (f"/resourceid/{farm.acquire()}/sid/{sid}/mode/mix/{call}", (400, 1003)),
        (f"/resourceid/nonsense/sid/{sid}/mode/mix/{call}", (400, 1001)),
        (f"/resourceid/{resource_id}/sid/{'0' * 32}/mode/mix/{call}", (404, 404)),
        (f"/resourceid/{resource_id}/sid/xyz/mode/mix/{call}", (400, 2)),
        (f"/resourceid/{resource_id}/sid/{sid}/mode/individual/{call}", (400, 2)),
        (f"/resourceid/{resource_id}/sid/{sid}/mode/web/{call}", (400, 2)),
        (f"/resourceid/{resource_id}/sid/{sid}/mode/nonsense/{call}", (400, 2)),
    ):
        assert error(farm.call("POST", path, body)) == expected, path
    for field in ("cname", "uid", "clientRequest"):
        partial = copy.deepcopy(body)
        del partial[field]
        path = f"/resourceid/{resource_id}/sid/{sid}/mode/mix/{call}"
        answer = farm.call("POST", path, partial)
        assert error(answer) == (400, 2)
        assert field in answer.json["reason"]
    assert not farm.control.orders


def test_an_individual_recording_has_no_layout(farm: Farm) -> None:
    answer = post(farm, "updateLayout", {"mixedVideoLayout": 1}, "individual")
    assert error(answer) == (400, 2)
    assert "mode" in answer.json["reason"]
    assert not farm.control.orders


@pytest.mark.parametrize("call", CALLS)
def test_hours_that_are_over_end_the_calls_too(farm: Farm, call: str) -> None:
    resource_id = farm.acquire(resourceExpiredHour=1)
    sid = farm.start(resource_id).json["sid"]
    farm.now_ns += 2 * 3600 * 1_000_000_000
    answer = post(farm, call, CALLS[call], resource_id=resource_id, sid=sid)
    assert error(answer) == (404, 404)


@pytest.mark.parametrize("call", CALLS)
def test_a_state_out_of_reach_is_a_timeout(farm: Farm, call: str, monkeypatch: Any) -> None:
    def away(*_: Any) -> None:
        raise StoreUnavailable("redis did not answer")

    resource_id, sid = farm.started()
    monkeypatch.setattr(MemoryControl, "order", away)
    answer = post(farm, call, CALLS[call], resource_id=resource_id, sid=sid)
    assert error(answer) == (504, 62)
