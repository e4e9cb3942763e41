"""Takes recuts in: recordings that are made from the tape of another one."""

import errno
from collections.abc import Callable

import structlog
from pydantic import SecretStr

from workers.job.errors import NoTape, NoTapeYet, SpoolUnseen, StoreUnavailable, TooManyRecuts
from workers.job.recut import Recut
from workers.job.sealed import seal
from workers.job.spec import SLICE_SECONDS, RecordingSpec, Storage
from workers.job.state import TERMINAL
from workers.job.status import TapeStatus
from workers.spool.kept import TapeFolder, first_slice
from workers.spool.spool import Spool
from workers.store.row import Row
from workers.store.store import Store, now_ns

_SLICE_NS = SLICE_SECONDS * 1_000_000_000
_AT_ONCE = 16  # recuts from one tape
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_UNSEEN = "this API does not see the farm's spool (TAPEFARM_SPOOL), which recuts are made from"
_LOCK_S, _WAIT_S = 10.0, 2.0  # an uploader that writes playlists may hold the lock

log = structlog.get_logger(__name__)


class RecutControl:
    """Used by many threads at once; it must see the spool."""

    def __init__(self, store: Store, spool: Spool, farm_key: SecretStr) -> None:
        self._store = store
        self._spool = spool
        self._farm_key = farm_key

    def take_in(
        self, sid: str, asked: Recut, new_sid: str, check: Callable[[Storage], None]
    ) -> RecordingSpec:
        """Make a recut of a recording; returns it.

        ``check`` raises StorageError for a bucket that does not take our files.  Raises NotFound,
        BadRecut, NoTape, NoTapeYet, TooManyRecuts, SpoolUnseen; then nothing was taken in.
        """
        spec = asked.spec(self._store.spec(sid), new_sid, now_ns())
        check(spec.storage)
        # Whoever ends the recording that has the tape, or deletes of it, holds the same lock.
        lock = self._store.locked(f"deliver:{spec.tape_of}", ttl_s=_LOCK_S, wait_s=_WAIT_S)
        with lock as held:
            if not held:
                raise StoreUnavailable("the recording is busy, try again")
            spec = spec.model_copy(update={"tape_from_ns": self._from_ns(spec.tape_of)})
            self._begin(spec)
        log.info("a recut is taken in", sid=spec.sid, tape_of=spec.tape_of)
        return spec

    def tape(self, sid: str) -> TapeStatus:
        """What there is of a recording's tape, and what was cut from it.  Raises NotFound."""
        root = self._store.spec(sid).tape_sid
        recuts = tuple(self._store.recuts.of(root))
        try:
            from_ns = self._from_ns(root)
        except (NoTape, NoTapeYet, SpoolUnseen):
            return TapeStatus(recuts=recuts)
        kept = self._tape(root).kept()
        return TapeStatus(from_ns, kept.until_ns if kept else 0, recuts)

    def _tape(self, sid: str) -> TapeFolder:
        return TapeFolder(self._spool.folder(sid))

    def _from_ns(self, sid: str) -> int:
        """From when on a tape can be cut: the first slice that is whole."""
        row, tape = self._store.row(sid), self._tape(sid)
        if not self._spool.there() or (row and not tape.there() and self._holds(row)):
            raise SpoolUnseen(_UNSEEN)
        if row is None or row.no_data or (row.state in TERMINAL and tape.kept() is None):
            raise NoTape("the tape is gone")
        first, closed = tape.first_part(), tape.folder.closed()
        if not row.origin_ns or (first is None and closed is None):
            raise NoTapeYet("nothing is on tape yet")
        if first is None:
            raise NoTape("the tape is gone")
        from_ns = row.origin_ns + first_slice(row.origin_ns, first) * _SLICE_NS
        if closed is not None and from_ns >= closed.end_ns:
            raise NoTape("nothing is left of the tape")
        return from_ns

    def _holds(self, row: Row) -> bool:
        """Whether the spool must have the tape of a recording, by what Redis knows."""
        if row.state in TERMINAL:
            return self._store.tape_kept_s(row.sid) > 0
        return bool(row.origin_ns)

    def _begin(self, spec: RecordingSpec) -> None:
        tape, folder = self._tape(spec.tape_of), self._spool.folder(spec.sid)
        if len(tape.recuts()) >= _AT_ONCE:
            raise TooManyRecuts(f"{_AT_ONCE} recuts are being made from this tape")
        try:
            tape.begin_recut(spec.sid)
        except OSError as exc:
            if exc.errno not in _FORBIDDEN:
                raise
            raise SpoolUnseen("this API may not write to the spool, which recuts need") from exc
        try:
            folder.make(seal(spec, self._farm_key))
            self._store.recuts.begin(spec)
        except BaseException:
            folder.remove()
            tape.end_recut(spec.sid)
            raise
