"""Compares what should be with what is, and asks for what is missing.

Messages may be lost; recordings may not.
"""

import threading
import time

import structlog
from pydantic import SecretStr

from media.tape.model import NS
from workers.engine import CUT, QUEUES, RECORD, RECUT, UPLOAD, Queues
from workers.job.errors import StoreUnavailable
from workers.job.spec import SLICE_SECONDS
from workers.job.state import TERMINAL, State
from workers.metrics.metrics import Metrics
from workers.reconciler.cuts import CutsAgain
from workers.reconciler.restore import restore
from workers.spool.spool import Spool
from workers.store.store import Row, Store, is_on_air, now_ns

_EVERY_S = 0.5
_FULL_EVERY = 10  # rounds between looks at cuts and uploads
_PATIENCE_NS = 2 * NS  # how long a new recording may wait for its first recorder
_ASK_RECORD_S = 3.0
_ASK_CUT_S = 15.0
_ASK_UPLOAD_S = 10.0
_DEEP = 1000  # messages: nothing more is asked of a queue that is so far behind
_LOCK_S = 5.0
_GRACE_S = 5.0  # after Redis was away: leases lapsed meanwhile, their owners live and renew them

log = structlog.get_logger(__name__)


class Reconciler:
    """One is at work at a time; others wait for its lock to lapse."""

    def __init__(
        self, store: Store, spool: Spool, queues: Queues, metrics: Metrics, farm_key: SecretStr
    ) -> None:
        self._store = store
        self._spool = spool
        self._queues = queues
        self._metrics = metrics
        self._farm_key = farm_key
        self._cuts = CutsAgain(store, spool, queues, self._once)
        self._forgotten: set[str] = set()
        self._calm_until_s = 0.0
        self._depths: dict[str, int] = {}

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
                self._calm_until_s = time.monotonic() + _GRACE_S
            rounds += 1

    def _round(self, *, full: bool) -> None:
        backlog_s = 0.0
        self._depths = {name: self._store.queue_depth(name) for name in QUEUES}
        for sid in self._store.active():
            try:
                backlog_s += self._see(sid, full=full)
            except StoreUnavailable:
                raise
            except Exception:
                # One recording that cannot be read must not cost the others their recorders.
                log.exception("recording not looked after", sid=sid)
        if full:
            self._metrics.tape_backlog.set(backlog_s)
            self._measure()
            self._look_at_spool()

    def _see(self, sid: str, *, full: bool) -> float:
        """Look after one recording; returns seconds of its media that are not cut."""
        row = self._store.row(sid)
        if row is None:
            return 0.0
        if row.tape_of:
            # What is cut again is no media that waits for its first cut.
            self._cuts.see(row, full=full, waiting=self._depths[RECUT])
            return 0.0
        if is_on_air(row.state) and time.monotonic() >= self._calm_until_s:
            self._see_recorder(row)
        if full and row.state is State.DELIVERING:
            self._see_end(sid)
        return self._see_work(row) if full and row.origin_ns else 0.0

    def _see_recorder(self, row: Row) -> None:
        """A recording on the air without a lease needs a recorder."""
        fresh = row.state is State.QUEUED and now_ns() - row.accepted_ns < _PATIENCE_NS
        if fresh or self._store.leased(row.sid):
            return
        if self._once(RECORD, row.sid, f"record:{row.fence}", _ASK_RECORD_S):
            log.info("recorder asked for", sid=row.sid, state=row.state.value)
            self._queues.record(row.sid)

    def _see_work(self, row: Row) -> float:
        """Ask for slices not cut and files not delivered; returns seconds of media not cut."""
        folder = self._spool.folder(row.sid)
        missing = 0
        for number in range(row.units_sealed):
            if not folder.cut(number):
                missing += 1
                self._ask_cut(row, number)
        for name in folder.waiting():
            if self._once(UPLOAD, row.sid, f"upload:{name}", _ASK_UPLOAD_S):
                self._queues.upload(row.sid, name)
        return missing * float(SLICE_SECONDS)

    def _ask_cut(self, row: Row, number: int) -> None:
        sealed_for_ns = now_ns() - (row.origin_ns + (number + 1) * SLICE_SECONDS * NS)
        if sealed_for_ns > 5 * NS and self._once(CUT, row.sid, f"cut:{number}", _ASK_CUT_S):
            self._queues.cut(row.sid, number)

    def _see_end(self, sid: str) -> None:
        if self._once(UPLOAD, sid, "deliver", _ASK_UPLOAD_S):
            self._queues.deliver(sid)

    def _once(self, queue: str, sid: str, work: str, ttl_s: float) -> bool:
        """Whether to ask now.  Without a limit a queue that nobody serves would grow for ever."""
        return self._depths[queue] < _DEEP and self._store.ask_once(sid, work, ttl_s)

    def _measure(self) -> None:
        self._metrics.spool_bytes.set(self._spool.bytes())
        for name, depth in self._depths.items():
            self._metrics.queue_depth.labels(name).set(depth)

    def _look_at_spool(self) -> None:
        """Remove what an uploader left that died after the last word; restore what Redis forgot."""
        forgotten = set()
        for sid in self._spool.sids():
            row = self._store.row(sid)
            if row is None:
                forgotten.add(sid)
            elif row.state in TERMINAL and now_ns() - row.delivered_ns > 60 * NS:
                self._cuts.leave(sid)
            if row is not None:
                self._cuts.tidy(sid)
        # Seen twice, so that a recorder who has it could say so first.
        for sid in forgotten & self._forgotten:
            restore(self._store, self._spool.folder(sid), self._farm_key)
        self._forgotten = forgotten
