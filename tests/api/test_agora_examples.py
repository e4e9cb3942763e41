"""The reference's examples: each request is accepted, each answer has exactly that shape."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.farm import CNAME, UID, Farm, error
from workers.job.spec import Mode
from workers.job.state import State
from workers.job.status import FileEntry

EXAMPLES = {path.stem: path for path in Path(__file__).parent.glob("agora_examples/*.json")}
NOT_YET = {  # example -> what the reason of the refusal must name
    "start-mix-encrypted": "decryptionMode",
    "start-web": "mode web",
    "start-web-rtmp": "mode web",
}
SNAPSHOTS = {"query-individual-snapshot", "stop-individual-snapshot"}  # test_agora_snapshots.py
LATER = SNAPSHOTS | {  # examples of sessions that cannot be started yet
    "query-web",
    "query-web-rtmp",
    "stop-web",
}
NO_UPDATE = {  # example -> what the reason of the refusal must name
    "update-web-onhold": "webRecordingConfig",
    "update-web-rtmp": "rtmpPublishConfig",
}
MODES = {"individual": Mode.INDIVIDUAL, "mix": Mode.MIX}


def example(name: str) -> dict[str, Any]:
    return dict(json.loads(EXAMPLES[name].read_text()))


def named(call: str) -> list[str]:
    return sorted(name for name in EXAMPLES if name.startswith(f"{call}-"))


def mode_of(name: str) -> str:
    return name.split("-")[1]


def test_every_example_is_run_or_excused() -> None:
    assert len(named("acquire")) == 4
    assert len(named("start")) == 16
    assert set(NOT_YET) <= set(named("start"))
    assert set(named("query") + named("stop")) > LATER


@pytest.mark.parametrize("name", named("acquire"))
def test_acquire(farm: Farm, name: str) -> None:
    document = example(name)
    request = document["request"]
    answer = farm.client.open(
        request["path"], method="POST", headers=request["headers"], json=request["body"]
    )
    assert answer.status_code == 200
    expected = document["responses"][0]["body"]
    assert set(answer.json) == set(expected)
    assert (answer.json["cname"], answer.json["uid"]) == (CNAME, UID)
    assert 200 <= len(answer.json["resourceId"]) <= 255


@pytest.mark.parametrize("name", sorted(set(named("start")) - set(NOT_YET)))
def test_start(farm: Farm, name: str) -> None:
    body = example(name)["request"]["body"]
    resource_id = farm.acquire()
    answer = farm.start(resource_id, body["clientRequest"], mode=mode_of(name))
    assert answer.status_code == 200, answer.json
    expected = example(name)["responses"][0]["body"]
    assert set(answer.json) == set(expected)
    assert answer.json["resourceId"] == resource_id
    assert len(answer.json["sid"]) == 32


@pytest.mark.parametrize("name", sorted(NOT_YET))
def test_what_is_not_there_yet_is_refused_by_name(farm: Farm, name: str) -> None:
    body = example(name)["request"]["body"]
    answer = farm.start(farm.acquire(), body["clientRequest"], mode=mode_of(name))
    assert error(answer) == (400, 2)
    assert NOT_YET[name] in answer.json["reason"]
    assert "not available on this farm" in answer.json["reason"]
    assert not farm.control.specs


def recorded(farm: Farm, expected: dict[str, Any], mode: str) -> tuple[str, str]:
    """A recording with the files of an example's answer, but for the sid in their names."""
    server = expected["serverResponse"]
    mp4 = mode == "mix" and server["fileListMode"] == "json"
    resource_id, sid = farm.started(mode=mode, mp4=mp4)
    farm.control.move(sid, State.RECORDING)
    start_ms = server.get("sliceStartTime", 0)
    if isinstance(server["fileList"], str):
        name = server["fileList"]
        farm.control.deliver(sid, FileEntry(name, "audio_and_video", "0", True, True, start_ms))
    for row in [] if isinstance(server["fileList"], str) else server["fileList"]:
        values = ("fileName", "trackType", "uid", "mixedAllUser", "isPlayable", "sliceStartTime")
        farm.control.deliver(sid, FileEntry(*(row[value] for value in values)))
    return resource_id, sid


@pytest.mark.parametrize("name", sorted(set(named("query")) - LATER))
def test_query(farm: Farm, name: str) -> None:
    expected = example(name)["responses"][0]["body"]
    resource_id, sid = recorded(farm, expected, mode_of(name))
    answer = farm.query(resource_id, sid, mode_of(name))
    assert answer.status_code == 200
    assert answer.json == expected | {"resourceId": resource_id, "sid": sid}


@pytest.mark.parametrize("name", sorted(set(named("stop")) - LATER))
def test_stop(farm: Farm, name: str) -> None:
    expected = example(name)["responses"][0]["body"]
    client = example(name)["request"]["body"]["clientRequest"]
    resource_id, sid = recorded(farm, expected, mode_of(name))
    answer = farm.stop(resource_id, sid, mode_of(name), **client)
    assert answer.status_code == 200
    assert answer.json == expected | {"resourceId": resource_id, "sid": sid}


UPDATES = sorted(named("update") + named("updateLayout"))


@pytest.mark.parametrize("name", sorted(set(UPDATES) - set(NO_UPDATE) - {"update-mix-sts-refresh"}))
def test_update_and_update_layout(farm: Farm, name: str) -> None:
    document = example(name)
    call, mode = name.split("-")[:2]
    resource_id, sid = farm.started(mode=mode)
    path = f"/resourceid/{resource_id}/sid/{sid}/mode/{mode}/{call}"
    answer = farm.call("POST", path, document["request"]["body"])
    assert answer.status_code == 200, answer.json
    assert answer.json == document["responses"][0]["body"] | {"resourceId": resource_id, "sid": sid}
    [(ordered, _, at_ns)] = farm.control.orders
    assert (ordered, at_ns) == (sid, farm.now_ns)


def test_an_update_of_temporary_keys(farm: Farm) -> None:
    start = example("start-mix-s3-sts")["request"]["body"]["clientRequest"]
    resource_id = farm.acquire()
    sid = farm.start(resource_id, start).json["sid"]
    document = example("update-mix-sts-refresh")
    body = document["request"]["body"]
    body["clientRequest"]["storageConfig"]["stsExpiration"] = farm.now_ns // 10**9 + 4 * 3600
    path = f"/resourceid/{resource_id}/sid/{sid}/mode/mix/update"
    answer = farm.call("POST", path, body)
    assert answer.status_code == 200, answer.json
    assert answer.json == document["responses"][0]["body"] | {"resourceId": resource_id, "sid": sid}
    token = farm.control.specs[sid].storage.session_token
    assert token is not None
    assert token.get_secret_value() == "<new session token>"


@pytest.mark.parametrize("name", sorted(NO_UPDATE))
def test_other_updates_are_not_there_yet(farm: Farm, name: str) -> None:
    resource_id, sid = farm.started()
    path = f"/resourceid/{resource_id}/sid/{sid}/mode/mix/update"
    answer = farm.call("POST", path, example(name)["request"]["body"])
    assert error(answer) == (400, 2)
    assert NO_UPDATE[name] in answer.json["reason"]
    assert "not available on this farm" in answer.json["reason"]
    assert not farm.control.orders


def test_the_published_reasons_are_word_for_word(farm: Farm) -> None:
    published = example("acquire-rtc")["responses"]
    body = {"cname": CNAME, "uid": UID, "clientRequest": {"resourceExpiredHour": 721}}
    assert farm.call("POST", "/acquire", body).json == published[1]["body"]
    body = {"cname": "a/b", "uid": UID, "clientRequest": {}}
    assert farm.call("POST", "/acquire", body).json == published[3]["body"]
    farm.control.slots = 0
    body = {"cname": CNAME, "uid": UID, "clientRequest": {}}
    answer = farm.call("POST", "/acquire", body)
    assert (answer.status_code, answer.json) == (500, published[7]["body"])
