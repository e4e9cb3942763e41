"""Orders on their way through a slot: real Redis, a real event loop, a channel nobody is in."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from media.cut.look import Look
from media.tape.model import EventType
from media.tape.reader import Tape
from media.tape.wanted import Wanted
from tests.workers.slot_stage import SID, Stage, running, until
from workers.apps import Apps
from workers.job.errors import StoreUnavailable
from workers.job.order import Order, standing
from workers.job.spec import RecordingSpec
from workers.job.state import State
from workers.spool.spool import Folder
from workers.store.store import Store

pytestmark = pytest.mark.server

LISTS = Wanted(not_video_uids=frozenset({"7"}))


class Ordered(Stage):
    """What its tape says can be read."""

    def orders(self) -> list[Order]:
        """What the tape says, in the order of the story."""
        events = Tape(self.folder.tape).events(0, 1 << 63)
        return [order for order in map(Order.told, events) if order is not None]


@pytest.fixture
def stage(
    store: Store, redis_url: str, make_spec: Callable[..., RecordingSpec], tmp_path: Path
) -> Iterator[Ordered]:
    spec = make_spec(accepted_ns=time.time_ns())
    made = Ordered(store, redis_url, Folder(tmp_path / SID), spec, Apps(()))
    yield made
    made.loop.close()


def test_orders_before_and_while_a_recorder_is_there_stand_at_their_time(stage: Ordered) -> None:
    times = [time.time_ns()]
    stage.store.orders.add(SID, Look(1), times[0])
    slot = stage.slot()
    thread = running(slot)
    until(lambda: slot._ordered)
    times.append(time.time_ns())
    stage.store.orders.add(SID, LISTS, times[1])
    slot.wake()
    until(lambda: slot._ordered == slot._newest_order)
    stage.store.ask_stop(SID, time.time_ns())
    slot.wake()
    thread.join(timeout=20)
    orders = stage.orders()
    assert [order.kind for order in orders] == [EventType.LOOK, EventType.WANTED]
    for order, at_ns in zip(orders, times, strict=True):
        assert abs(order.at_ns - at_ns) < 5_000_000


def test_orders_that_redis_does_not_give_are_asked_for_again(
    stage: Ordered, monkeypatch: pytest.MonkeyPatch
) -> None:
    since, faults = stage.store.orders.since, [StoreUnavailable("away")] * 3

    def shaky(sid: str, number: int) -> list[Order]:
        if faults:
            raise faults.pop()
        return since(sid, number)

    monkeypatch.setattr(stage.store.orders, "since", shaky)
    slot = stage.slot()
    thread = running(slot)
    at_ns = time.time_ns()
    stage.store.orders.add(SID, Look(2), at_ns)
    slot.wake()
    until(lambda: slot._ordered)
    slot.interrupt()
    thread.join(timeout=20)
    [order] = stage.orders()
    assert abs(order.at_ns - at_ns) < 5_000_000


def test_the_next_recorder_knows_what_held_without_redis(stage: Ordered) -> None:
    stage.store.orders.add(SID, Look(1), time.time_ns())
    stage.store.orders.add(SID, LISTS, time.time_ns())
    first = stage.slot()
    thread = running(first)
    until(lambda: first._ordered)
    first.interrupt()
    thread.join(timeout=20)
    for key in stage.store.orders.keys(SID):
        stage.store.client.delete(key)
    before = Tape(stage.folder.tape).manifests()
    numbers = [order.number for order in stage.orders()]
    assert len(numbers) == 2
    second = stage.slot()
    thread = running(second)
    until(lambda: second._ordered == first._ordered)
    second.interrupt()
    thread.join(timeout=20)
    parts = Tape(stage.folder.tape).manifests()[len(before) :]
    assert [order.number for order in stage.orders()] == numbers
    said_again = standing(event for part in parts for event in part.events)
    assert [order.number for order in said_again] == numbers


def test_an_order_that_only_its_stop_followed_is_on_the_tape(stage: Ordered) -> None:
    first = stage.slot(ttl_s=0.5)
    thread = running(first)
    until(lambda: stage.store.row(SID).state is State.RECORDING)  # type: ignore[union-attr]
    first._lost = True  # as if it had died: it says nothing more
    first.interrupt()
    thread.join(timeout=20)
    at_ns = time.time_ns()
    stage.store.orders.add(SID, Look(1), at_ns)
    stage.store.ask_stop(SID, time.time_ns())
    until(lambda: not stage.store.leased(SID))
    stage.slot().run(lambda: True)
    assert stage.folder.closed() is not None
    [order] = stage.orders()
    assert abs(order.at_ns - at_ns) < 5_000_000
