"""Notices of one recording come in order, each at least once, and with what they tell of."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.app import main
from tests.receiver import Receiver, listening
from tests.workers.delivering import an_app, delivering
from workers.apps import Apps
from workers.callbacks import deliver
from workers.callbacks import outbox as outbox_module
from workers.callbacks.notice import EventType
from workers.callbacks.outbox import Outbox
from workers.job.errors import NotFound
from workers.job.spec import RecordingSpec
from workers.job.state import Event, State
from workers.metrics.metrics import Metrics
from workers.settings import App
from workers.store import keys
from workers.store.letter import Notices
from workers.store.store import LeaseLost, Store

pytestmark = pytest.mark.server

Make = Callable[..., RecordingSpec]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as server:
        yield server


@pytest.fixture
def app(receiver: Receiver) -> App:
    return an_app("app", receiver.url)


@pytest.fixture
def specs(store: Store, make_spec: Make) -> list[RecordingSpec]:
    """Three recordings that Redis knows."""
    store.heartbeat("recorder", 9, ttl_s=600)
    made = [make_spec(str(n) * 32, recorder_uid=f"90{n}") for n in range(3)]
    for spec in made:
        assert store.start(spec, spec.sid) is None
    return made


def some(outbox: Outbox, spec: RecordingSpec, count: int = 1) -> Notices:
    """Notices that are told apart by their code."""
    return [
        notice
        for n in range(count)
        for notice in outbox.make(spec, EventType.RECORDER_LEAVE, {"leaveCode": n})
    ]


def codes(notices: list[dict[str, object]], sid: str) -> list[int]:
    return [
        row["payload"]["details"]["leaveCode"]  # type: ignore[index]
        for row in notices
        if row["sid"] == sid
    ]


def test_the_next_one_waits_for_the_one_before_and_other_recordings_do_not(
    store: Store,
    app: App,
    receiver: Receiver,
    specs: list[RecordingSpec],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliver, "_PAUSES_S", (0.0, 0.5, 0.5))
    receiver.statuses[:] = [500, 500, 500]
    with delivering(store, app) as outbox:
        outbox.add(some(outbox, specs[0], 3))
        receiver.wait_for(2)
        outbox.add(some(outbox, specs[1], 2))
        told = receiver.wait_for(8)
    first = [row for row in told if row["sid"] == specs[0].sid]
    tries = [row["payload"]["sequence"] for row in first]
    assert tries[0] == 0
    assert tries == sorted(tries)
    assert sorted(set(tries)) == [0, 1, 2]
    assert len({row["noticeId"] for row in first}) == 3
    assert len(told) == 8  # three refused, five taken
    again = [row["notifyMs"] for row in first if row["payload"]["sequence"] == 0]
    assert again == sorted(again)


def test_it_is_given_up_after_three_resends_and_the_next_one_follows(
    store: Store,
    app: App,
    receiver: Receiver,
    specs: list[RecordingSpec],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliver, "_PAUSES_S", (0.0, 0.1, 0.2))
    receiver.statuses[:] = [500, 404, 302, 201]
    metrics = Metrics()
    with delivering(store, app, metrics=metrics) as outbox:
        outbox.add(some(outbox, specs[0], 2))
        told = receiver.wait_for(5)
    assert codes(told, specs[0].sid) == [0, 0, 0, 0, 1]
    count = metrics.registry.get_sample_value
    assert count("tapefarm_callbacks_total", {"result": "given_up"}) == 1
    assert count("tapefarm_callbacks_total", {"result": "failed"}) == 4
    assert count("tapefarm_callbacks_total", {"result": "delivered"}) == 1


def test_a_change_and_its_notice_happen_together_or_not_at_all(
    store: Store, app: App, specs: list[RecordingSpec]
) -> None:
    outbox = Outbox(store.client, Apps((app,)))
    lost = store.claim(specs[0].sid, "a", 0.05)
    assert lost is not None
    time.sleep(0.1)
    claim = store.claim(specs[0].sid, "b", 5)
    assert claim is not None
    with pytest.raises(LeaseLost):
        store.tape_closed(lost, specs[0], notices=some(outbox, specs[0]))
    assert outbox.told(specs[0].sid) == []
    for _ in range(2):  # once more: its answer was lost
        store.tape_closed(claim, specs[0], notices=some(outbox, specs[0]))
    assert len(outbox.told(specs[0].sid)) == 1
    for _ in range(2):
        store.finish(specs[0].sid, Event.DELIVERED, 9, notices=some(outbox, specs[0]))
    assert len(outbox.told(specs[0].sid)) == 2
    for key in (keys.notices, keys.unsent, keys.sequence):
        assert 0 < store.client.ttl(key(specs[0].sid)) <= keys.KEPT_S


def test_whoever_dies_between_two_commands_leaves_no_change_without_its_notice(
    store: Store, redis_url: str, app: App, make_spec: Make
) -> None:
    count = 1500
    store.heartbeat("recorder", count, ttl_s=600)
    specs = [make_spec(f"{n:032x}", recorder_uid=str(n + 1)) for n in range(count)]
    outbox = Outbox(store.client, Apps((app,)))
    for spec in specs:
        store.start(spec, spec.sid)
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.workers.closing", redis_url, str(count), app.callback_url]
    )
    try:
        deadline_s = time.monotonic() + 60
        while store.client.scard(keys.ON_AIR) > count - 50:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    closed = 0
    for spec in specs:
        row = store.row(spec.sid)
        assert row is not None
        assert len(outbox.told(spec.sid)) == (row.state is State.DELIVERING), spec.sid
        closed += row.state is State.DELIVERING
    assert 0 < closed < count


def test_a_call_that_is_repeated_tells_it_once(
    store: Store, app: App, specs: list[RecordingSpec]
) -> None:
    outbox = Outbox(store.client, Apps((app,)))
    notices = some(outbox, specs[0])
    for _ in range(3):
        outbox.add(notices)  # its answer was lost
    named = outbox.make(specs[0], EventType.RECORDER_LEAVE, {"leaveCode": 7}, once="left")
    other = outbox.make(specs[0], EventType.RECORDER_LEAVE, {"leaveCode": 8}, once="left")
    for one in (named, notices, other):
        outbox.add(one)
    told = [json.loads(text)["payload"]["details"] for text in outbox.told(specs[0].sid)]
    assert [row["leaveCode"] for row in told][:2] == [0, 7]
    assert [row["leaveCode"] for row in told].count(8) == 0
    assert store.client.get(keys.sequence(specs[0].sid)) == str(len(told))


def test_numbers_go_on_when_redis_lost_everything_and_was_told_again(
    store: Store, app: App, specs: list[RecordingSpec]
) -> None:
    outbox = Outbox(store.client, Apps((app,)))
    outbox.add(some(outbox, specs[0], 5))
    claim = store.claim(specs[0].sid, "a", 5)
    assert claim is not None
    told = store.renew(claim, 5).told
    assert told == 5
    store.client.flushall()
    with pytest.raises(NotFound):
        outbox.add(some(outbox, specs[0]))
    assert store.restore(specs[0], State.RECORDING, 1, told=told)
    outbox.add(some(outbox, specs[0]))
    outbox.add(outbox.make(specs[0], EventType.RECORDER_STARTED, {"status": 0}, once="started"))
    taken = outbox.take(9, {}).due
    assert [due.sequence for due in taken] == [5]
    assert len(outbox.told(specs[0].sid)) == 1, "that it began was told before"


def test_a_replay_sends_all_of_it_in_order_with_the_same_ids(
    store: Store,
    redis_url: str,
    app: App,
    receiver: Receiver,
    specs: list[RecordingSpec],
    tmp_path: Path,
) -> None:
    (tmp_path / "farm.json").write_text(json.dumps({"redis": redis_url}))
    replay = ["callbacks", "replay", specs[0].sid, "--data", str(tmp_path)]
    with delivering(store, app) as outbox:
        outbox.add(some(outbox, specs[0], 3))
        outbox.add(outbox.make(specs[0], EventType.SESSION_EXIT, {"exitStatus": 0}))
        before = receiver.wait_for(4)
        assert "4 events" in CliRunner().invoke(main, replay).output
        told = receiver.wait_for(8)
        config = tmp_path / "farm.toml"
        config.write_text(f'redis_url = "{redis_url}"\nfarm_key = "a farm key for tests"\n')
        by_settings = [*replay[:3], "--config", str(config), "--event", "11"]
        assert "1 event" in CliRunner().invoke(main, by_settings).output
        last = receiver.wait_for(9)[-1]
    same = [(row["noticeId"], row["payload"]) for row in before]
    assert [(row["noticeId"], row["payload"]) for row in told[4:]] == same
    assert last["noticeId"] == before[3]["noticeId"]
    unknown = CliRunner().invoke(main, ["callbacks", "replay", "f" * 32, "--data", str(tmp_path)])
    assert unknown.exit_code == 1
    assert "does not know" in unknown.output
    nowhere = CliRunner().invoke(main, [*replay[:3], "--data", str(tmp_path / "nothing")])
    assert nowhere.exit_code == 1
    assert "no farm runs" in nowhere.output


def test_what_a_killed_deliverer_had_in_hand_is_delivered_by_the_next(
    store: Store, redis_url: str, app: App, receiver: Receiver, specs: list[RecordingSpec]
) -> None:
    outbox = Outbox(store.client, Apps((app,)))
    receiver.manner = "silent"
    outbox.add(some(outbox, specs[0], 3))
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.workers.one_deliverer", redis_url, app.callback_url]
    )
    try:
        receiver.wait_for(1)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    receiver.manner = ""
    with delivering(store, app):
        told = receiver.wait_for(4)
    assert codes(told, specs[0].sid) == [0, 0, 1, 2]


def test_a_deliverer_that_is_stopped_leaves_what_it_had_for_the_next(
    store: Store, app: App, receiver: Receiver, specs: list[RecordingSpec]
) -> None:
    receiver.manner = "silent"
    with delivering(store, app) as outbox:
        outbox.add(some(outbox, specs[0]))
        receiver.wait_for(1)
    [due] = outbox.take(9, {}).due
    assert (due.sid, due.attempts) == (specs[0].sid, 0)


def test_a_backlog_is_bounded_and_its_oldest_goes(
    store: Store,
    app: App,
    receiver: Receiver,
    specs: list[RecordingSpec],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "BACKLOG_MOST", 10)
    outbox, metrics = Outbox(store.client, Apps((app,))), Metrics()
    for spec in specs[:2]:
        outbox.add(some(outbox, spec, 8))
        time.sleep(0.005)  # of the same millisecond nobody knows which came first
    with delivering(store, app, metrics=metrics):
        told = receiver.wait_for(10)
    assert codes(told, specs[0].sid) == [6, 7]
    assert codes(told, specs[1].sid) == list(range(8))
    count = metrics.registry.get_sample_value
    assert count("tapefarm_callbacks_total", {"result": "dropped"}) == 6
    assert store.client.zcard(keys.backlog("app")) == 0


def test_what_waited_for_too_long_is_dropped(
    store: Store, app: App, specs: list[RecordingSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(store.client, Apps((app,)))
    outbox.add(some(outbox, specs[0], 2))
    time.sleep(0.05)
    outbox.add(some(outbox, specs[0], 1))
    monkeypatch.setattr(outbox_module, "_OLDEST_MS", 25)
    taken = outbox.take(9, {})
    assert (taken.dropped, [due.sequence for due in taken.due]) == (2, [2])


def test_of_one_recording_no_more_is_kept_than_may_be(
    store: Store, app: App, specs: list[RecordingSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "NOTICES_KEPT", 4)
    outbox = Outbox(store.client, Apps((app,)))
    outbox.add(some(outbox, specs[0], 9))
    told = [json.loads(text)["payload"]["details"]["leaveCode"] for text in outbox.told("0" * 32)]
    assert told == [5, 6, 7, 8]
    assert [due.sequence for due in outbox.take(9, {}).due] == [5]
    assert outbox.replay(specs[0].sid) == 4


def test_an_app_that_this_process_hears_of_later_loses_nothing(
    store: Store, app: App, receiver: Receiver, specs: list[RecordingSpec]
) -> None:
    outbox = Outbox(store.client, Apps((app,)))
    outbox.add(some(outbox, specs[0], 3))
    with delivering(store):
        time.sleep(0.5)
    with delivering(store, app):
        assert codes(receiver.wait_for(3), specs[0].sid) == [0, 1, 2]


def test_an_app_that_is_no_more_leaves_nothing_behind(
    store: Store, app: App, specs: list[RecordingSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_NOBODY_S", 0.5)
    outbox = Outbox(store.client, Apps((app,)))
    outbox.add(some(outbox, specs[0], 3))
    with delivering(store):
        deadline_s = time.monotonic() + 20
        while store.client.smembers(keys.RECEIVERS):
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
    assert not store.client.exists(keys.unsent("0" * 32), keys.due("app"), keys.backlog("app"))
