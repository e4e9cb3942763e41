"""The store against a real Redis: who owns a recording, and who may not touch it."""

import threading
import time
from collections.abc import Callable

import pytest

from workers.job.errors import AlreadyStopping, Conflict, NoCapacity, NotFound
from workers.job.spec import RecordingSpec
from workers.job.state import Event, State
from workers.job.status import FileEntry
from workers.store import keys
from workers.store.store import Forgotten, LeaseLost, Renewal, Store

pytestmark = pytest.mark.server

Make = Callable[..., RecordingSpec]
TTL_S = 5.0


@pytest.fixture
def running(store: Store, make_spec: Make) -> Store:
    store.heartbeat("recorder-a", 2, ttl_s=60)
    assert store.start(make_spec(), "nonce") is None
    return store


def test_a_ticket_starts_one_recording_and_names_it_ever_after(
    running: Store, make_spec: Make
) -> None:
    assert running.start(make_spec("1" * 32), "nonce") == "0" * 32


def test_the_same_recorder_uid_cannot_record_a_channel_twice(
    running: Store, make_spec: Make
) -> None:
    with pytest.raises(Conflict):
        running.start(make_spec("1" * 32), "another")
    assert running.row("1" * 32) is None


def test_a_full_farm_takes_nothing_in(running: Store, make_spec: Make) -> None:
    running.start(make_spec("1" * 32, recorder_uid="2"), "second")
    with pytest.raises(NoCapacity):
        running.start(make_spec("2" * 32, recorder_uid="3"), "third")
    assert running.active() == ["0" * 32, "1" * 32]


def test_customers_keys_do_not_stand_in_redis(running: Store) -> None:
    everything = b""
    for key in running.client.scan_iter():
        everything += running.client.execute_command("DUMP", key, NEVER_DECODE=True)
        if running.client.type(key) == "hash":
            everything += str(running.client.hgetall(key)).encode()
    assert b"SECRETEXAMPLE" not in everything
    assert b"AKIDEXAMPLE" not in everything
    assert b"channel token" not in everything
    assert running.spec("0" * 32).storage.secret_key.get_secret_value() == "SECRETEXAMPLE"


def test_only_one_recorder_claims_a_recording(running: Store) -> None:
    claims = [running.claim("0" * 32, f"recorder-{n}", TTL_S) for n in range(3)]
    assert [claim is not None for claim in claims] == [True, False, False]
    assert claims[0] is not None
    assert (claims[0].fence, claims[0].state) == (1, State.JOINING)


def test_a_late_worker_cannot_move_a_recording_it_lost(running: Store) -> None:
    first = running.claim("0" * 32, "a", 0.05)
    assert first is not None
    time.sleep(0.1)
    second = running.claim("0" * 32, "b", TTL_S)
    assert second is not None
    assert second.fence == 2
    with pytest.raises(LeaseLost):
        running.move(first, Event.JOINED)
    with pytest.raises(LeaseLost):
        running.write(first, units_sealed=3)
    with pytest.raises(LeaseLost):
        running.renew(first, TTL_S)
    assert running.move(second, Event.JOINED) is State.RECORDING


def test_an_owner_whose_lease_lapsed_unnoticed_keeps_the_recording(running: Store) -> None:
    claim = running.claim("0" * 32, "a", 0.05)
    assert claim is not None
    time.sleep(0.1)
    assert running.renew(claim, TTL_S) == Renewal(State.JOINING, 0, 0)
    assert running.claim("0" * 32, "b", TTL_S) is None


def test_a_stop_is_seen_at_the_next_renewal_and_only_once(running: Store) -> None:
    claim = running.claim("0" * 32, "a", TTL_S)
    assert claim is not None
    running.ask_stop("0" * 32, 123)
    assert running.renew(claim, TTL_S) == Renewal(State.STOPPING, 123, 0)
    with pytest.raises(AlreadyStopping):
        running.ask_stop("0" * 32, 456)
    with pytest.raises(NotFound):
        running.ask_stop("f" * 32, 456)


def test_a_closed_tape_frees_slot_uid_and_lease(running: Store, make_spec: Make) -> None:
    claim = running.claim("0" * 32, "a", TTL_S)
    assert claim is not None
    running.ask_stop("0" * 32, 1)
    running.tape_closed(claim, make_spec(), end_ns=5, units_sealed=2, reason="stopped")
    row = running.row("0" * 32)
    assert row is not None
    assert (row.state, row.end_ns, row.units_sealed) == (State.DELIVERING, 5, 2)
    assert running.taken() == 0
    assert not running.leased("0" * 32)
    assert running.start(make_spec("1" * 32), "another") is None


def test_one_caller_ends_a_recording_and_wakes_who_waits(running: Store, make_spec: Make) -> None:
    claim = running.claim("0" * 32, "a", TTL_S)
    assert claim is not None
    running.tape_closed(claim, make_spec(), end_ns=5)
    heard: list[bool] = []
    waiting = [
        threading.Thread(target=lambda: heard.append(running.wait_finished("0" * 32, 10)))
        for _ in range(2)
    ]
    for thread in waiting:
        thread.start()
    assert running.finish("0" * 32, Event.DELIVERED, 9)
    assert not running.finish("0" * 32, Event.DELIVERED, 10)
    for thread in waiting:
        thread.join(timeout=10)
    assert heard == [True, True]
    assert running.active() == []


def test_files_come_back_as_they_were_saved(store: Store) -> None:
    file = FileEntry("a/b/x.m3u8", "audio", "101", False, True, 17)
    store.save_file("0" * 32, file)
    assert store.files("0" * 32) == [file]


def test_redis_is_told_again_of_what_it_forgot(running: Store, make_spec: Make) -> None:
    claim = running.claim("0" * 32, "a", TTL_S)
    assert claim is not None
    running.client.flushall()
    for act in (
        lambda: running.renew(claim, TTL_S),
        lambda: running.write(claim, units_sealed=1),
        lambda: running.tape_closed(claim, make_spec(), end_ns=5),
    ):
        with pytest.raises(Forgotten):
            act()
    assert running.restore(make_spec(), State.RECORDING, 1, origin_ns=7, units_sealed=2)
    assert not running.restore(make_spec(), State.QUEUED, 9)
    assert running.renew(claim, TTL_S) == Renewal(State.RECORDING, 0, 0)
    row = running.row("0" * 32)
    assert row is not None
    assert (row.fence, row.origin_ns, row.units_sealed) == (1, 7, 2)
    assert running.active() == ["0" * 32]
    assert running.taken() == 1
    assert running.spec("0" * 32) == make_spec()


def test_a_lock_is_held_by_one_at_a_time(store: Store) -> None:
    with (
        store.locked("x", ttl_s=5, wait_s=0) as first,
        store.locked("x", ttl_s=5, wait_s=0) as second,
    ):
        assert (first, second) == (True, False)
    with store.locked("x", ttl_s=5, wait_s=0) as third:
        assert third


def test_a_lock_lasts_as_long_as_the_work(store: Store) -> None:
    with store.locked("x", ttl_s=0.3, wait_s=0):
        time.sleep(0.7)
        with store.locked("x", ttl_s=0.3, wait_s=0) as second:
            assert not second


def test_a_claim_whose_recording_needs_no_slot_any_more_does_not_count(
    running: Store, make_spec: Make
) -> None:
    running.client.srem(keys.ON_AIR, "0" * 32)
    assert running.start(make_spec("1" * 32), "another") is None


def test_a_closed_tape_frees_no_uid_that_another_recording_has(
    running: Store, make_spec: Make
) -> None:
    claim = running.claim("0" * 32, "a", TTL_S)
    assert claim is not None
    running.tape_closed(claim, make_spec())
    running.start(make_spec("1" * 32), "another")
    running.tape_closed(claim, make_spec())  # once more: its answer was lost
    with pytest.raises(Conflict):
        running.start(make_spec("2" * 32), "third")


def test_a_start_that_was_sent_twice_because_its_answer_was_lost_is_taken(
    running: Store, make_spec: Make
) -> None:
    assert running.start(make_spec(), "nonce") is None  # the same call, accepted_ns and all
    later = make_spec(accepted_ns=make_spec().accepted_ns + 1)
    assert running.start(later, "nonce") == "0" * 32  # the customer's own repetition
    assert running.on_air() == ["0" * 32]


def test_a_stop_that_was_sent_twice_because_its_answer_was_lost_is_taken(running: Store) -> None:
    running.ask_stop("0" * 32, 7)
    running.ask_stop("0" * 32, 7)
    with pytest.raises(AlreadyStopping):
        running.ask_stop("0" * 32, 8)


def test_a_recording_is_an_orphan_between_two_recorders(running: Store) -> None:
    def look() -> tuple[State, bool, bool]:
        seen = running.seen("0" * 32)
        assert seen is not None
        status = seen.status()
        return status.state, status.joined, status.orphan

    assert look() == (State.QUEUED, False, False)  # nobody has claimed it yet
    claim = running.claim("0" * 32, "a", TTL_S)
    assert claim is not None
    assert look() == (State.JOINING, False, False)
    running.move(claim, Event.JOINED)
    assert look() == (State.RECORDING, True, False)
    running.client.delete(keys.lease("0" * 32))  # as if it had lapsed
    assert look() == (State.RECORDING, True, True)
    claim = running.claim("0" * 32, "b", TTL_S)
    assert claim is not None
    assert look() == (State.JOINING, True, False)
    running.tape_closed(claim, running.spec("0" * 32))
    assert look() == (State.DELIVERING, True, False)  # nobody need have it any more


def test_a_recording_is_looked_at_in_one_round_trip(running: Store) -> None:
    class Counting:
        trips = 0

    send = running.client.connection_pool.get_connection

    def counted(*args: object, **more: object) -> object:
        Counting.trips += 1
        return send(*args, **more)

    running.client.connection_pool.get_connection = counted  # type: ignore[method-assign]
    file = FileEntry("a.m3u8", "audio", "0", True, True, 1)
    running.save_file("0" * 32, file)
    Counting.trips = 0
    seen = running.seen("0" * 32)
    assert seen is not None
    assert (Counting.trips, seen.files) == (1, (file,))
    assert running.seen("1" * 32) is None
