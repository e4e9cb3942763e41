"""A recording without a recorder gets one, however busy the reconciler is with the spool."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.engine import RECORD, Queues, make
from workers.job.spec import RecordingSpec
from workers.metrics.metrics import Metrics
from workers.reconciler.failover import Failover
from workers.reconciler.housekeeping import Housekeeping
from workers.reconciler.reconciler import Reconciler
from workers.spool.spool import Folder, Spool
from workers.store.store import Store

pytestmark = pytest.mark.server
Make = Callable[..., RecordingSpec]


def test_a_take_over_does_not_wait_for_a_walk_over_the_spool(
    store: Store,
    redis_url: str,
    make_spec: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stuck, stop = threading.Event(), threading.Event()

    def endless(*_: object) -> list[str]:
        stuck.set()
        stop.wait(60)
        return []

    monkeypatch.setattr(Spool, "sids", endless)
    monkeypatch.setattr(Folder, "waiting", endless)
    monkeypatch.setattr("workers.reconciler.housekeeping._EVERY_S", 0.01)
    spec, spool = make_spec(), Spool(tmp_path)
    store.heartbeat("a", 1, ttl_s=60)
    store.start(spec, "nonce")
    claim = store.claim(spec.sid, "a", ttl_s=0.1)
    assert claim is not None
    store.write(claim, origin_ns=1, units_sealed=1)
    queues, outbox = Queues(make(redis_url)), Outbox(store.client, Apps(()))
    runs = (
        Housekeeping(store, spool, Metrics(), SecretStr("a farm key for tests")).run,
        Reconciler(store, spool, queues, outbox, Metrics()).run,
        Failover(store, queues).run,
    )
    threads = [threading.Thread(target=run, args=(stop,)) for run in runs]
    for thread in threads:
        thread.start()
    try:
        assert stuck.wait(10)
        time.sleep(0.1)  # the lease is over
        deadline = time.monotonic() + 10
        while not store.queue_depth(RECORD) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert store.queue_depth(RECORD) == 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_who_holds_its_lease_is_left_alone(store: Store, redis_url: str, make_spec: Make) -> None:
    store.heartbeat("a", 1, ttl_s=60)
    store.start(make_spec(), "nonce")
    store.claim(make_spec().sid, "a", ttl_s=60)
    failover = Failover(store, Queues(make(redis_url)))
    for _ in range(3):
        failover.look()
    assert store.queue_depth(RECORD) == 0
