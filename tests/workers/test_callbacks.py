"""Notices against a real Redis and a real receiver."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.receiver import Receiver, listening
from tests.workers.delivering import an_app, delivering
from workers.apps import Apps
from workers.callbacks.notice import EventType, body, signatures
from workers.callbacks.outbox import Outbox
from workers.job.errors import NotFound
from workers.job.spec import RecordingSpec
from workers.settings import App
from workers.store.store import Store

Make = Callable[..., RecordingSpec]
EXAMPLES = Path(__file__).parent.parent / "api" / "agora_examples"


def test_signatures_are_those_of_the_published_vector() -> None:
    raw = (
        b'{"eventMs":1560408533119,"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f"'
        b',"notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}'
    )
    assert signatures(raw, "secret") == {
        "Agora-Signature": "033c62f40f687675f17f0f41f91a40c71c0f134c",
        "Agora-Signature-V2": "6d3320c60b11101395b7fc8f9068748808a0aa1bfa064438e39d1bc2c7d74d99",
    }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as server:
        yield server


@pytest.fixture
def app(receiver: Receiver) -> App:
    return an_app("app", receiver.url)


@pytest.fixture
def spec(store: Store, make_spec: Make) -> RecordingSpec:
    """A recording that Redis knows."""
    spec = make_spec()
    store.heartbeat("recorder", 9, ttl_s=60)
    store.start(spec, "nonce")
    return spec


@pytest.fixture
def outbox(store: Store, app: App) -> Iterator[Outbox]:
    with delivering(store, app) as outbox:
        yield outbox


@pytest.mark.server
def test_a_notice_arrives_signed_in_the_documented_shape(
    outbox: Outbox, receiver: Receiver, spec: RecordingSpec
) -> None:
    outbox.add(outbox.make(spec, EventType.RECORDER_STARTED, {"status": 0}))
    outbox.add(outbox.make(spec, EventType.RECORDER_LEAVE, {"leaveCode": 24}))
    for _ in range(2):
        assert receiver.arrived.acquire(timeout=10)
    seen = {}
    for headers, raw in receiver.got:
        rows = json.loads(raw)
        expected = signatures(raw, "hook secret")
        assert {name: headers[name] for name in expected} == expected
        assert headers["Content-Type"] == "application/json"
        seen[rows["eventType"]] = rows
    reference = json.loads((EXAMPLES / "callbacks.json").read_text())["events"]
    for number in (40, 41):
        sample = next(row["body"] for row in reference if row["event"] == number)
        assert seen[number].keys() == sample.keys()
        assert seen[number]["payload"].keys() == sample["payload"].keys()
        assert seen[number]["payload"]["details"] == sample["payload"]["details"]
    assert sorted(rows["payload"]["sequence"] for rows in seen.values()) == [0, 1]


@pytest.mark.server
def test_a_notice_that_was_refused_is_sent_again_with_the_same_id(
    outbox: Outbox, receiver: Receiver, spec: RecordingSpec
) -> None:
    receiver.statuses[:] = [500]
    outbox.add(outbox.make(spec, EventType.RECORDER_STARTED, {"status": 0}))
    for _ in range(2):
        assert receiver.arrived.acquire(timeout=15)
    assert len({json.loads(raw)["noticeId"] for _, raw in receiver.got}) == 1


@pytest.mark.server
def test_a_notice_that_happens_once_is_sent_once(
    outbox: Outbox, receiver: Receiver, spec: RecordingSpec
) -> None:
    for _ in range(3):
        outbox.add(outbox.make(spec, EventType.FILE_INFOS, {"fileList": "x"}, once="file:x"))
    outbox.add(outbox.make(spec, EventType.RECORDER_LEAVE, {"leaveCode": 24}))
    for _ in range(2):
        assert receiver.arrived.acquire(timeout=10)
    types = sorted(json.loads(raw)["eventType"] for _, raw in receiver.got)
    assert types == [4, 41]


@pytest.mark.server
def test_a_customer_without_an_address_is_sent_nothing(store: Store, spec: RecordingSpec) -> None:
    silent = App(app_id="app", customer_key="k", customer_secret=SecretStr("s"))
    outbox = Outbox(store.client, Apps((silent,)))
    outbox.add(outbox.make(spec, EventType.RECORDER_STARTED, {"status": 0}))
    assert outbox.take(10, {}).due == []
    assert outbox.told(spec.sid) == []


@pytest.mark.server
def test_a_recording_that_redis_does_not_know_tells_nothing(
    outbox: Outbox, make_spec: Make
) -> None:
    """Its numbers would begin anew."""
    with pytest.raises(NotFound):
        outbox.add(outbox.make(make_spec("1" * 32), EventType.RECORDER_STARTED, {"status": 0}))


def test_the_bytes_that_are_sent_carry_the_time_of_sending_and_the_number() -> None:
    text = json.dumps({"noticeId": "x", "notifyMs": 0, "payload": {"sequence": 0}})
    told = {"noticeId": "x", "notifyMs": 17, "payload": {"sequence": 3}}
    assert json.loads(body(text, 3, 17)) == told


def test_what_is_said_once_is_said_once_however_long_a_recording_runs(
    store: Store, app: App, spec: RecordingSpec
) -> None:
    outbox = Outbox(store.client, Apps((app,)))
    name = f"tapefarm:said:{spec.sid}"
    for _ in range(3):
        outbox.add(outbox.make(spec, EventType.FILE_INFOS, {"fileList": "a"}, once="file:a"))
        assert store.client.ttl(name) > 30 * 86400
        store.client.expire(name, 5)  # days later
    assert len(outbox.told(spec.sid)) == 1
    assert store.client.ttl(f"tapefarm:sequence:{spec.sid}") > 30 * 86400


def test_of_screenshots_it_is_not_remembered_for_long_that_they_were_told(
    store: Store, app: App, spec: RecordingSpec
) -> None:
    """There may be one each second, and each is told within seconds of its upload."""
    outbox = Outbox(store.client, Apps((app,)))
    for _ in range(2):
        details = {"fileName": "a.jpg"}
        outbox.add(outbox.make(spec, EventType.SNAPSHOT_FILE, details, once="file:a.jpg"))
    assert len(outbox.told(spec.sid)) == 1
    ttl_s = store.client.ttl(f"tapefarm:asked:{spec.sid}:notice:file:a.jpg")
    assert 3600 < ttl_s <= 86400
