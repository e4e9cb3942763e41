"""Compares what should be with what is, and asks for what is missing.

Messages may be lost; recordings may not.
"""

import threading

import structlog

from media.tape.model import NS
from workers.callbacks.outbox import Outbox
from workers.engine import CUT, RECUT, UPLOAD, Queues
from workers.job.errors import StoreUnavailable
from workers.job.spec import SLICE_SECONDS
from workers.job.state import State
from workers.metrics.metrics import Metrics
from workers.reconciler.asking import Asking
from workers.reconciler.progress import Progress
from workers.reconciler.recuts import RecutWatch
from workers.reconciler.rounds import rounds
from workers.spool.damage import DamagedPieces
from workers.spool.spool import Spool
from workers.store.row import Row
from workers.store.store import Store, now_ns

_EVERY_S = 0.5
_FULL_EVERY = 10  # rounds between looks at cuts and uploads
_ASK_CUT_S = 15.0
_ASK_UPLOAD_S = 10.0

log = structlog.get_logger(__name__)


class Reconciler:
    """Of slices and files; one is at work at a time."""

    def __init__(
        self, store: Store, spool: Spool, queues: Queues, outbox: Outbox, metrics: Metrics
    ) -> None:
        self._store = store
        self._spool = spool
        self._queues = queues
        self._metrics = metrics
        self._asking = Asking(store)
        self._recuts = RecutWatch(store, spool, queues, outbox, self._asking.once)
        self._progress = Progress(store, outbox)
        self._rounds = 0

    def run(self, stop: threading.Event) -> None:
        """Until stopped."""
        rounds(self._store, "reconciler", self._round, every_s=_EVERY_S, stop=stop)

    def _round(self) -> None:
        self.look(full=self._rounds % _FULL_EVERY == 0)
        self._rounds += 1

    def look(self, *, full: bool) -> None:
        """Look at every recording once; if not ``full``, only at how far the tapes of recuts are.

        Raises StoreUnavailable.
        """
        backlog_s = 0.0
        self._asking.look()
        # Those on the air are most of all, and no recuts: they would only be load on Redis.
        for sid in self._store.active() if full else self._store.off_air():
            try:
                backlog_s += self._see(sid, full=full)
            except StoreUnavailable:
                raise
            except Exception:
                # One recording that cannot be read must not cost the others their files.
                log.exception("recording not looked after", sid=sid)
        if full:
            self._metrics.tape_backlog.set(backlog_s)
            for name, depth in self._asking.depths.items():
                self._metrics.queue_depth.labels(name).set(depth)

    def _see(self, sid: str, *, full: bool) -> float:
        """Look after one recording; returns seconds of its media that are not cut."""
        row = self._store.row(sid)
        if row is None:
            return 0.0
        if row.tape_of:
            # A recut is no media that waits for its first cut.
            self._recuts.see(row, full=full, waiting=self._asking.depths[RECUT])
            return 0.0
        if full and row.state is State.DELIVERING:
            self._see_end(sid)
        return self._see_work(row) if full and row.origin_ns else 0.0

    def _see_work(self, row: Row) -> float:
        """Ask for slices not cut and files not delivered; returns seconds of media not cut."""
        folder = self._spool.folder(row.sid)
        missing = [number for number in range(row.units_sealed) if not folder.cut(number)]
        for number in (*missing, *DamagedPieces(folder).slices()):
            self._ask_cut(row, number)
        waiting = folder.waiting()
        for name in waiting:
            if self._asking.once(UPLOAD, row.sid, f"upload:{name}", _ASK_UPLOAD_S):
                self._queues.upload(row.sid, name)
        self._progress.see(row, folder, len(missing), waiting)
        return len(missing) * float(SLICE_SECONDS)

    def _ask_cut(self, row: Row, number: int) -> None:
        sealed_for_ns = now_ns() - (row.origin_ns + (number + 1) * SLICE_SECONDS * NS)
        if sealed_for_ns > 5 * NS and self._asking.once(CUT, row.sid, f"cut:{number}", _ASK_CUT_S):
            self._queues.cut(row.sid, number)

    def _see_end(self, sid: str) -> None:
        if self._asking.once(UPLOAD, sid, "deliver", _ASK_UPLOAD_S):
            self._queues.deliver(sid)
