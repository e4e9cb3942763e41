"""``tapefarm reconciler``: finds what was forgotten, and sends callbacks."""

import signal
import threading

from workers.callbacks.deliver import Deliverer
from workers.parts import Parts
from workers.reconciler.failover import Failover
from workers.reconciler.housekeeping import Housekeeping
from workers.reconciler.reconciler import Reconciler
from workers.settings import Settings


def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    parts = Parts(settings)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    store, spool, queues, metrics = parts.store, parts.spool, parts.queues, parts.metrics
    beside = {
        "callbacks": Deliverer(parts.outbox, parts.apps, metrics).run,
        "reconciler": Reconciler(store, spool, queues, parts.outbox, metrics).run,
        "housekeeping": Housekeeping(store, spool, metrics, settings.farm_key).run,
    }
    threads = [
        threading.Thread(target=run, args=(stop,), name=name, daemon=True)
        for name, run in beside.items()
    ]
    for thread in threads:
        thread.start()
    Failover(store, queues).run(stop)
    for thread in threads:
        thread.join(timeout=15)
