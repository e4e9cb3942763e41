"""``tapefarm cutter``: one process, one slice at a time."""

import av.logging

from media.capture.collector import relax
from workers import engine
from workers.addresses import Border
from workers.cutter.cutter import Cutter
from workers.cutter.images import Images
from workers.parts import Parts
from workers.settings import Settings


def run(settings: Settings) -> None:
    """Consume the queue ``cut``, and ``recut`` after it, until SIGTERM."""
    # Log lines of libav from several threads can crash the process.
    av.logging.set_level(av.logging.PANIC)
    parts = Parts(settings)
    border = Border(
        allow_private=settings.allow_private_endpoints, timeout_s=settings.storage_check_s
    )
    images = Images.behind(border)
    cutter = Cutter(
        parts.store,
        parts.spool,
        parts.queues,
        parts.outbox,
        parts.metrics,
        images,
        settings.encoder(),
    )
    relax()
    engine.consume(parts.app, engine.CUT, cutter.cut, threads=1, then=engine.RECUT)
