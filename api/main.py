"""``tapefarm api``: the REST API in one process of many threads."""

from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from api.agora.service import STOPS_WAITING
from api.app import create_app
from workers import engine
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.control import Farm
from workers.metrics.metrics import Metrics
from workers.recut_control import RecutControl
from workers.settings import Settings
from workers.spool.spool import Spool
from workers.storage.check import StorageCheck
from workers.storage.opening import Buckets
from workers.store.connect import TOGETHER, connect
from workers.store.store import Store

_THREADS = STOPS_WAITING + 64  # each of those holds one for as long as the last files take


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn, configured here and nowhere else."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Before the fork, so that a wrong file of apps ends this process with a word.
        self._apps = Apps(settings.apps, settings.apps_file)
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": f"{self._settings.host}:{self._settings.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": _THREADS,
            "backlog": 1024,
            "keepalive": 15,
            "timeout": 60,
            "graceful_timeout": 25,
            "limit_request_line": 8190,
            "control_socket_disable": True,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        # Called in the worker, after the fork: connections and threads belong to it alone.
        settings = self._settings
        # Every thread may be in a synchronous stop, which waits in Redis.
        client = connect(settings.redis_url, together=_THREADS + TOGETHER)
        store = Store(client, settings.farm_key)
        queues = engine.Queues(engine.make(settings.redis_url))
        recuts = RecutControl(store, Spool(settings.spool), settings.farm_key)
        check = StorageCheck(settings.storage_check_s, Buckets(settings.storage_ca_file))
        farm = Farm(store, queues, check, recuts, Outbox(client, self._apps))
        return create_app(
            farm,
            settings,
            Metrics(),
            apps=self._apps,
            requests_per_second=settings.requests_per_second,
        )


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    _Server(settings).run()
