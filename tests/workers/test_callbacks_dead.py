"""Receivers that are dead, slow or endless hurt nobody else."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.receiver import Receiver, listening
from tests.workers.delivering import an_app, delivering
from workers.callbacks.notice import EventType
from workers.callbacks.outbox import Outbox
from workers.callbacks.receivers import Receiver as Known
from workers.job.spec import RecordingSpec
from workers.store.store import Store

Make = Callable[..., RecordingSpec]
MANNERS = ("silent", "endless", "huge", "moved")
DEAD = 50
NOTICES = 24


@pytest.fixture
def bad_urls() -> Iterator[list[str]]:
    """One of each kind: they never answer, never end, send a gigabyte, or lead elsewhere.

    Or nobody is there, or has no such name.
    """
    with ExitStack() as stack, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        urls = [f"http://127.0.0.1:{nobody.getsockname()[1]}/", "http://nobody.invalid/hook"]
        for manner in MANNERS:
            server = stack.enter_context(listening())
            server.manner = manner
            urls.append(server.url)
        yield urls


def delays_s(outbox: Outbox, spec: RecordingSpec, receiver: Receiver) -> list[float]:
    """How long each of some notices was on its way."""
    found = []
    for number in range(NOTICES):
        before, began_s = len(receiver.got), time.monotonic()
        outbox.add(outbox.make(spec, EventType.RECORDER_LEAVE, {"leaveCode": number}))
        receiver.wait_for(before + 1)
        found.append(receiver.came_s[before] - began_s)
    return sorted(found)


@pytest.mark.server
def test_fifty_dead_receivers_do_not_delay_a_good_one(
    store: Store, make_spec: Make, bad_urls: list[str]
) -> None:
    store.heartbeat("recorder", DEAD + 9, ttl_s=600)
    with listening() as good:
        apps = [an_app("good", good.url)]
        apps += [an_app(f"bad{n}", bad_urls[n % len(bad_urls)]) for n in range(DEAD)]
        specs = [make_spec(f"{n:032x}", app_id=app.app_id) for n, app in enumerate(apps)]
        for spec in specs:
            store.start(spec, spec.sid)
        with delivering(store, *apps) as outbox:
            alone = delays_s(outbox, specs[0], good)
            threads = threading.active_count()
            for spec in specs[1:]:
                for code in range(3):
                    outbox.add(outbox.make(spec, EventType.RECORDER_LEAVE, {"leaveCode": code}))
            beside = delays_s(outbox, specs[0], good)
            ours = [thread for thread in threading.enumerate() if "callback" in thread.name]
        middle, late = NOTICES // 2, NOTICES * 9 // 10
        print(
            f"alone {alone[middle] * 1000:.0f} ms, p90 {alone[late] * 1000:.0f}; beside {DEAD} "
            f"dead ones {beside[middle] * 1000:.0f} ms, p90 {beside[late] * 1000:.0f}; "
            f"threads {threads}, then {len(ours)} of callbacks"
        )
        assert beside[middle] < 5 * alone[middle]
        assert beside[late] < 10 * alone[middle]


def test_one_that_fails_again_and_again_is_asked_ever_less_often() -> None:
    known, now_s, asked_s = Known(), 0.0, []
    while now_s < 600:
        if known.places(now_s):
            asked_s.append(now_s)
            known.failed(now_s)
        now_s += 0.1
    pauses = [b - a for a, b in itertools.pairwise(asked_s)]
    assert len(asked_s) < 40
    assert pauses[-1] > 0.9 * max(pauses)
    assert pauses[-1] > 10 * pauses[5]
    known.worked()
    assert known.places(now_s) > 1


def test_one_that_nobody_knows_gets_one_at_a_time() -> None:
    known = Known()
    assert known.places(0.0) == 1
    known.busy = 1
    assert known.places(0.0) == 0
    known.worked()
    assert known.places(0.0) == 3
