"""The keys that a recording's files are brought with."""

import structlog

from workers.job.errors import NotFound
from workers.job.sealed import renewed_ns
from workers.job.spec import RecordingSpec
from workers.spool.spool import Folder
from workers.store.store import Store

log = structlog.get_logger(__name__)


def current(store: Store, folder: Folder, sid: str) -> tuple[RecordingSpec, bool]:
    """What was asked for, with the newest keys; and whether the spool did not know those yet.

    Redis and the spool agree on them afterwards.  Raises NotFound and StoreUnavailable.
    """
    spec, kept = store.spec(sid), folder.spec()
    if kept is None or renewed_ns(kept) == spec.storage.renewed_ns:
        return spec, False
    newest = store.credentials.newest(spec, kept)
    if newest is not spec:
        try:
            store.credentials.renew(sid, newest.storage)
        except NotFound:
            log.info("the recording has ended meanwhile", sid=sid)
        return newest, False
    if renewed_ns(kept) < spec.storage.renewed_ns:
        folder.respecify(store.credentials.sealed(spec))
        log.info("the bucket has other keys", sid=sid)
        return spec, True
    return spec, False
