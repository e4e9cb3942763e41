"""``tapefarm recorder``: one process, many recordings."""

import resource

from celery.signals import worker_shutting_down

from media.capture.collector import relax
from media.tape import disk
from workers import engine
from workers.parts import Parts
from workers.recorder.network import network_of
from workers.recorder.process import Recorder
from workers.settings import Settings


def run(settings: Settings) -> None:
    """Consume the queue ``record`` until SIGTERM; then hand over what runs here.

    Raises NoSuchInterface, or OSError when the certificates of ``media_ca_file`` cannot be read.
    """
    network_of(settings, settings.channel_url)  # better refused now than at the first recording
    _allow_many_sockets()
    disk.SHARED.memory_bytes = settings.tape_memory_bytes
    parts = Parts(settings)
    recorder = Recorder(settings, parts.store, parts.queues, parts.outbox, parts.metrics)

    def drain(**_: object) -> None:
        recorder.drain()

    worker_shutting_down.connect(drain, weak=False)
    relax()
    engine.consume(parts.app, engine.RECORD, recorder.record, threads=settings.slots)
    recorder.close()


def _allow_many_sockets() -> None:
    """One and more for each connection; what a shell allows is for a shell."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
