"""A recording that Redis lost, made again from what the spool holds."""

import structlog
from cryptography.fernet import InvalidToken
from pydantic import SecretStr, ValidationError

from media.tape.model import NS
from media.tape.reader import Tape
from workers.job.order import standing
from workers.job.sealed import unseal
from workers.job.spec import RecordingSpec
from workers.job.state import State
from workers.job.status import FileEntry
from workers.spool.kept import Kept, TapeFolder
from workers.spool.spool import Closed, Folder
from workers.store.store import Store

_NUMBERS_AHEAD = 1000

log = structlog.get_logger(__name__)


def restore(store: Store, folder: Folder, farm_key: SecretStr) -> None:
    """Tell Redis of the recording in a folder; a recorder or the uploaders go on with it."""
    text = folder.spec()
    if text is None:
        return
    try:
        spec = unseal(text, farm_key)
    except (InvalidToken, ValidationError, ValueError):
        log.exception("a recording in the spool cannot be read", sid=folder.path.name)
        return
    if spec.tape_of:
        log.warning("a recut that redis forgot is known again", sid=spec.sid)
        store.recuts.begin(spec)
        return
    closed, kept = folder.closed(), TapeFolder(folder).kept()
    if closed is not None and kept is not None:
        _remember(store, spec, closed, kept)
        return
    first = folder.unit(0)
    units = sum(1 for _ in folder.units())
    origin_ns = closed.origin_ns if closed else first.start_ns if first else 0
    parts = Tape(folder.tape).manifests()
    fences = [part.fence for part in parts]
    orders = [order.number for order in standing(event for one in parts for event in one.events)]
    log.warning("a recording that redis forgot is known again", sid=spec.sid, closed=bool(closed))
    store.restore(
        spec,
        State.DELIVERING if closed else State.QUEUED,
        max(fences, default=1),
        origin_ns=origin_ns,
        units_sealed=closed.units if closed else units,
        end_ns=closed.end_ns if closed else 0,
        no_data=int(closed is not None and closed.units == 0),
        order=max(orders, default=0),
        told=_may_be_told(folder),
    )


def _may_be_told(folder: Folder) -> int:
    """More notices than there may have been: their numbers go on growing.

    Of each file one tells that it is there or where it begins; of the rest a few do.
    """
    return _NUMBERS_AHEAD + 2 * len(folder.receipts())


def _remember(store: Store, spec: RecordingSpec, closed: Closed, kept: Kept) -> None:
    """It has ended; its tape is still there."""
    # First, because what is remembered says how long its files are remembered.
    for file in kept.files:
        store.save_file(spec.sid, FileEntry(**file))
    store.recuts.remember(
        spec,
        (kept.until_ns - kept.delivered_ns) // NS,
        origin_ns=closed.origin_ns,
        units_sealed=closed.units,
        end_ns=closed.end_ns,
        delivered_ns=kept.delivered_ns,
    )
