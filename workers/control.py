"""What the API may do to the farm: the implementation of its seam."""

from collections.abc import Mapping

import structlog

from media.errors import FarmError
from workers.engine import Queues
from workers.job.allowance import UNLIMITED, Allowance
from workers.job.errors import StoreUnavailable
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
        self, store: Store, queues: Queues, check: StorageCheck, recuts: RecutControl
    ) -> None:
        self._store = store
        self._queues = queues
        self._check = check
        self._recuts = recuts

    def capacity(self) -> bool:
        """Whether a recorder slot is free."""
        return self._store.taken() < self._store.slots()

    def start(
        self, spec: RecordingSpec, nonce: str, allowance: Allowance = UNLIMITED
    ) -> str | None:
        """Take a recording in and ask for a recorder; None, or the sid the ticket started."""
        before = self._store.start(spec, nonce)
        if before is None:
            try:
                self._queues.record(spec.sid)
            except StoreUnavailable:
                # It is taken in, and an error would say that it is not: the reconciler will ask.
                log.warning("recorder not asked for, will be later", sid=spec.sid)
        return before

    def status(self, sid: str) -> RecordingStatus | None:
        """A recording as it stands."""
        row = self._store.row(sid)
        if row is None:
            return None
        spec = self._store.spec(sid)
        return RecordingStatus(
            sid=sid,
            state=row.state,
            mode=spec.mode,
            app_id=spec.app_id,
            cname=spec.cname,
            uid=spec.recorder_uid,
            audio=spec.audio,
            video=spec.video,
            mp4=spec.mp4,
            snapshots=bool(spec.snapshot_s),
            files=tuple(self._store.files(sid)),
            slice_start_ms=row.origin_ns // 1_000_000,
            no_data=row.no_data,
            tape_of=spec.tape_of,
            reason=row.reason,
        )

    def stop(self, sid: str, wait_s: float) -> StopOutcome:
        """Ask for the end; wait for the last file at most so long."""
        self._store.ask_stop(sid, now_ns())
        uploaded = wait_s > 0 and self._store.wait_finished(sid, wait_s)
        status = self.status(sid)
        if status is None:
            raise StoreUnavailable("the recording vanished")
        return StopOutcome(status, uploaded, status.no_data)

    def order(self, sid: str, change: Change, at_ns: int) -> None:
        """Change a recording that runs."""
        self._store.orders.add(sid, change, at_ns)

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
            slots, taken = self._store.slots(), self._store.taken()
        except FarmError as exc:
            return {"broker": str(exc), "capacity": "unknown"}
        if not slots:
            return {"broker": "", "capacity": "no recorder is alive"}
        return {"broker": "", "capacity": "" if taken < slots else "every slot is taken"}
