"""What is in the spool and need not be, and what Redis does not know of.

It looks at all of the spool, which may be large, so it has a thread of its own, and rests for
longer than it works.
"""

import threading
import time

import structlog
from pydantic import SecretStr

from media.tape.model import NS
from workers.job.errors import StoreUnavailable
from workers.job.state import TERMINAL
from workers.metrics.metrics import Metrics
from workers.reconciler.restore import restore
from workers.reconciler.rounds import rounds
from workers.spool.kept import TapeFolder
from workers.spool.spool import Spool
from workers.store.row import Row
from workers.store.store import Store, now_ns

_EVERY_S = 5.0
_REST = 4  # times as long as a round took
_FRESH_S = 60.0  # after the rest: what was seen before that says nothing of what is
_LATE_NS = 60 * NS  # who ends a recording cleans up itself, unless it dies
_STALE_S = 60.0  # a note about a recut that was never taken in
_LOCK_S = 10.0

log = structlog.get_logger(__name__)


class Housekeeping:
    """Of one spool."""

    def __init__(self, store: Store, spool: Spool, metrics: Metrics, farm_key: SecretStr) -> None:
        self._store = store
        self._spool = spool
        self._metrics = metrics
        self._farm_key = farm_key
        self._forgotten: set[str] = set()
        self._until_s = 0.0  # so long it counts
        self._rest_until_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Until stopped."""
        rounds(self._store, "housekeeping", self._round, every_s=_EVERY_S, stop=stop)

    def _round(self) -> None:
        began_s = time.monotonic()
        if began_s < self._rest_until_s:
            return
        self.look()
        self._metrics.spool_bytes.set(self._spool.bytes())
        ended_s = time.monotonic()
        self._rest_until_s = ended_s + _REST * (ended_s - began_s)
        self._until_s = self._rest_until_s + _FRESH_S

    def look(self) -> None:
        """Remove what an uploader left that died after the last word; restore what Redis forgot.

        Raises StoreUnavailable.
        """
        if time.monotonic() > self._until_s:
            self._forgotten = set()  # others were at it since
        forgotten = set()
        for sid in self._spool.sids():
            try:
                row = self._store.row(sid)
                if row is None:
                    forgotten.add(sid)
                    continue
                self._tidy(row)
            except StoreUnavailable:
                raise
            except Exception:
                # One folder that cannot be read must not keep the others.
                log.exception("folder not looked after", sid=sid)
        # In two looks that follow each other, so that a recorder who has it could say so first.
        again, self._forgotten = forgotten & self._forgotten, forgotten
        self._until_s = time.monotonic() + _FRESH_S
        for sid in sorted(again):
            self._restore(sid)

    def _restore(self, sid: str) -> None:
        try:
            restore(self._store, self._spool.folder(sid), self._farm_key)
        except StoreUnavailable:
            raise
        except Exception:
            # One folder that cannot be read must not keep the others.
            log.exception("recording not restored", sid=sid)

    def _tidy(self, row: Row) -> None:
        tape = TapeFolder(self._spool.folder(row.sid))
        if row.state in TERMINAL and now_ns() - row.delivered_ns > _LATE_NS:
            tape.leave()
        for recut in tape.recuts():
            if self._is_over(recut, tape):
                tape.end_recut(recut)
        if tape.overdue(now_ns()):
            with self._store.locked(f"deliver:{row.sid}", ttl_s=_LOCK_S, wait_s=0) as held:
                if held and tape.overdue(now_ns()):
                    log.info("the time of a tape is over", sid=row.sid)
                    tape.folder.remove()

    def _is_over(self, recut: str, tape: TapeFolder) -> bool:
        row = self._store.row(recut)
        if row is not None:
            return row.state in TERMINAL
        return self._spool.folder(recut).spec() is None and tape.noted_for_s(recut) > _STALE_S
