"""What every worker process is put together from."""

import structlog

from workers import engine
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.metrics.metrics import Metrics
from workers.settings import Settings
from workers.spool.spool import Spool
from workers.store.connect import connect
from workers.store.store import Store

log = structlog.get_logger(__name__)


class Parts:
    """Made once in ``run``; the metrics of the process are served from here on."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self.app = engine.make(settings.redis_url)
        self.queues = engine.Queues(self.app)
        self.store = Store(connect(settings.redis_url), settings.farm_key)
        self.apps = Apps(settings.apps, settings.apps_file)
        self.outbox = Outbox(self.store.client, self.apps)
        self.spool = Spool(settings.spool)
        port = self.metrics.serve(settings.metrics_host, settings.metrics_port)
        log.info("process started", metrics_port=port)
