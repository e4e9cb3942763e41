"""``tapefarm cutter``: one process, one slice at a time."""

import av.logging

from workers import engine
from workers.cutter.cutter import Cutter
from workers.parts import Parts
from workers.settings import Settings


def run(settings: Settings) -> None:
    """Consume the queue ``cut`` until SIGTERM."""
    # Log lines of libav from several threads can crash the process.
    av.logging.set_level(av.logging.PANIC)
    parts = Parts(settings)
    cutter = Cutter(parts.store, parts.spool, parts.queues, parts.outbox, parts.metrics)
    engine.consume(parts.app, engine.CUT, cutter.cut, threads=1)
