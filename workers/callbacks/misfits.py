"""What the API tells customers by callback: calls that did not fit, uploads that took too long."""

import structlog

from workers.callbacks.notice import EventType, Level, Module, error
from workers.callbacks.outbox import Outbox
from workers.job.errors import StoreUnavailable
from workers.job.query_status import query_status
from workers.job.spec import Mode, RecordingSpec
from workers.store.store import Store

_UPLOAD_TIMEOUT = 50  # reference §7.5
_INDIVIDUAL, _COMPOSITE = 0, 1  # recordingMode as the English documents number it (§10, 11)

log = structlog.get_logger(__name__)


class Misfits:
    """Nothing in here raises: the calls themselves are answered whatever becomes of a notice."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox

    def started_beside(self, spec: RecordingSpec) -> None:
        """A start whose recorder UID is busy in the channel: told of the recording that it does."""
        try:
            busy = self._store.busy(spec)
        except StoreUnavailable:
            log.warning("not told of a start that did not fit")
            return
        if busy is not None:
            self.tell(busy)

    def tell(self, sid: str) -> None:
        """A call did not fit the state of this recording, which goes on: where it stands."""
        try:
            seen = self._store.seen(sid)
        except StoreUnavailable:
            log.warning("not told of a call that did not fit", sid=sid)
            return
        status = None if seen is None else seen.status()
        if seen is None or status is None or status.ended:
            return
        details = {
            "status": query_status(status),
            "recordingMode": _COMPOSITE if seen.spec.mode is Mode.MIX else _INDIVIDUAL,
            "fileList": status.files[0].name if status.files else "",
        }
        self._outbox.tell(seen.spec, EventType.STATUS_UPDATE, details)

    def uploads_are_late(self, spec: RecordingSpec) -> None:
        """A stop call was answered before everything was in the bucket; that goes on."""
        why = "the files were not all uploaded within the time of the stop call"
        details = error(Module.CLOUD, Level.MEDIUM, _UPLOAD_TIMEOUT, why)
        self._outbox.tell(spec, EventType.ERROR, details, once="upload timeout")
