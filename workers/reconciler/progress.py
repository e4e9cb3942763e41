"""How much of what was recorded is in the bucket, told once a minute (reference §7.3, event 33)."""

from collections.abc import Collection

import structlog

from media.tape.model import NS
from workers.callbacks.notice import EventType
from workers.callbacks.outbox import Outbox
from workers.job.errors import NotFound
from workers.spool.spool import Folder
from workers.store.row import Row
from workers.store.store import Store, now_ns

EVERY_S = 60.0
_ALL = 10_000
_LOOK_BACK = 500  # slices whose files may wait

log = structlog.get_logger(__name__)


class Progress:
    """Of all recordings.  Every method may raise StoreUnavailable."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox

    def see(self, row: Row, folder: Folder, uncut: int, waiting: Collection[str]) -> None:
        """Tell, if it is time: of so many slices none is cut, and these files wait."""
        if not row.units_sealed or now_ns() - row.origin_ns < EVERY_S * NS:
            return
        if not self._store.ask_once(row.sid, "progress", EVERY_S):
            return
        behind = uncut + _slices_of(folder, row.units_sealed, set(waiting))
        there = max(0, row.units_sealed - behind)
        # It never falls, though more is recorded all the time, and all is said at the end.
        progress = max(row.progress, min(there * _ALL // row.units_sealed, _ALL - 1))
        try:
            spec = self._store.spec(row.sid)
            told = self._outbox.make(spec, EventType.UPLOADING_PROGRESS, {"progress": progress})
            self._store.note(row.sid, "progress", progress, told)
        except NotFound:
            log.info("a recording is not known any more", sid=row.sid)


def _slices_of(folder: Folder, units: int, waiting: set[str]) -> int:
    """How many of the last slices have files among these."""
    count = 0
    for number in range(units - 1, max(-1, units - 1 - _LOOK_BACK), -1):
        if not waiting:
            break
        unit = folder.unit(number)
        names = {segment.name for segment in unit.segments} if unit else set()
        count += bool(names & waiting)
        waiting -= names
    return count
