"""A deliverer at work, as the reconciler runs it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from workers.apps import Apps
from workers.callbacks.deliver import Deliverer
from workers.callbacks.outbox import Outbox
from workers.metrics.metrics import Metrics
from workers.settings import App
from workers.store.store import Store


def an_app(app_id: str, url: str) -> App:
    """A customer whose callbacks go to a URL."""
    return App(
        app_id=app_id,
        customer_key=app_id,
        customer_secret=SecretStr("s"),
        callback_url=url,
        callback_secret=SecretStr("hook secret"),
    )


@contextmanager
def delivering(store: Store, *apps: App, metrics: Metrics | None = None) -> Iterator[Outbox]:
    """Until the end; what comes too late for it waits in the outbox."""
    known, stop = Apps(apps), threading.Event()
    outbox = Outbox(store.client, known)
    deliverer = Deliverer(outbox, known, metrics or Metrics())
    thread = threading.Thread(target=deliverer.run, args=(stop,))
    thread.start()
    try:
        yield outbox
    finally:
        stop.set()
        thread.join(timeout=15)
        assert not thread.is_alive()
