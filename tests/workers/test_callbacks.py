"""Notices against a real Redis and a real receiver."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.receiver import Receiver, listening
from workers.apps import Apps
from workers.callbacks.deliver import Deliverer
from workers.callbacks.notice import EventType, body, signatures
from workers.callbacks.outbox import Outbox
from workers.job.spec import RecordingSpec
from workers.metrics.metrics import Metrics
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
    return App(
        app_id="app",
        customer_key="k",
        customer_secret=SecretStr("s"),
        callback_url=f"http://127.0.0.1:{receiver.server_address[1]}/hook",
        callback_secret=SecretStr("hook secret"),
    )


@pytest.fixture
def outbox(store: Store, app: App) -> Iterator[Outbox]:
    outbox = Outbox(store.client, Apps((app,)))
    stop = threading.Event()
    deliverer = Deliverer(outbox, Apps((app,)), Metrics())
    thread = threading.Thread(target=deliverer.run, args=(stop,))
    thread.start()
    yield outbox
    stop.set()
    thread.join(timeout=15)


@pytest.mark.server
def test_a_notice_arrives_signed_in_the_documented_shape(
    outbox: Outbox, receiver: Receiver, make_spec: Make
) -> None:
    outbox.add(make_spec(), EventType.RECORDER_STARTED, {"status": 0})
    outbox.add(make_spec(), EventType.RECORDER_LEAVE, {"leaveCode": 24})
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
    outbox: Outbox, receiver: Receiver, make_spec: Make
) -> None:
    receiver.statuses[:] = [500]
    outbox.add(make_spec(), EventType.RECORDER_STARTED, {"status": 0})
    for _ in range(2):
        assert receiver.arrived.acquire(timeout=15)
    assert len({json.loads(raw)["noticeId"] for _, raw in receiver.got}) == 1


@pytest.mark.server
def test_a_notice_that_happens_once_is_sent_once(
    outbox: Outbox, receiver: Receiver, make_spec: Make
) -> None:
    for _ in range(3):
        outbox.add(make_spec(), EventType.FILE_INFOS, {"fileList": "x"}, once="file:x")
    outbox.add(make_spec(), EventType.RECORDER_LEAVE, {"leaveCode": 24})
    for _ in range(2):
        assert receiver.arrived.acquire(timeout=10)
    types = sorted(json.loads(raw)["eventType"] for _, raw in receiver.got)
    assert types == [4, 41]


@pytest.mark.server
def test_a_customer_without_an_address_is_sent_nothing(store: Store, make_spec: Make) -> None:
    silent = App(app_id="app", customer_key="k", customer_secret=SecretStr("s"))
    outbox = Outbox(store.client, Apps((silent,)))
    outbox.add(make_spec(), EventType.RECORDER_STARTED, {"status": 0})
    assert outbox.due(1e12, 10) == []


def test_the_bytes_that_are_sent_carry_the_time_of_sending() -> None:
    assert json.loads(body({"noticeId": "x"}, 17)) == {"noticeId": "x", "notifyMs": 17}


def test_what_is_said_once_is_said_once_however_long_a_recording_runs(
    store: Store, app: App, make_spec: Make
) -> None:
    outbox, spec = Outbox(store.client, Apps((app,))), make_spec()
    name = f"tapefarm:asked:{spec.sid}:notice:file:a"
    for _ in range(3):
        outbox.add(spec, EventType.FILE_INFOS, {"fileList": "a"}, once="file:a")
        assert store.client.ttl(name) > 30 * 86400
        store.client.expire(name, 5)  # days later
    assert len(outbox.due(2**40, 10)) == 1
    assert store.client.ttl(f"tapefarm:sequence:{spec.sid}") > 30 * 86400


def test_of_screenshots_it_is_not_remembered_for_long_that_they_were_told(
    store: Store, app: App, make_spec: Make
) -> None:
    """There may be one each second, and each is told within seconds of its upload."""
    outbox, spec = Outbox(store.client, Apps((app,))), make_spec()
    for _ in range(2):
        outbox.add(spec, EventType.SNAPSHOT_FILE, {"fileName": "a.jpg"}, once="file:a.jpg")
    assert len(outbox.due(2**40, 10)) == 1
    ttl_s = store.client.ttl(f"tapefarm:asked:{spec.sid}:notice:file:a.jpg")
    assert 3600 < ttl_s <= 86400
