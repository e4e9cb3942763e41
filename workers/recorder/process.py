"""What a recorder process does beside its recordings: heartbeat, news of calls, draining."""

import os
import socket
import threading

import structlog
from redis.exceptions import RedisError

from media.rtc import steady
from workers.callbacks.outbox import Outbox
from workers.engine import Queues
from workers.job.errors import StoreUnavailable
from workers.metrics.metrics import Metrics
from workers.recorder.loop import Loop
from workers.recorder.slot import Slot
from workers.settings import Settings
from workers.spool.spool import Spool
from workers.store.store import Store

log = structlog.get_logger(__name__)


class Recorder:
    """One per recorder process."""

    def __init__(
        self, settings: Settings, store: Store, queues: Queues, outbox: Outbox, metrics: Metrics
    ) -> None:
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._settings = settings
        self._store = store
        self._queues = queues
        self._outbox = outbox
        self._metrics = metrics
        self._spool = Spool(settings.spool)
        self._loop = Loop()
        self._slots: dict[str, Slot] = {}
        self._lock = threading.Lock()
        self._draining = threading.Event()
        metrics.recorder_slots.set(settings.slots)
        metrics.recorder_tasks.set_function(self._loop.tasks)
        for work in (self._beat, self._listen):
            threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True).start()

    def record(self, sid: str) -> None:
        """Tape a recording, if nobody else does.  Blocks until it is over."""
        with self._lock:
            ours = sid in self._slots
        if ours or self._draining.is_set():
            return  # if its lease is free, the reconciler asks again
        claim = self._store.claim(sid, self._name, self._settings.lease_ttl_s)
        if claim is None:
            return
        slot = Slot(
            claim,
            self._settings,
            self._store,
            self._queues,
            self._outbox,
            self._metrics,
            self._loop,
            self._spool.folder(sid),
        )
        with self._lock:
            if not self._slots:
                steady.align()
            self._slots[sid] = slot
        if self._draining.is_set():
            slot.interrupt()
        try:
            slot.run(lambda: len(self._slots) == 1)
        finally:
            with self._lock:
                del self._slots[sid]

    def drain(self) -> None:
        """Take nothing new; let other recorders go on with what runs here."""
        self._draining.set()
        with self._lock:
            slots = list(self._slots.values())
        for slot in slots:
            slot.interrupt()

    def close(self) -> None:
        """After the last recording has ended."""
        self._loop.close()

    def _beat(self) -> None:
        """Say that we are alive, and stop saying it as soon as we are leaving."""
        while not self._draining.wait(1.0):
            try:
                self._store.heartbeat(self._name, self._settings.slots, ttl_s=4.0)
            except StoreUnavailable:
                log.warning("heartbeat not written")
        try:
            self._store.retire(self._name)
        except StoreUnavailable:
            log.warning("heartbeat not withdrawn, it will lapse")

    def _listen(self) -> None:
        """Hear at once of what is asked for; without this, a slot sees it at its next renewal."""
        while not self._draining.is_set():
            try:
                self._hear()
            except RedisError:
                self._draining.wait(1.0)

    def _hear(self) -> None:
        pubsub = self._store.stops()
        try:
            while not self._draining.is_set():
                message = pubsub.get_message(timeout=5.0)
                if message is None:
                    continue
                with self._lock:
                    slot = self._slots.get(str(message["data"]))
                if slot is not None:
                    slot.wake()
        finally:
            pubsub.close()
