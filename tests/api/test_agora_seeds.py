"""The bodies of the guides are accepted as printed."""

import json

import pytest

from tests.api import seed_bodies
from tests.api.farm import NS, STORAGE, Farm
from workers.job.spec import Mode
from workers.job.state import State
from workers.job.status import FileEntry

STARTS = {
    "individual audio": (seed_bodies.START_INDIVIDUAL_AUDIO, "individual"),
    "mix of 2025": (seed_bodies.START_MIX_2025, "mix"),
    "mix of 2020": (seed_bodies.START_MIX_2020, "mix"),
}
STOPS = {"individual": seed_bodies.STOP_INDIVIDUAL, "mix": seed_bodies.STOP_MIX}
JSON = {"Content-Type": "application/json;charset=utf-8"}


def acquire(farm: Farm) -> str:
    answer = farm.call("POST", "/acquire", data=seed_bodies.ACQUIRE, headers=JSON)
    assert answer.status_code == 200
    assert answer.json["cname"] == "httpClient463224"
    assert answer.json["uid"] == "527841"
    return str(answer.json["resourceId"])


@pytest.mark.parametrize("name", STARTS)
def test_a_whole_session_of_the_guides_goes_through(farm: Farm, name: str) -> None:
    text, mode = STARTS[name]
    resource_id = acquire(farm)
    path = f"/resourceid/{resource_id}/mode/{mode}/start"
    started = farm.call("POST", path, data=text, headers=JSON)
    assert started.status_code == 200, started.json
    assert set(started.json) == {"cname", "uid", "resourceId", "sid"}
    sid = started.json["sid"]
    farm.control.move(sid, State.RECORDING)
    farm.control.deliver(sid, FileEntry("a.m3u8", "audio", "123", False, True, 1))
    stop = f"/resourceid/{resource_id}/sid/{sid}/mode/{mode}/stop"
    stopped = farm.call("POST", stop, data=STOPS[mode], headers=JSON)
    assert stopped.status_code == 200, stopped.json
    assert stopped.json["serverResponse"]["uploadingStatus"] == "uploaded"


def test_the_audio_guide_means_an_untouched_recording_of_two_speakers(farm: Farm) -> None:
    path = f"/resourceid/{acquire(farm)}/mode/individual/start"
    answer = farm.call("POST", path, data=seed_bodies.START_INDIVIDUAL_AUDIO, headers=JSON)
    spec = farm.control.specs[answer.json["sid"]]
    assert spec.mode is Mode.INDIVIDUAL
    assert spec.stream_mode == "original"
    assert (spec.subscription.audio, spec.subscription.video) == (True, False)
    assert spec.subscription.audio_uids == {"123", "456"}
    assert spec.storage.endpoint == "s3.oss-cn-beijing.aliyuncs.com"
    assert spec.storage.prefix == "directory1/directory2/"
    assert spec.limits.max_idle_s == 30
    assert spec.token is not None
    assert spec.accepted_ns == farm.now_ns


@pytest.mark.parametrize("name", ["mix of 2025", "mix of 2020"])
def test_the_mix_guides_mean_a_best_fit_canvas(farm: Farm, name: str) -> None:
    path = f"/resourceid/{acquire(farm)}/mode/mix/start"
    answer = farm.call("POST", path, data=STARTS[name][0], headers=JSON)
    spec = farm.control.specs[answer.json["sid"]]
    canvas = spec.canvas
    assert (canvas.width, canvas.height, canvas.fps, canvas.bitrate) == (360, 640, 15, 500)
    assert (spec.look.layout, spec.look.background_color) == (1, "#FF0000")
    assert spec.audio_profile == 1
    assert spec.subscription.video_uids == spec.subscription.audio_uids == {"123", "456"}


@pytest.mark.parametrize("name", STARTS)
def test_only_the_storage_need_be_replaced_to_use_the_guides_here(name: str) -> None:
    farm = Farm(changes={"allow_private_endpoints": True})
    text, mode = STARTS[name]
    body = json.loads(text)
    storage = STORAGE | {"extensionParams": {"endpoint": "http://127.0.0.1:9000"}}
    body["clientRequest"]["storageConfig"] = storage
    path = f"/resourceid/{acquire(farm)}/mode/{mode}/start"
    answer = farm.call("POST", path, body)
    assert answer.status_code == 200, answer.json
    placed = farm.control.specs[answer.json["sid"]].storage
    assert (placed.endpoint, placed.secure) == ("127.0.0.1:9000", False)
    assert farm.control.checked == [placed]


def test_a_resource_id_lives_five_minutes(farm: Farm) -> None:
    resource_id = acquire(farm)
    farm.now_ns += 299 * NS
    path = f"/resourceid/{resource_id}/mode/mix/start"
    answer = farm.call("POST", path, data=seed_bodies.START_MIX_2025, headers=JSON)
    assert answer.status_code == 200
