"""``tapefarm recorder``: one process, many recordings."""

from celery.signals import worker_shutting_down

from workers import engine
from workers.parts import Parts
from workers.recorder.process import Recorder
from workers.settings import Settings


def run(settings: Settings) -> None:
    """Consume the queue ``record`` until SIGTERM; then hand over what runs here."""
    parts = Parts(settings)
    recorder = Recorder(settings, parts.store, parts.queues, parts.outbox, parts.metrics)

    def drain(**_: object) -> None:
        recorder.drain()

    worker_shutting_down.connect(drain, weak=False)
    engine.consume(parts.app, engine.RECORD, recorder.record, threads=settings.slots)
    recorder.close()
