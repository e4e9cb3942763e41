"""Orders in a real Redis, and what a recorder makes of them on its tape."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from media.cut.look import Look, Place, UserImage
from media.rtc import steady
from media.rtc.drain import Drain
from media.rtc.network import ON_THIS_HOST
from media.tape.model import NS, EventType, TapeEvent
from media.tape.reader import Tape
from media.tape.wanted import Wanted
from workers.job.errors import NotFound
from workers.job.order import Order, standing
from workers.job.spec import RecordingSpec
from workers.job.state import Event
from workers.metrics.metrics import Metrics
from workers.recorder import last_orders
from workers.recorder.session import Session
from workers.settings import Settings
from workers.spool.spool import Folder
from workers.store import keys
from workers.store.store import Claim, Store

Make = Callable[..., RecordingSpec]
SID, TTL_S = "0" * 32, 5.0
AT_NS = 1_760_000_000 * NS
CUSTOM = Look(
    3,
    background_image="https://img.example.com/a.jpg",
    user_images=(UserImage("7", "https://img.example.com/7.jpg", whole=True),),
    places=(Place("7", 0, 0, 0.5, 1, 0.25, whole=True), Place("", 0.5, 0, 0.5, 1)),
)
LISTS = Wanted(frozenset({"1", "2"}), None, frozenset(), frozenset({"3"}))


@pytest.fixture
def running(store: Store, make_spec: Make) -> Store:
    store.heartbeat("recorder-a", 2, ttl_s=60)
    assert store.start(make_spec(), "nonce") is None
    return store


def claimed(store: Store) -> Claim:
    claim = store.claim(SID, "recorder-a", TTL_S)
    assert claim is not None
    return claim


def changes(orders: list[Order]) -> list[Look | Wanted]:
    return [
        (Look if order.kind is EventType.LOOK else Wanted).from_json(order.change)
        for order in orders
    ]


@pytest.mark.server
def test_orders_come_out_as_they_went_in_numbered_and_in_order(running: Store) -> None:
    for change in (CUSTOM, LISTS, Look(1)):
        running.orders.add(SID, change, AT_NS)
    orders = running.orders.since(SID, 0)
    assert changes(orders) == [CUSTOM, LISTS, Look(1)]
    assert [order.at_ns for order in orders] == [AT_NS] * 3
    numbers = [order.number for order in orders]
    assert numbers == [AT_NS // 1000, AT_NS // 1000 + 1, AT_NS // 1000 + 2]
    assert changes(running.orders.since(SID, numbers[0])) == [LISTS, Look(1)]
    assert running.orders.since(SID, numbers[-1]) == []


@pytest.mark.server
def test_an_owner_hears_of_orders_when_it_renews(running: Store) -> None:
    claim = claimed(running)
    assert running.renew(claim, TTL_S).order == 0
    running.orders.add(SID, CUSTOM, AT_NS)
    assert running.renew(claim, TTL_S).order == running.orders.since(SID, 0)[0].number


@pytest.mark.server
def test_a_recorder_is_told_at_once(running: Store) -> None:
    pubsub = running.stops()
    pubsub.get_message(timeout=1.0)  # it is subscribed
    running.orders.add(SID, CUSTOM, AT_NS)
    message = pubsub.get_message(timeout=5.0)
    assert message is not None
    assert message["data"] == SID
    pubsub.close()


@pytest.mark.server
def test_numbers_grow_when_a_clock_is_behind_and_when_redis_forgot(
    running: Store, make_spec: Make
) -> None:
    running.orders.add(SID, Look(1), AT_NS)
    running.orders.add(SID, Look(2), AT_NS - 60 * NS)
    first, second = running.orders.since(SID, 0)
    assert second.number == first.number + 1
    running.client.flushall()
    running.heartbeat("recorder-a", 2, ttl_s=60)
    running.start(make_spec(), "again")
    running.orders.add(SID, Look(0), AT_NS + NS)
    assert running.orders.since(SID, second.number) != []


@pytest.mark.server
def test_the_list_is_bounded_and_the_newest_of_each_kind_stays(running: Store) -> None:
    running.orders.add(SID, LISTS, AT_NS)
    for number in range(keys.ORDERS_KEPT + 20):
        running.orders.add(SID, Look(background_color=f"#{number:06x}"), AT_NS + number)
    orders = running.orders.since(SID, 0)
    assert len(orders) == keys.ORDERS_KEPT + 1
    assert changes(orders)[0] == LISTS
    assert changes(orders)[-1] == Look(background_color=f"#{keys.ORDERS_KEPT + 19:06x}")
    assert all(running.client.ttl(key) > 0 for key in running.orders.keys(SID))


@pytest.mark.server
def test_what_does_not_run_takes_no_orders(running: Store, make_spec: Make) -> None:
    with pytest.raises(NotFound):
        running.orders.add("1" * 32, CUSTOM, AT_NS)
    claim = claimed(running)
    running.move(claim, Event.JOINED)
    running.orders.add(SID, CUSTOM, AT_NS)
    running.ask_stop(SID, AT_NS + NS)
    with pytest.raises(NotFound):
        running.orders.add(SID, CUSTOM, AT_NS + 2 * NS)
    assert len(running.orders.since(SID, 0)) == 1
    running.tape_closed(claim, make_spec())
    assert running.orders.since(SID, 0) == []
    with pytest.raises(NotFound):
        running.orders.add(SID, CUSTOM, AT_NS + 3 * NS)


def order(number: int, change: Look | Wanted, at_ns: int) -> Order:
    return Order.read(number, Order.write(change, at_ns))


@pytest.mark.parametrize("change", [CUSTOM, LISTS, Look(), Wanted()])
def test_an_order_on_the_tape_says_what_it_is_and_its_number(change: Look | Wanted) -> None:
    one = order(7, change, AT_NS)
    event = TapeEvent.from_json(json.loads(json.dumps(one.event(AT_NS + 5).to_json())))
    assert type(change).told(event.detail) == change
    told = Order.told(event)
    assert told is not None
    assert (told.number, told.at_ns, told.kind) == (7, AT_NS + 5, one.kind)
    assert told.event(AT_NS + 5) == event


@pytest.mark.parametrize("detail", ["", "{", "7", "[]", '{"order": "x"}', "[" * 100_000])
def test_an_event_that_makes_no_sense_is_no_order(detail: str) -> None:
    found = Order.told(TapeEvent(EventType.LOOK, AT_NS, detail=detail))
    assert found is None or found.number == 0
    assert Order.told(TapeEvent(EventType.JOINED, AT_NS, uid="1")) is None


def test_what_stands_is_the_last_of_each_kind() -> None:
    events = [order(n, Look(n % 3), AT_NS + n).event(AT_NS + n) for n in range(1, 6)]
    events.insert(2, order(9, LISTS, AT_NS).event(AT_NS))
    assert [one.number for one in standing([*events, *events])] == [5, 9]
    assert standing([]) == []


def taped(tmp_path: Path, make_spec: Make, story: Callable[[Session], Any], **options: Any) -> Tape:
    """The tape of a session in a channel that nobody answers for, after what ``story`` did."""
    folder = Folder(tmp_path / "sid")
    folder.make("{}")

    async def run() -> None:
        drain = Drain()
        session = Session(
            make_spec(),
            Settings(farm_key="k" * 32),
            folder,
            fence=options.pop("fence", 1),
            first_number=options.pop("first_number", 0),
            drain=drain,
            network=ON_THIS_HOST,
            metrics=Metrics(),
            notify=lambda notice: None,
            **options,
        )
        story(session)
        session.stop_now()
        await session.run()
        drain.close()

    asyncio.run(run())
    return Tape(folder.tape)


def orders_on(tape: Tape) -> list[tuple[EventType, int]]:
    events = tape.events(0, 1 << 63)
    return [(e.type, e.at_ns) for e in events if e.type in (EventType.LOOK, EventType.WANTED)]


def test_an_order_stands_on_the_tape_at_the_time_it_was_accepted(
    tmp_path: Path, make_spec: Make
) -> None:
    now_ns = steady.now_ns()

    def story(session: Session) -> None:
        session.obey(order(1, CUSTOM, 0), now_ns - NS // 2)
        session.obey(order(2, LISTS, 0), now_ns)

    tape = taped(tmp_path, make_spec, story)
    assert orders_on(tape) == [(EventType.LOOK, now_ns - NS // 2), (EventType.WANTED, now_ns)]
    assert tape.manifests()[0].from_ns >= now_ns  # the tape does not begin before its recorder


@pytest.mark.parametrize(
    ("sealed_s", "asked_s", "effect_s"),
    [
        (0, 3, 3),  # nothing is sealed
        (6.5, 3, 3),  # a part is, and no slice
        (16.4, 14.9, 14.9),  # the late packets' time of a slice goes on
        (16.5, 14.9, 16.5),  # the slice may have been cut: not in it, nor where it looked ahead
        (16.5, 16, 16.5),
        (16.5, 17, 17),
        (31.5, 3, 31.5),  # Redis was away for half a minute
        (29, 20, 20),
    ],
)
def test_an_order_that_comes_late_takes_effect_in_what_nobody_has_cut(
    tmp_path: Path, make_spec: Make, sealed_s: float, asked_s: float, effect_s: float
) -> None:
    origin_ns = steady.now_ns() - 60 * NS

    def at(seconds: float) -> int:
        return origin_ns + int(seconds * NS)

    tape = taped(
        tmp_path,
        make_spec,
        lambda session: session.obey(order(1, CUSTOM, 0), at(asked_s)),
        origin_ns=origin_ns,
        sealed_ns=at(sealed_s),
    )
    assert orders_on(tape) == [(EventType.LOOK, at(effect_s))]


def test_orders_keep_their_order_whatever_their_clocks_say(tmp_path: Path, make_spec: Make) -> None:
    now_ns = steady.now_ns()

    def story(session: Session) -> None:
        session.obey(order(1, Look(1), 0), now_ns)
        session.obey(order(2, Look(2), 0), now_ns - 5 * NS)

    details = [e.detail for e in taped(tmp_path, make_spec, story).events(0, 1 << 63)]
    assert [Look.told(detail) for detail in details] == [Look(1), Look(2)]


def test_the_next_owner_says_again_what_holds_and_adds_what_is_new(
    tmp_path: Path, make_spec: Make
) -> None:
    now_ns = steady.now_ns()
    first = taped(tmp_path, make_spec, lambda s: s.obey(order(5, CUSTOM, 0), now_ns - 3 * NS))
    parts = first.manifests()
    [known] = standing(event for part in parts for event in part.events)
    assert known.number == 5

    def story(session: Session) -> None:
        session.obey(known, known.at_ns)
        session.obey(order(6, Look(1), 0), now_ns - NS)

    options = {"fence": 2, "first_number": 1, "sealed_ns": first.covered_until_ns()}
    both = taped(tmp_path, make_spec, story, **options)
    expected = [(EventType.LOOK, now_ns - 3 * NS), (EventType.LOOK, now_ns - NS)]
    assert orders_on(both) == expected
    for part in parts:  # one day they are delivered and deleted
        for path in both.directory.glob(f"{part.name}*"):
            path.unlink()
    assert orders_on(Tape(both.directory)) == expected


def test_orders_nobody_heard_before_the_stop_are_put_on_the_tape(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "sid")
    folder.make("{}")
    orders = [order(1, CUSTOM, AT_NS), order(2, LISTS, AT_NS + NS)]
    asyncio.run(last_orders.write(folder, 2, 9, orders))
    tape = Tape(folder.tape)
    assert orders_on(tape) == [(EventType.LOOK, AT_NS), (EventType.WANTED, AT_NS + NS)]
    assert [part.number for part in tape.manifests()] == [9]


def test_redis_never_holds_an_image_url_in_clear(store: Store, make_spec: Make) -> None:
    look = Look(background_image="https://images.example/me.jpg?secret=4711")
    store.heartbeat("recorder-a", 2, ttl_s=60)
    assert store.start(make_spec(look=look), "nonce") is None
    store.orders.add(SID, look, AT_NS)
    held = [str(store.client.hgetall(keys.recording(SID)))]
    held += store.client.lrange(keys.orders(SID, EventType.LOOK), 0, -1)
    assert len(held) == 2
    assert not any("4711" in text or "images.example" in text for text in held)
    assert store.spec(SID).look == look
    assert changes(store.orders.since(SID, 0)) == [look]
