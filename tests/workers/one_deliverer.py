"""A process that delivers callbacks, until it is killed; others have to wait for 2 s only."""

import sys
import threading

from pydantic import SecretStr

from workers.apps import Apps
from workers.callbacks import outbox
from workers.callbacks.deliver import Deliverer
from workers.metrics.metrics import Metrics
from workers.settings import App
from workers.store.connect import connect


def run(url: str, callback_url: str) -> None:
    app = App(
        app_id="app", customer_key="k", customer_secret=SecretStr("s"), callback_url=callback_url
    )
    outbox._HIDDEN_MS = 2000
    apps = Apps((app,))
    Deliverer(outbox.Outbox(connect(url), apps), apps, Metrics()).run(threading.Event())


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2])
