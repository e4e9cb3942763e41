"""What is taken in, against a real Redis: together with its message, and never beyond a quota."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr

from workers import engine
from workers.job.allowance import Allowance
from workers.job.errors import Conflict, NoCapacity, QuotaExceeded
from workers.job.spec import RecordingSpec
from workers.job.state import Event, State
from workers.store import keys
from workers.store.connect import connect
from workers.store.store import Store

pytestmark = pytest.mark.server

Make = Callable[..., RecordingSpec]
SLOTS = 100
QUEUE = keys.celery_queue(engine.RECORD)


@pytest.fixture
def ready(store: Store) -> Store:
    store.heartbeat("recorder-a", SLOTS, ttl_s=60)
    return store


@pytest.fixture
def numbered(make_spec: Make) -> Make:
    def make(number: int, **changes: Any) -> RecordingSpec:
        return make_spec(f"{number:032x}", **({"recorder_uid": str(number)} | changes))

    return make


def everything(store: Store) -> dict[str, str]:
    return {str(key): store.client.type(key) for key in store.client.scan_iter()}


def test_a_recording_and_its_message_come_in_together(ready: Store, numbered: Make) -> None:
    assert ready.start(numbered(1), "one", message="come") is None
    assert ready.client.lrange(QUEUE, 0, -1) == ["come"]
    row = ready.row(numbered(1).sid)
    assert row is not None
    assert row.state is State.QUEUED


@pytest.mark.parametrize(
    ("slots", "first", "second", "refused"),
    [
        (2, {}, {"recorder_uid": "1"}, Conflict),
        (1, {}, {}, NoCapacity),
        (2, {"streams": 3}, {"streams": 3}, QuotaExceeded),
        (2, {"streams": 1}, {"streams": 5}, QuotaExceeded),
    ],
)
def test_of_what_is_refused_nothing_is_written(
    store: Store,
    numbered: Make,
    slots: int,
    first: dict[str, Any],
    second: dict[str, Any],
    refused: type[Exception],
) -> None:
    store.heartbeat("recorder-a", slots, ttl_s=60)
    allowance = Allowance(streams=5)
    store.start(numbered(1, **first), "one", allowance, "come")
    before = everything(store)
    with pytest.raises(refused):
        store.start(numbered(2, **second), "two", allowance, "come again")
    assert everything(store) == before
    assert store.client.lrange(QUEUE, 0, -1) == ["come"]


def test_a_ticket_that_is_used_again_sends_no_message(ready: Store, numbered: Make) -> None:
    ready.start(numbered(1), "one", message="come")
    again = numbered(1, accepted_ns=1_700_000_000_000_000_001)
    assert ready.start(again, "one", message="again") == again.sid
    assert ready.client.llen(QUEUE) == 1


def test_a_start_that_is_sent_twice_is_one(ready: Store, numbered: Make) -> None:
    """The client repeats a command whose answer was lost; the first one was done."""
    for _ in range(2):
        assert ready.start(numbered(1), "one", Allowance(recordings=1), "come") is None
    assert ready.client.llen(QUEUE) == 1
    assert ready.taken() == 1


def test_a_ticket_of_a_recording_that_redis_was_told_of_again_is_spent(
    ready: Store, numbered: Make
) -> None:
    ready.start(numbered(1), "one")
    ready.client.flushall()
    ready.heartbeat("recorder-a", SLOTS, ttl_s=60)
    ready.restore(numbered(1), State.RECORDING, 3)
    again = numbered(1, accepted_ns=1_700_000_000_000_000_001)
    assert ready.start(again, "one", message="again") == again.sid
    assert not ready.client.exists(QUEUE)


def test_many_at_once_never_exceed_what_an_app_may_have(
    ready: Store, numbered: Make, redis_url: str
) -> None:
    client = connect(redis_url, together=16)
    store = Store(client, SecretStr("a farm key for tests"))
    allowance = Allowance(recordings=30, streams=40)

    def start(number: int) -> bool:
        try:
            spec = numbered(number, streams=1 + number % 3)
            store.start(spec, str(number), allowance, "come")
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        taken = list(threads.map(start, range(SLOTS)))
    client.close()
    streams = sum(1 + number % 3 for number, came in enumerate(taken) if came)
    assert sum(taken) <= 30
    assert 38 <= streams <= 40  # as many as there were, or one or two less than the next one needs
    assert ready.taken() == sum(taken) == ready.client.llen(QUEUE)


def test_apps_have_quotas_of_their_own(ready: Store, numbered: Make) -> None:
    one = Allowance(recordings=1)
    ready.start(numbered(1), "one", one)
    assert not ready.room("app", one).within_quota
    assert ready.room("other", one).within_quota
    ready.start(numbered(2, app_id="other"), "two", one)
    assert ready.taken() == 2


def test_a_closed_tape_gives_back_what_it_counted_for(ready: Store, numbered: Make) -> None:
    allowance = Allowance(recordings=1, streams=17)
    ready.start(numbered(1, streams=17), "one", allowance)
    claim = ready.claim(numbered(1).sid, "a", 5)
    assert claim is not None
    ready.tape_closed(claim, numbered(1, streams=17))
    assert ready.room("app", allowance).within_quota
    ready.start(numbered(2, recorder_uid="1", streams=17), "two", allowance)


def test_quotas_survive_a_redis_that_lost_its_data(ready: Store, numbered: Make) -> None:
    allowance = Allowance(recordings=2, streams=8)
    ready.start(numbered(1, streams=7), "one", allowance)
    ready.client.flushall()
    ready.heartbeat("recorder-a", SLOTS, ttl_s=60)
    ready.restore(numbered(1, streams=7), State.RECORDING, 1)
    ready.restore(numbered(2, streams=7), State.DELIVERING, 1)  # needs no recorder any more
    with pytest.raises(QuotaExceeded):
        ready.start(numbered(3, streams=2), "three", allowance)
    ready.start(numbered(3, streams=1), "four", allowance)
    with pytest.raises(Conflict):
        ready.start(numbered(4, recorder_uid="1"), "five")


def test_what_a_recording_could_not_give_back_counts_for_nothing(
    ready: Store, numbered: Make
) -> None:
    ready.start(numbered(1), "one")
    ready.finish(numbered(1).sid, Event.FATAL, 5)  # without a tape that was closed
    assert ready.client.hlen(keys.app("app")) == ready.client.hlen(keys.CLAIMS) == 1
    assert ready.room("app", Allowance(recordings=1)).within_quota
    ready.start(numbered(2), "two", Allowance(recordings=1))
    ready.start(numbered(3), "three")
    assert ready.client.hlen(keys.app("app")) == ready.client.hlen(keys.CLAIMS) == 2


def test_a_recorder_that_falls_silent_has_no_slots(store: Store, numbered: Make) -> None:
    store.heartbeat("a", 2, ttl_s=60)
    store.heartbeat("b", 3, ttl_s=0.2)
    assert store.slots() == 5
    store.heartbeat("a", 1, ttl_s=60)
    assert store.slots() == 4
    time.sleep(0.3)
    assert store.slots() == 1
    store.heartbeat("a", 1, ttl_s=60)
    assert store.client.hkeys(keys.RECORDERS) == ["a"]
    store.retire("a")
    assert store.slots() == 0
    with pytest.raises(NoCapacity):
        store.start(numbered(1), "one")


def test_the_message_is_what_celery_sends(redis_url: str, store: Store) -> None:
    queues = engine.Queues(engine.make(redis_url))
    queues.record("0" * 32)
    sent = json.loads(store.client.rpop(QUEUE))
    ours = json.loads(queues.record_message("0" * 32))
    for message in (sent, ours):
        task = message["headers"].pop("id")
        assert message["headers"].pop("root_id") == task
        assert message["properties"].pop("correlation_id") == task
        assert message["properties"].pop("delivery_tag")
    assert ours == sent
    other = json.loads(queues.record_message("0" * 32))
    assert other["headers"]["id"] != task


_WORKER = """
import sys
from workers import engine
from workers.store.connect import connect
app = engine.make(sys.argv[1])
client = connect(sys.argv[1])
engine.consume(app, engine.RECORD, lambda sid: client.rpush("came", sid), threads=2)
"""


def test_a_worker_takes_the_message(ready: Store, numbered: Make, redis_url: str) -> None:
    queues = engine.Queues(engine.make(redis_url))
    sids = [numbered(number).sid for number in range(3)]
    for number, sid in enumerate(sids):
        ready.start(numbered(number), sid, message=queues.record_message(sid))
    worker = subprocess.Popen([sys.executable, "-c", _WORKER, redis_url])
    try:
        came = [ready.client.blpop(["came"], timeout=30) for _ in sids]
    finally:
        worker.terminate()
        worker.wait(timeout=30)
    assert sorted(answer[1] for answer in came if answer) == sids
    assert ready.client.llen(QUEUE) == 0
