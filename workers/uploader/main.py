"""``tapefarm uploader``: one process, several files at a time."""

from workers import engine
from workers.parts import Parts
from workers.settings import Settings
from workers.storage.opening import Buckets
from workers.uploader.uploader import Uploader

_THREADS = 4


def run(settings: Settings) -> None:
    """Consume the queue ``upload``, and ``upload_recut`` after it, until SIGTERM."""
    parts = Parts(settings)
    retention_s = settings.tape_retention_s
    buckets = Buckets(settings.storage_ca_file)
    uploader = Uploader(parts.store, parts.spool, parts.outbox, parts.metrics, retention_s, buckets)
    engine.consume(
        parts.app, engine.UPLOAD, uploader.upload, threads=_THREADS, then=engine.UPLOAD_RECUT
    )
