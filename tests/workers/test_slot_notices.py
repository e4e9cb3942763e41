"""What a recording tells while it is taped and when it ends: real Redis, real tape, no media."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from media.tape.model import NS, Kind
from tests.workers.slot_stage import SID, Stage, running, until
from workers.apps import Apps
from workers.job.ending import ending
from workers.job.errors import StoreUnavailable
from workers.job.spec import Limits, RecordingSpec
from workers.job.state import State
from workers.metrics.metrics import Metrics
from workers.recorder.notices import StreamState, Trouble
from workers.recorder.telling import Telling
from workers.settings import App
from workers.spool.spool import Folder
from workers.store.store import Store

pytestmark = pytest.mark.server

APPS = Apps(
    (
        App(
            app_id="app",
            customer_key="k",
            customer_secret=SecretStr("s"),
            callback_url="http://127.0.0.1:9/hook",
        ),
    )
)


class Told(Stage):
    """What was told of it can be read."""

    def told(self) -> list[tuple[int, dict[str, Any]]]:
        rows = [json.loads(text) for text in self.outbox.told(SID)]
        return [(row["eventType"], row["payload"]["details"]) for row in rows]

    def events(self) -> list[int]:
        return [event for event, _ in self.told()]


MakeStage = Callable[..., Told]


@pytest.fixture
def stage(
    store: Store, redis_url: str, make_spec: Callable[..., RecordingSpec], tmp_path: Path
) -> Iterator[MakeStage]:
    made: list[Told] = []

    def build(**changes: object) -> Told:
        spec = make_spec(accepted_ns=time.time_ns(), **changes)
        made.append(Told(store, redis_url, Folder(tmp_path / SID), spec, APPS))
        return made[0]

    yield build
    for one in made:
        one.loop.close()


def test_a_recording_whose_token_expires_ends_then_and_says_so(stage: MakeStage) -> None:
    until_ns = time.time_ns() + 2 * NS
    scene = stage(limits=Limits(max_idle_s=300, until_ns=until_ns))
    thread = running(scene.slot())
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert time.time_ns() >= until_ns
    row, closed = scene.store.row(SID), scene.folder.closed()
    assert row is not None
    assert closed is not None
    assert (row.state, row.reason, closed.reason) == (
        State.DELIVERING,
        "token expired",
        "token expired",
    )
    assert scene.events() == [40, 30, 1, 41]
    _, error = scene.told()[2]
    expected = {"module": 0, "errorLevel": 5, "errorCode": 109, "stat": 0}
    assert error.items() >= expected.items()
    assert ending(closed.reason).exit_status == 1


def test_a_recorder_that_takes_over_after_the_token_expired_closes_the_tape(
    stage: MakeStage,
) -> None:
    scene = stage(limits=Limits(until_ns=time.time_ns() - NS))
    scene.slot().run(lambda: True)
    assert scene.events() == [40, 30, 1, 41]
    closed = scene.folder.closed()
    assert closed is not None
    assert closed.reason == "token expired"


def test_a_channel_that_refuses_is_no_wrong_token(stage: MakeStage) -> None:
    scene = stage(channel_url="nobody+speaks://this")
    scene.slot().run(lambda: True)
    assert scene.events() == [40, 30, 1, 41]
    _, error = scene.told()[2]
    _, left = scene.told()[3]
    assert (error["errorCode"], error["errorLevel"], left["leaveCode"]) == (17, 5, 1)
    assert "scheme" in error["errorMsg"]


@pytest.mark.parametrize(
    ("reason", "code", "status", "bits"),
    [
        ("stopped", 0, 0, 24),
        ("idle", 0, 0, 4),
        ("token expired", 109, 1, 24),
        ("token refused: the room refused its PIN or token", 110, 1, 1),
        ("removed: the recorder was kicked out of the room", 123, 1, 1),
        ("refused: somebody else is in the room", 17, 1, 1),
    ],
)
def test_every_end_has_its_numbers(reason: str, code: int, status: int, bits: int) -> None:
    end = ending(reason)
    assert (end.error_code, end.exit_status, end.leave_code) == (code, status, bits)


def test_a_second_recorder_says_that_it_took_over(stage: MakeStage) -> None:
    scene = stage(limits=Limits(max_idle_s=300))
    for number in (1, 2):
        slot = scene.slot()
        thread = running(slot)
        until(lambda slot=slot: slot._is_joined)
        slot.interrupt()
        thread.join(timeout=20)
        assert scene.events() == [40, 30, 12][: number + 1]
    assert scene.told()[2][1]["newUid"] == 900001


def test_what_redis_could_not_be_told_is_told_later_in_order(
    stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = stage(limits=Limits(max_idle_s=300))
    slot, away = scene.slot(), threading.Event()
    thread = running(slot)
    until(lambda: slot._is_joined)
    add = scene.outbox.add

    def shaky(*args: Any, **options: Any) -> None:
        if away.is_set():
            raise StoreUnavailable("away")
        add(*args, **options)

    monkeypatch.setattr(scene.outbox, "add", shaky)
    away.set()
    for number in range(6):
        arrives = number % 2 == 0
        slot._notices.put(StreamState("7", Kind.AUDIO, arrives, time.time_ns()))
    slot._notices.put(Trouble("8", "no route"))
    until(lambda: len(slot._telling._waiting) == 7)
    assert scene.events() == [40, 30]
    away.clear()
    until(lambda: not slot._telling.waits)
    scene.store.ask_stop(SID, time.time_ns())
    slot.wake()
    thread.join(timeout=20)
    assert scene.events() == [40, 30, *[43] * 6, 1, 41]
    streams = [details for event, details in scene.told() if event == 43]
    assert [one["state"] for one in streams] == [0, 1] * 3
    assert all(one["UtcMs"] == one["utcMs"] for one in streams)


def test_numbers_go_on_after_redis_lost_everything(stage: MakeStage) -> None:
    scene = stage(limits=Limits(max_idle_s=300))
    slot = scene.slot()
    thread = running(slot)
    until(lambda: slot._is_joined)
    scene.store.client.flushall()
    until(lambda: scene.store.row(SID) is not None)
    slot._notices.put(StreamState("7", Kind.VIDEO, True, time.time_ns()))
    until(lambda: scene.events())
    [due] = scene.outbox.take(9, {}).due
    assert due.sequence >= 2
    scene.store.ask_stop(SID, time.time_ns())
    slot.wake()
    thread.join(timeout=20)
    assert scene.events() == [44, 41]


def test_what_waits_for_redis_is_bounded(stage: MakeStage) -> None:
    scene = stage()
    telling = Telling(scene.outbox, Metrics(), scene.spec, 1)
    for number in range(1000):
        telling.stream(StreamState(str(number), Kind.AUDIO, True, time.time_ns()))
    scene.store.claim(SID, "recorder", 5.0)
    telling.send()
    uids = [details["streamUid"] for _, details in scene.told()]
    assert uids == [str(number) for number in range(1000 - len(uids), 1000)]
    assert len(uids) < 300


def test_a_storm_of_changes_is_told_whole_however_slow_redis_is(
    stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, storm = stage(limits=Limits(max_idle_s=300)), 600
    slot, add, calls = scene.slot(), scene.outbox.add, []

    def slow(*args: Any, **options: Any) -> None:
        calls.append(args)
        time.sleep(0.05)
        add(*args, **options)

    monkeypatch.setattr(scene.outbox, "add", slow)
    thread = running(slot)
    until(lambda: slot._is_joined)
    for number in range(storm):
        slot._notices.put(StreamState("7", Kind.AUDIO, number % 2 == 0, number * 1_000_000))
    scene.store.ask_stop(SID, time.time_ns())
    slot.wake()
    thread.join(timeout=20)
    assert not thread.is_alive(), "the stop waits for what is told"
    assert scene.events() == [40, 30, *[43] * storm, 41]
    assert [details["UtcMs"] for event, details in scene.told() if event == 43] == [*range(storm)]
    assert len(calls) < storm / 10


def test_a_stop_in_time_is_no_expiry(stage: MakeStage) -> None:
    """The token expires while packets under way are waited for."""
    until_ns = time.time_ns() + 2 * NS
    scene = stage(limits=Limits(max_idle_s=300, until_ns=until_ns))
    slot = scene.slot()
    thread = running(slot)
    until(lambda: slot._is_joined)
    time.sleep(max(0.0, (until_ns - time.time_ns()) / NS - 0.15))
    scene.store.ask_stop(SID, until_ns - NS // 10)
    slot.wake()
    thread.join(timeout=20)
    closed = scene.folder.closed()
    assert closed is not None
    assert closed.reason == "stopped"
    assert scene.events() == [40, 30, 41]
