"""Looks after recuts: what they follow, and what is missing of them."""

from collections.abc import Callable
from itertools import islice

import structlog

from media.tape.model import NS
from workers.callbacks.notice import EventType, Level, Module, error
from workers.callbacks.outbox import Outbox
from workers.engine import RECUT, UPLOAD_RECUT, Queues
from workers.job.spec import SLICE_SECONDS, Mode
from workers.job.state import TERMINAL, Event
from workers.spool.damage import DamagedPieces
from workers.spool.kept import TapeFolder
from workers.spool.spool import Closed, Folder, Spool
from workers.store.row import Row
from workers.store.store import Store, now_ns

_SLICE_NS = SLICE_SECONDS * NS
_AHEAD = 64  # slices of one mix that are asked for at a time, when fewer wait
_ASK_CUT_S = 15.0
_ASK_UPLOAD_S = 10.0
_FAILED = 1  # the RTC SDK's ERR_FAILED (reference §7.5)

Once = Callable[[str, str, str, float], bool]

log = structlog.get_logger(__name__)


class RecutWatch:
    """Used by the reconciler; every method may raise StoreUnavailable."""

    def __init__(
        self, store: Store, spool: Spool, queues: Queues, outbox: Outbox, once: Once
    ) -> None:
        """``once(queue, sid, work, seconds)``: whether to ask for work now."""
        self._store = store
        self._spool = spool
        self._queues = queues
        self._outbox = outbox
        self._once = once

    def see(self, row: Row, *, full: bool, waiting: int) -> None:
        """Follow the tape, and ask for what is missing; ``waiting`` slices wait to be cut."""
        seen = self._seen(row)
        if not all(seen):
            # Neither is seen of a spool that is away, for now; what is seen twice was not that it
            # came or went in between.
            if any(seen) and self._seen(row) == seen:
                self._fail(row.sid)
            return
        folder = self._spool.folder(row.sid)
        units = self._follow(row, folder)
        if waiting < _AHEAD and (full or units > row.units_sealed):
            self._ask_cuts(row.sid, folder, units)
        if full:
            self._ask_uploads(row.sid, folder)

    def _seen(self, row: Row) -> tuple[bool, bool]:
        """Whether the spool shows its own folder, and its tape."""
        own, parent = self._spool.folder(row.sid), self._spool.folder(row.tape_of)
        return own.spec() is not None, TapeFolder(parent).there()

    def _fail(self, sid: str) -> None:
        """Its tape is gone: nothing of it can be made any more."""
        # A recut ends before its folder and its tape are removed.
        row = self._store.row(sid)
        if row is None or row.state in TERMINAL:
            return
        log.error("the tape of a recut is gone", sid=sid)
        why, spec = "the tape that it is made from is gone", self._store.spec(sid)
        self._store.recuts.follow(sid, reason=why)
        details = error(Module.CLOUD, Level.FATAL, _FAILED, why)
        failed = self._outbox.make(spec, EventType.ERROR, details, once="failed")
        exit_ = self._outbox.make(spec, EventType.SESSION_EXIT, {"exitStatus": 1}, once="exit")
        self._store.finish(sid, Event.FATAL, now_ns(), notices=[*failed, *exit_])

    def _follow(self, row: Row, folder: Folder) -> int:
        """Say how far the tape is; returns how many slices it holds whole.

        The end is in the spool before it is in Redis: who hears of the last slice must know that
        it is the last.  So Redis is asked first.
        """
        closed = folder.closed()
        if closed is None:
            parent = self._store.row(row.tape_of)
            taped = self._spool.folder(row.tape_of).closed()
            if taped is None:
                return self._follow_running(row, parent)
            closed = _from(taped, row.origin_ns)
            folder.close(closed)
        if row.end_ns != closed.end_ns:
            self._store.recuts.follow(
                row.sid, units_sealed=closed.units, end_ns=closed.end_ns, reason=closed.reason
            )
        return closed.units

    def _follow_running(self, row: Row, parent: Row | None) -> int:
        if parent is None or not parent.origin_ns:
            return row.units_sealed
        skipped = (row.origin_ns - parent.origin_ns) // _SLICE_NS
        units = parent.units_sealed - skipped
        if units > row.units_sealed:
            self._store.recuts.follow(row.sid, units_sealed=units)
        return max(units, row.units_sealed)

    def _ask_cuts(self, sid: str, folder: Folder, units: int) -> None:
        """Of an individual recording the first slice is asked for: the others follow from it."""
        missing = (number for number in range(units) if not folder.cut(number))
        ahead = _AHEAD if self._store.spec(sid).mode is Mode.MIX else 1
        damaged = DamagedPieces(folder).slices()
        for number in (*islice(missing, ahead), *damaged[:_AHEAD]):
            if self._once(RECUT, sid, f"cut:{number}", _ASK_CUT_S):
                self._queues.cut(sid, number, recut=True)

    def _ask_uploads(self, sid: str, folder: Folder) -> None:
        for name in ("", *folder.waiting()):
            if self._once(UPLOAD_RECUT, sid, f"upload:{name}", _ASK_UPLOAD_S):
                self._queues.upload(sid, name, recut=True)


def _from(taped: Closed, origin_ns: int) -> Closed:
    """The end of a tape, of which only what follows ``origin_ns`` is cut."""
    skipped = (origin_ns - taped.origin_ns) // _SLICE_NS
    changes = {"origin_ns": origin_ns, "units": taped.units - skipped}
    return taped.model_copy(update=changes)
