"""Takes in recordings that are cut from the tape of another one."""

from collections.abc import Callable

import structlog
from pydantic import SecretStr

from workers.job.again import Again
from workers.job.errors import NoTape, NoTapeYet, SpoolUnseen, StoreUnavailable, TooManyCuts
from workers.job.sealed import seal
from workers.job.spec import SLICE_SECONDS, RecordingSpec, Storage
from workers.job.state import TERMINAL
from workers.job.status import TapeStatus
from workers.spool.kept import TapeFolder, first_slice
from workers.spool.spool import Spool
from workers.store.store import Store, now_ns

_SLICE_NS = SLICE_SECONDS * 1_000_000_000
_AT_ONCE = 16  # cuts from one tape
_LOCK_S, _WAIT_S = 10.0, 2.0  # an uploader that writes playlists may hold the lock

log = structlog.get_logger(__name__)


class CutAgain:
    """Used by many threads at once; it must see the spool."""

    def __init__(self, store: Store, spool: Spool, farm_key: SecretStr) -> None:
        self._store = store
        self._spool = spool
        self._farm_key = farm_key

    def take_in(
        self, sid: str, again: Again, new_sid: str, check: Callable[[Storage], None]
    ) -> RecordingSpec:
        """Cut a recording again; returns what is made.

        ``check`` raises StorageError for a bucket that does not take our files.  Raises NotFound,
        BadCut, NoTape, NoTapeYet, TooManyCuts, SpoolUnseen; then nothing was taken in.
        """
        spec = again.spec(self._store.spec(sid), new_sid, now_ns())
        check(spec.storage)
        # Whoever ends the recording that has the tape, or deletes of it, holds the same lock.
        lock = self._store.locked(f"deliver:{spec.tape_of}", ttl_s=_LOCK_S, wait_s=_WAIT_S)
        with lock as held:
            if not held:
                raise StoreUnavailable("the recording is busy, try again")
            spec = spec.model_copy(update={"tape_from_ns": self._from_ns(spec.tape_of)})
            self._begin(spec)
        log.info("a recording is cut again", sid=spec.sid, tape_of=spec.tape_of)
        return spec

    def tape(self, sid: str) -> TapeStatus:
        """What there is of a recording's tape, and what was cut from it.  Raises NotFound."""
        root = self._store.spec(sid).tape_sid
        cuts = tuple(self._store.cuts.of(root))
        try:
            from_ns = self._from_ns(root)
        except (NoTape, NoTapeYet, SpoolUnseen):
            return TapeStatus(cuts=cuts)
        kept = self._tape(root).kept()
        return TapeStatus(from_ns, kept.until_ns if kept else 0, cuts)

    def _tape(self, sid: str) -> TapeFolder:
        return TapeFolder(self._spool.folder(sid))

    def _from_ns(self, sid: str) -> int:
        """From when on a tape can be cut: the first slice that is whole."""
        if not self._spool.there():
            raise SpoolUnseen("this process does not see the spool")
        row, tape = self._store.row(sid), self._tape(sid)
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

    def _begin(self, spec: RecordingSpec) -> None:
        tape, folder = self._tape(spec.tape_of), self._spool.folder(spec.sid)
        if len(tape.cuts()) >= _AT_ONCE:
            raise TooManyCuts(f"{_AT_ONCE} recordings are being cut from this tape")
        tape.begin_cut(spec.sid)
        try:
            folder.make(seal(spec, self._farm_key))
            self._store.cuts.begin(spec)
        except BaseException:
            folder.remove()
            tape.end_cut(spec.sid)
            raise
