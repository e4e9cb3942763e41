"""``tapefarm reconciler``: finds what was forgotten, and sends callbacks."""

import signal
import threading

from workers.callbacks.deliver import Deliverer
from workers.parts import Parts
from workers.reconciler.reconciler import Reconciler
from workers.settings import Settings


def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    parts = Parts(settings)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    deliverer = Deliverer(parts.outbox, settings.apps, parts.metrics)
    sending = threading.Thread(target=deliverer.run, args=(stop,), name="callbacks")
    sending.start()
    Reconciler(parts.store, parts.spool, parts.queues, parts.metrics, settings.farm_key).run(stop)
    sending.join(timeout=15)
