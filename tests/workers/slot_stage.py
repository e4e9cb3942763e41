"""One recording and the recorders that have it: real Redis, real tape, a channel nobody is in."""

import threading
import time
from collections.abc import Callable
from typing import Any

from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.engine import Queues, make
from workers.job.spec import RecordingSpec
from workers.metrics.metrics import Metrics
from workers.recorder.loop import Loop
from workers.recorder.slot import Slot
from workers.settings import Settings
from workers.spool.spool import Folder
from workers.store.store import Store

SID = "0" * 32


class Stage:
    """Recorders have it one after the other."""

    def __init__(
        self, store: Store, redis_url: str, folder: Folder, spec: RecordingSpec, apps: Apps
    ) -> None:
        self.store, self.folder, self.spec = store, folder, spec
        self.settings = Settings(farm_key="a farm key for tests")
        self.outbox, self.loop = Outbox(store.client, apps), Loop()
        self._queues = Queues(make(redis_url))
        store.heartbeat("recorder", 1, ttl_s=600)
        assert store.start(spec, "nonce") is None

    def slot(self, ttl_s: float = 5.0) -> Slot:
        claim = self.store.claim(SID, "recorder", ttl_s)
        assert claim is not None
        parts = self.store, self._queues, self.outbox, Metrics(), self.loop, self.folder
        return Slot(claim, self.settings, *parts)


def running(slot: Slot) -> threading.Thread:
    thread = threading.Thread(target=slot.run, args=(lambda: True,), daemon=True)
    thread.start()
    return thread


def until(condition: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
