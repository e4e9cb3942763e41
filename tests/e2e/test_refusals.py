"""What must not start does not start: on a real farm, with a real bucket."""

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.api import seed_bodies
from tests.e2e.farm import Farm

pytestmark = [pytest.mark.e2e, pytest.mark.server]


def start(farm: Farm, cname: str, storage: dict[str, Any]) -> tuple[int, dict[str, Any], float]:
    resource_id = farm.agora.acquire(cname, "527841")
    body = {
        "cname": cname,
        "uid": "527841",
        "clientRequest": {"recordingConfig": {}, "storageConfig": storage},
    }
    began = time.monotonic()
    status, answer = farm.agora.call(f"resourceid/{resource_id}/mode/mix/start", body)
    return status, answer, time.monotonic() - began


@pytest.mark.parametrize(
    "wrong",
    [
        {"secretKey": "wrongwrongwrongwrong"},
        {"accessKey": "wrongwrongwrong"},
        {"bucket": "nosuchbucket"},
    ],
    ids=lambda row: next(iter(row)),
)
def test_wrong_keys_and_missing_buckets_are_refused_at_start(
    running_farm: Farm, wrong: dict[str, str]
) -> None:
    status, answer, _ = start(running_farm, "refused", running_farm.storage() | wrong)
    assert (status, answer["code"]) == (400, 2)
    assert "storage" in answer["reason"].lower()
    assert not any(secret in answer["reason"] for secret in wrong.values() if "wrong" in secret)
    assert not _recordings(running_farm)


def test_storage_that_does_not_answer_is_refused_in_bounded_time(
    running_farm: Farm, free_port: Callable[[], int]
) -> None:
    dead = {"extensionParams": {"endpoint": f"http://127.0.0.1:{free_port()}"}}
    status, answer, _ = start(running_farm, "refused", running_farm.storage() | dead)
    assert (status, answer["code"]) == (400, 2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        mute = {"extensionParams": {"endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}"}}
        status, answer, took_s = start(running_farm, "refused", running_farm.storage() | mute)
    assert (status, answer["code"]) == (400, 2)
    print(f"a silent storage was refused after {took_s:.2f} s")
    assert not _recordings(running_farm)


def test_bad_input_is_refused_quickly_and_nothing_is_enqueued(running_farm: Farm) -> None:
    farm, times_s = running_farm, []
    for config in (
        {"maxIdleTime": 4},
        {"streamTypes": 3},
        {"channelType": "0"},
        {"transcodingConfig": {"width": 4000, "height": 4000}},
        {"transcodingConfig": {"backgroundColor": "red"}},
        {"subscribeAudioUids": ["1"], "unSubscribeAudioUids": ["2"]},
        {"subscribeVideoUids": [str(n) for n in range(33)]},
    ):
        resource_id = farm.agora.acquire("refused", "527841")
        request = {"recordingConfig": config, "storageConfig": farm.storage()}
        body = {"cname": "refused", "uid": "527841", "clientRequest": request}
        began = time.monotonic()
        status, answer = farm.agora.call(f"resourceid/{resource_id}/mode/mix/start", body)
        times_s.append(time.monotonic() - began)
        assert (status, answer["code"]) == (400, 2), (config, answer)
    print(f"refusals took {max(times_s) * 1000:.0f} ms at most")
    assert not _recordings(farm)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (seed_bodies.START_INDIVIDUAL_AUDIO, "individual"),
        (seed_bodies.START_MIX_2025, "mix"),
        (seed_bodies.START_MIX_2020, "mix"),
    ],
    ids=["individual audio", "mix of 2025", "mix of 2020"],
)
def test_the_bodies_of_the_guides_are_accepted_as_printed(
    running_farm: Farm, text: str, mode: str
) -> None:
    farm, body = running_farm, json.loads(text)
    status, acquired = farm.agora.call("acquire", json.loads(seed_bodies.ACQUIRE))
    assert status == 200, acquired
    request = body["clientRequest"]
    request["storageConfig"] = farm.storage(*request["storageConfig"]["fileNamePrefix"])
    resource = f"resourceid/{acquired['resourceId']}"
    status, started = farm.agora.call(f"{resource}/mode/{mode}/start", body)
    assert status == 200, started
    stop = json.loads(seed_bodies.STOP_MIX if mode == "mix" else seed_bodies.STOP_INDIVIDUAL)
    path = f"{resource}/sid/{started['sid']}/mode/{mode}/stop"
    status, stopped = farm.agora.call(path, stop)
    assert (status, stopped["code"]) == (206, 435), stopped  # nobody published


def _recordings(farm: Farm) -> list[str]:
    """What the farm was given to do in this channel."""
    with redis.Redis.from_url(farm.facts["redis"], decode_responses=True) as client:
        assert client.llen("tapefarm:celery:record") == 0
        return list(client.scan_iter("tapefarm:claim:*:refused:*"))
