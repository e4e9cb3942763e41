"""What the API may do to the farm: the implementation of its seam."""

from collections.abc import Mapping

import structlog

from media.errors import FarmError
from workers.callbacks.misfits import Misfits
from workers.callbacks.outbox import Outbox
from workers.engine import Queues
from workers.job.allowance import UNLIMITED, Allowance
from workers.job.errors import (
    AlreadyStopping,
    Conflict,
    NotFound,
    QuotaExceeded,
    StoreUnavailable,
)
from workers.job.order import Change
from workers.job.recut import Recut
from workers.job.spec import RecordingSpec, Storage
from workers.job.status import RecordingStatus, StopOutcome, TapeStatus
from workers.recut_control import RecutControl
from workers.storage.check import StorageCheck
from workers.store.store import Store, now_ns

log = structlog.get_logger(__name__)


class Farm:
    """Recordings behind Redis and the queues.  Used by many threads at once."""

    def __init__(
        self,
        store: Store,
        queues: Queues,
        check: StorageCheck,
        recuts: RecutControl,
        outbox: Outbox,
    ) -> None:
        self._store = store
        self._queues = queues
        self._check = check
        self._recuts = recuts
        self._misfits = Misfits(store, outbox)

    def capacity(self, app_id: str = "", allowance: Allowance = UNLIMITED) -> bool:
        """Whether a recorder slot is free.  Raises QuotaExceeded."""
        room = self._store.room(app_id, allowance)
        if not room.within_quota:
            raise QuotaExceeded("the app has as much going on as it may")
        return room.free

    def start(
        self, spec: RecordingSpec, nonce: str, allowance: Allowance = UNLIMITED
    ) -> str | None:
        """Take a recording in and ask for a recorder; None, or the sid the ticket started."""
        message = self._queues.record_message(spec.sid)
        try:
            before = self._store.start(spec, nonce, allowance, message)
        except Conflict:
            self._misfits.started_beside(spec)
            raise
        if before is not None:
            self._misfits.tell(before)
        return before

    def status(self, sid: str) -> RecordingStatus | None:
        """A recording as it stands."""
        seen = self._store.seen(sid)
        return None if seen is None else seen.status()

    def stop(self, sid: str, wait_s: float) -> StopOutcome:
        """Ask for the end; wait for the last file at most so long."""
        try:
            self._store.ask_stop(sid, now_ns())
        except AlreadyStopping:
            self._misfits.tell(sid)
            raise
        uploaded = wait_s > 0 and self._store.wait_finished(sid, wait_s)
        seen = self._store.seen(sid)
        if seen is None:
            raise StoreUnavailable("the recording vanished")
        status = seen.status()
        if wait_s > 0 and not uploaded:
            self._misfits.uploads_are_late(seen.spec)
        return StopOutcome(status, uploaded, status.no_data)

    def order(self, sid: str, change: Change, at_ns: int) -> None:
        """Change a recording that runs."""
        self._store.orders.add(sid, change, at_ns)

    def storage(self, sid: str) -> Storage:
        """The bucket of a recording, with its keys."""
        return self._store.spec(sid).storage

    def renew(self, sid: str, storage: Storage) -> None:
        """Give the bucket of a recording other keys, and of what is being made from its tape."""
        self._store.credentials.renew(sid, storage)
        self._ask_delivery(sid)
        for cut in self._store.recuts.of(sid):
            try:
                self._store.credentials.renew(cut, storage)
            except NotFound:
                continue  # it is made
            self._ask_delivery(cut, recut=True)

    def _ask_delivery(self, sid: str, *, recut: bool = False) -> None:
        """What waits goes at once; without this, when the reconciler asks for it."""
        try:
            self._queues.deliver(sid, recut=recut)
        except StoreUnavailable:
            log.warning("delivery not asked for, will be later", sid=sid)

    def recut(self, sid: str, asked: Recut, new_sid: str) -> RecordingSpec:
        """Make a recut from a recording's tape; returns it."""
        return self._recuts.take_in(sid, asked, new_sid, self._check)

    def tape(self, sid: str) -> TapeStatus:
        """What recuts can be made from."""
        return self._recuts.tape(sid)

    def check_storage(self, storage: Storage) -> None:
        """Whether the bucket answers to these keys."""
        self._check(storage)

    def report(self, sid: str) -> str | None:
        """The quality report of a recording that has ended."""
        return self._store.report(sid)

    def readiness(self) -> Mapping[str, str]:
        """What a start call needs, and what is wrong with it."""
        try:
            room = self._store.room()
        except FarmError as exc:
            return {"broker": str(exc), "capacity": "unknown"}
        if not room.slots:
            return {"broker": "", "capacity": "no recorder is alive"}
        return {"broker": "", "capacity": "" if room.free else "every slot is taken"}
