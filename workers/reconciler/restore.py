"""A recording that Redis lost, made again from what the spool holds."""

import structlog
from cryptography.fernet import InvalidToken
from pydantic import SecretStr, ValidationError

from media.tape.reader import Tape
from workers.job.sealed import unseal
from workers.job.state import State
from workers.spool.spool import Folder
from workers.store.store import Store

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
    closed, first = folder.closed(), folder.unit(0)
    units = sum(1 for _ in folder.units())
    origin_ns = closed.origin_ns if closed else first.start_ns if first else 0
    fences = [part.fence for part in Tape(folder.tape).manifests()]
    log.warning("a recording that redis forgot is known again", sid=spec.sid, closed=bool(closed))
    store.restore(
        spec,
        State.DELIVERING if closed else State.QUEUED,
        max(fences, default=1),
        origin_ns=origin_ns,
        units_sealed=closed.units if closed else units,
        end_ns=closed.end_ns if closed else 0,
        no_data=int(closed is not None and closed.units == 0),
    )
