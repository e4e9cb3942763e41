"""Long histories, full backlogs, odd receivers and a slow Redis: everything stays bounded."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.receiver import listening
from tests.workers.delivering import an_app, delivering
from workers.apps import Apps
from workers.callbacks.notice import EventType
from workers.callbacks.outbox import Outbox
from workers.job.spec import RecordingSpec
from workers.store import keys
from workers.store.letter import Notices
from workers.store.store import Store

pytestmark = pytest.mark.server

Make = Callable[..., RecordingSpec]


@pytest.fixture
def spec(store: Store, make_spec: Make) -> RecordingSpec:
    """A recording that Redis knows."""
    spec = make_spec()
    store.heartbeat("recorder", 9, ttl_s=600)
    store.start(spec, "nonce")
    return spec


@pytest.fixture
def outbox(store: Store) -> Outbox:
    return Outbox(store.client, Apps((an_app("app", "http://127.0.0.1:9/hook"),)))


def some(outbox: Outbox, spec: RecordingSpec, count: int) -> Notices:
    return [
        notice
        for number in range(count)
        for notice in outbox.make(spec, EventType.RECORDER_LEAVE, {"leaveCode": number})
    ]


def waiting(outbox: Outbox) -> Iterator[int]:
    """Numbers, in the order in which they are sent."""
    [due] = outbox.take(9, {}).due
    while due is not None:
        yield due.sequence
        due = outbox.done(due)


def test_a_replay_looks_at_what_is_kept_and_no_further(
    store: Store, outbox: Outbox, spec: RecordingSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis does nothing else meanwhile, and leases lapse."""
    monkeypatch.setattr(keys, "NOTICES_KEPT", 8)
    store.client.set(keys.sequence(spec.sid), 100_000)
    outbox.add(some(outbox, spec, 12))
    store.client.config_resetstat()
    assert outbox.replay(spec.sid) == 8
    assert store.client.info("commandstats")["cmdstat_hget"]["calls"] <= 8


def test_of_notices_of_one_moment_the_oldest_are_dropped(
    outbox: Outbox, spec: RecordingSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found at once, at the head of their list."""
    monkeypatch.setattr(keys, "BACKLOG_MOST", 60)
    outbox.add(some(outbox, spec, 50))
    assert outbox.replay(spec.sid) == 50
    assert list(waiting(outbox)) == [*range(40, 50), *range(50)]


def test_a_letter_whose_answer_was_lost_may_come_again_with_more_in_it(
    outbox: Outbox, spec: RecordingSpec
) -> None:
    notices = some(outbox, spec, 7)
    outbox.add(notices[:4])
    outbox.add(notices[1:])
    assert [one.id in text for one, text in zip(notices, outbox.told(spec.sid), strict=True)] == (
        [True] * 7
    )


def test_receivers_cannot_set_cookies(store: Store, spec: RecordingSpec) -> None:
    with listening() as receiver:
        receiver.manner = "cookies"
        with delivering(store, an_app("app", receiver.url)) as outbox:
            outbox.add(some(outbox, spec, 3))
            receiver.wait_for(3)
    assert not any("cookie" in name.lower() for headers, _ in receiver.got for name in headers)


@pytest.mark.parametrize("url", ["http://127.0.0.1:70000/", "http://xn--/", "hook"])
def test_an_address_that_is_none_counts_as_a_receiver_that_fails(
    store: Store, spec: RecordingSpec, url: str
) -> None:
    app = an_app("app", "").model_copy(
        update={"callback_url": url}
    )  # settings would refuse some of them
    with delivering(store, app) as outbox:
        outbox.add(some(outbox, spec, 1))
        deadline_s = time.monotonic() + 10
        while not store.client.exists(keys.attempts(spec.sid)):
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
