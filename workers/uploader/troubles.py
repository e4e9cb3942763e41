"""What customers hear when their files do not arrive."""

import time

import structlog

from workers.callbacks.notice import EventType, Level, Module, error
from workers.callbacks.outbox import Outbox
from workers.job.errors import StorageError, StorageRefused, StoreUnavailable
from workers.job.spec import RecordingSpec
from workers.store.store import Store
from workers.store.troubles import Files

_CONFIGURATION, _FAILED, _SENT_AGAIN = 32, 47, 31  # reference §7.5
_PATIENCE_S = 15.0  # a bucket that does not answer for a moment is nobody's business
_KNOWN = 10_000  # failing buckets

log = structlog.get_logger(__name__)


class Troubles:
    """Of one kind of files.

    Each is told once in a spell, which the first file that arrives ends.

    Nothing in here raises: what a Redis that is away was not told, the next file's fate tells.
    """

    def __init__(self, store: Store, outbox: Outbox, of: Files = Files.WHOLE) -> None:
        self._store = store
        self._outbox = outbox
        self._of = of
        self._last: dict[tuple[str, ...], StorageError] = {}  # by bucket

    def failed(self, spec: RecordingSpec, exc: StorageError) -> None:
        """A file, or a part of one, did not arrive."""
        if len(self._last) >= _KNOWN:
            self._last.clear()
        self._last[_bucket(spec)] = exc
        self._failed(spec, exc)

    def waits(self, spec: RecordingSpec) -> None:
        """A file was not sent, because the bucket did not take another one."""
        exc = self._last.get(_bucket(spec))
        if exc is not None:
            self._failed(spec, exc)

    def _failed(self, spec: RecordingSpec, exc: StorageError) -> None:
        now_ms = time.time_ns() // 1_000_000
        try:
            since_ms = self._store.troubles.begin(spec.sid, self._of, now_ms)
        except StoreUnavailable:
            log.warning("upload troubles not written, will be later", sid=spec.sid)
            return
        if not since_ms:
            return
        if type(exc) is StorageRefused:
            self._tell(spec, _CONFIGURATION, str(exc))
        elif now_ms - since_ms > _PATIENCE_S * 1000:
            self._tell(spec, _FAILED, "upload failed")

    def worked(self, spec: RecordingSpec) -> None:
        """A file arrived."""
        self._last.pop(_bucket(spec), None)
        details = {"module": int(Module.UPLOADER), "warnCode": _SENT_AGAIN}
        told = [self._name(code) for code in (_CONFIGURATION, _FAILED)]
        warning = self._outbox.make(spec, EventType.WARNING, details)
        try:
            self._store.troubles.end(spec.sid, self._of, told, warning)
        except StoreUnavailable:
            log.warning("the end of upload troubles not written, will be later", sid=spec.sid)

    def _tell(self, spec: RecordingSpec, code: int, why: str) -> None:
        details = error(Module.UPLOADER, Level.MAJOR, code, why)
        self._outbox.tell(spec, EventType.ERROR, details, once=self._name(code))

    def _name(self, code: int) -> str:
        return f"upload:{self._of.name}:{code}"


def _bucket(spec: RecordingSpec) -> tuple[str, ...]:
    storage = spec.storage
    return storage.endpoint, storage.bucket, storage.access_key
