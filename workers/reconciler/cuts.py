"""Looks after recordings that are cut again, and after the tapes that are kept for that."""

from collections.abc import Callable
from itertools import islice

import structlog

from media.tape.model import NS
from workers.engine import RECUT, REUPLOAD, Queues
from workers.job.spec import SLICE_SECONDS, Mode
from workers.job.state import TERMINAL, Event
from workers.spool.kept import TapeFolder
from workers.spool.spool import Closed, Folder, Spool
from workers.store.store import Row, Store, now_ns

_SLICE_NS = SLICE_SECONDS * NS
_AHEAD = 64  # slices of one mix that are asked for at a time, when fewer wait
_ASK_CUT_S = 15.0
_ASK_UPLOAD_S = 10.0
_STALE_S = 60.0  # a note about a cut that was never taken in
_LOCK_S = 10.0

Once = Callable[[str, str, str, float], bool]

log = structlog.get_logger(__name__)


class CutsAgain:
    """Used by the reconciler; every method may raise StoreUnavailable."""

    def __init__(self, store: Store, spool: Spool, queues: Queues, once: Once) -> None:
        """``once(queue, sid, work, seconds)``: whether to ask for work now."""
        self._store = store
        self._spool = spool
        self._queues = queues
        self._once = once

    def see(self, row: Row, *, full: bool, waiting: int) -> None:
        """Follow the tape, and ask for what is missing; ``waiting`` slices wait to be cut."""
        if not self._spool.there():
            return  # the whole spool is away, for now
        folder = self._spool.folder(row.sid)
        if folder.spec() is None or not TapeFolder(self._spool.folder(row.tape_of)).there():
            log.error("a recording cannot be cut again, its tape is gone", sid=row.sid)
            self._store.finish(row.sid, Event.FATAL, now_ns())
            return
        units = self._follow(row, folder)
        if waiting < _AHEAD and (full or units > row.units_sealed):
            self._ask_cuts(row.sid, folder, units)
        if full:
            self._ask_uploads(row.sid, folder)

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
            self._store.cuts.follow(
                row.sid, units_sealed=closed.units, end_ns=closed.end_ns, reason=closed.reason
            )
        return closed.units

    def _follow_running(self, row: Row, parent: Row | None) -> int:
        if parent is None or not parent.origin_ns:
            return row.units_sealed
        skipped = (row.origin_ns - parent.origin_ns) // _SLICE_NS
        units = parent.units_sealed - skipped
        if units > row.units_sealed:
            self._store.cuts.follow(row.sid, units_sealed=units)
        return max(units, row.units_sealed)

    def _ask_cuts(self, sid: str, folder: Folder, units: int) -> None:
        """Of an individual recording the first slice is asked for: the others follow from it."""
        missing = (number for number in range(units) if not folder.cut(number))
        ahead = _AHEAD if self._store.spec(sid).mode is Mode.MIX else 1
        for number in islice(missing, ahead):
            if self._once(RECUT, sid, f"cut:{number}", _ASK_CUT_S):
                self._queues.cut(sid, number, again=True)

    def _ask_uploads(self, sid: str, folder: Folder) -> None:
        for name in ("", *folder.waiting()):
            if self._once(REUPLOAD, sid, f"upload:{name}", _ASK_UPLOAD_S):
                self._queues.upload(sid, name, again=True)

    def leave(self, sid: str) -> None:
        """A recording has ended: see that all of it is forgotten but a tape that is kept."""
        tape = TapeFolder(self._spool.folder(sid))
        if tape.kept() is None:
            tape.folder.remove()
        else:
            tape.thin()

    def tidy(self, sid: str) -> None:
        """Remove a kept tape that nobody needs any more, and notes that nobody took back."""
        tape = TapeFolder(self._spool.folder(sid))
        for cut in tape.cuts():
            if self._is_over(cut, tape):
                tape.end_cut(cut)
        if tape.overdue(now_ns()):
            with self._store.locked(f"deliver:{sid}", ttl_s=_LOCK_S, wait_s=0) as held:
                if held and tape.overdue(now_ns()):
                    log.info("the time of a tape is over", sid=sid)
                    tape.folder.remove()

    def _is_over(self, cut: str, tape: TapeFolder) -> bool:
        row = self._store.row(cut)
        if row is not None:
            return row.state in TERMINAL
        return self._spool.folder(cut).spec() is None and tape.noted_for_s(cut) > _STALE_S


def _from(taped: Closed, origin_ns: int) -> Closed:
    """The end of a tape, of which only what follows ``origin_ns`` is cut."""
    skipped = (origin_ns - taped.origin_ns) // _SLICE_NS
    changes = {"origin_ns": origin_ns, "units": taped.units - skipped}
    return taped.model_copy(update=changes)
