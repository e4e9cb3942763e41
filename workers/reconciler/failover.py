"""Recordings on the air that no recorder holds.

It has a thread of its own and looks at Redis alone: however large the spool is, a recording whose
recorder was killed is taken over within seconds.
"""

import threading
import time

import structlog

from media.tape.model import NS
from workers.engine import RECORD, Queues
from workers.job.errors import StoreUnavailable
from workers.job.state import State
from workers.reconciler.asking import Asking
from workers.reconciler.rounds import rounds
from workers.store.row import Row
from workers.store.store import Store, is_on_air, now_ns

_EVERY_S = 0.5
_PATIENCE_NS = 2 * NS  # how long a new recording may wait for its first recorder
_ASK_S = 3.0
_GRACE_S = 5.0  # after Redis was away: leases lapsed meanwhile, their owners live and renew them

log = structlog.get_logger(__name__)


class Failover:
    """Asks for a recorder where one is needed."""

    def __init__(self, store: Store, queues: Queues) -> None:
        self._store = store
        self._queues = queues
        self._asking = Asking(store)
        self._calm_until_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Until stopped."""
        rounds(
            self._store, "failover", self.look, every_s=_EVERY_S, stop=stop, away=self._be_patient
        )

    def look(self) -> None:
        """Look at every recording once.  Raises StoreUnavailable."""
        if time.monotonic() < self._calm_until_s:
            return
        self._asking.look()
        for sid in self._store.unleased():
            try:
                self._see(sid)
            except StoreUnavailable:
                raise
            except Exception:
                # One recording that cannot be read must not cost the others their recorders.
                log.exception("recording not looked after", sid=sid)

    def _be_patient(self) -> None:
        self._calm_until_s = time.monotonic() + _GRACE_S

    def _see(self, sid: str) -> None:
        """A recording on the air without a lease needs a recorder."""
        row = self._store.row(sid)
        if row is None or not is_on_air(row.state) or _is_fresh(row) or self._store.leased(sid):
            return
        if self._asking.once(RECORD, sid, f"record:{row.fence}", _ASK_S):
            log.info("recorder asked for", sid=sid, state=row.state.value)
            self._queues.record(sid)


def _is_fresh(row: Row) -> bool:
    return row.state is State.QUEUED and now_ns() - row.accepted_ns < _PATIENCE_NS
