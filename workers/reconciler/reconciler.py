"""Compares what should be with what is, and asks for what is missing.

Messages may be lost; recordings may not.
"""

import threading

import structlog

from media.tape.model import NS
from workers.engine import QUEUES, Queues
from workers.job.errors import StoreUnavailable
from workers.job.spec import SLICE_SECONDS
from workers.job.state import TERMINAL, State
from workers.metrics.metrics import Metrics
from workers.spool.spool import Folder, Spool
from workers.store.store import Row, Store, is_on_air, now_ns

_EVERY_S = 0.5
_FULL_EVERY = 10  # rounds between looks at cuts and uploads
_PATIENCE_NS = 2 * NS  # how long a new recording may wait for its first recorder
_ASK_RECORD_S = 3.0
_ASK_CUT_S = 15.0
_ASK_UPLOAD_S = 10.0
_LOCK_S = 5.0

log = structlog.get_logger(__name__)


class Reconciler:
    """One is at work at a time; others wait for its lock to lapse."""

    def __init__(self, store: Store, spool: Spool, queues: Queues, metrics: Metrics) -> None:
        self._store = store
        self._spool = spool
        self._queues = queues
        self._metrics = metrics

    def run(self, stop: threading.Event) -> None:
        """Until stopped."""
        rounds = 0
        while not stop.wait(_EVERY_S):
            try:
                with self._store.locked("reconciler", ttl_s=_LOCK_S, wait_s=0) as held:
                    if held:
                        self._round(full=rounds % _FULL_EVERY == 0)
            except StoreUnavailable:
                log.warning("redis out of reach")
                stop.wait(1)
            rounds += 1

    def _round(self, *, full: bool) -> None:
        backlog_s = 0.0
        for sid in self._store.active():
            row = self._store.row(sid)
            if row is None:
                continue
            if is_on_air(row.state):
                self._see_recorder(row)
            if full and row.origin_ns:
                backlog_s += self._see_work(row)
            if full and row.state is State.DELIVERING and self._once(sid, "deliver", _ASK_UPLOAD_S):
                self._queues.deliver(sid)
        if full:
            self._metrics.tape_backlog.set(backlog_s)
            self._measure()
            self._clean()

    def _see_recorder(self, row: Row) -> None:
        """A recording on the air without a lease needs a recorder."""
        fresh = row.state is State.QUEUED and now_ns() - row.accepted_ns < _PATIENCE_NS
        if fresh or self._store.leased(row.sid):
            return
        if self._once(row.sid, f"record:{row.fence}", _ASK_RECORD_S):
            log.info("recorder asked for", sid=row.sid, state=row.state.value)
            self._queues.record(row.sid)

    def _see_work(self, row: Row) -> float:
        """Ask for slices not cut and files not delivered; returns seconds of media not cut."""
        folder = self._spool.folder(row.sid)
        missing = 0
        for number in range(row.units_sealed):
            unit = folder.unit(number)
            if unit is None:
                missing += 1
                self._ask_cut(row, folder, number)
                continue
            for segment in unit.segments:
                waits = folder.file(segment.name).exists()
                if waits and self._once(row.sid, f"upload:{segment.name}", _ASK_UPLOAD_S):
                    self._queues.upload(row.sid, segment.name)
        return missing * float(SLICE_SECONDS)

    def _ask_cut(self, row: Row, folder: Folder, number: int) -> None:
        sealed_for_ns = now_ns() - (row.origin_ns + (number + 1) * SLICE_SECONDS * NS)
        if sealed_for_ns > 5 * NS and self._once(row.sid, f"cut:{number}", _ASK_CUT_S):
            self._queues.cut(row.sid, number)

    def _once(self, sid: str, work: str, ttl_s: float) -> bool:
        return self._store.ask_once(sid, work, ttl_s)

    def _measure(self) -> None:
        self._metrics.spool_bytes.set(self._spool.bytes())
        for name in QUEUES:
            self._metrics.queue_depth.labels(name).set(self._store.queue_depth(name))

    def _clean(self) -> None:
        """Remove what an uploader left that died after the last word."""
        for sid in self._spool.sids():
            row = self._store.row(sid)
            if row is not None and row.state in TERMINAL:
                settled_ns = now_ns() - row.delivered_ns
                if settled_ns > 60 * NS:
                    self._spool.folder(sid).remove()
