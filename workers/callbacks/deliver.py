"""Sends what is in the outbox, signed, with bounded patience for each receiver."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import structlog
from redis.exceptions import RedisError

from workers.apps import Apps
from workers.callbacks import notice
from workers.callbacks.outbox import Outbox
from workers.metrics.metrics import Metrics
from workers.settings import App

_PAUSES_S = (0.0, 5.0, 20.0)  # three resends, at once and then with growing pauses (§7.1)
_ANSWER_S = 10.0
_AT_ONCE = 16
_PER_RECEIVER = 4

log = structlog.get_logger(__name__)


class Deliverer:
    """One per reconciler process."""

    def __init__(self, outbox: Outbox, apps: Apps, metrics: Metrics) -> None:
        self._outbox = outbox
        self._apps = apps
        self._metrics = metrics
        self._busy = {app.app_id: threading.Semaphore(_PER_RECEIVER) for app in apps.current()}
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="callback")
        self._client = httpx.Client(timeout=_ANSWER_S, follow_redirects=False, trust_env=False)

    def run(self, stop: threading.Event) -> None:
        """Until stopped; what was not delivered by then stays in the outbox."""
        while not stop.wait(0.2):
            try:
                for id_ in self._outbox.due(time.time(), _AT_ONCE):
                    self._pool.submit(self._guarded, id_)
            except RedisError as exc:
                log.warning("outbox out of reach", error=type(exc).__name__)
                stop.wait(1)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def _guarded(self, id_: str) -> None:
        try:
            self._deliver(id_)
        except RedisError:
            log.exception("callback state not written", notice=id_)
        except Exception:
            # Nobody reads the pool's futures; the notice is due again when it is no longer hidden.
            log.exception("callback not sent", notice=id_)

    def _deliver(self, id_: str) -> None:
        loaded = self._outbox.load(id_)
        if loaded is None:
            return
        app_id, rows, attempts = loaded
        app = self._apps.find(app_id)
        if app is None:
            self._outbox.settle(id_)
            return
        if not self._busy[app_id].acquire(blocking=False):
            self._outbox.retry_later(id_)
            return
        try:
            delivered = self._post(app, notice.body(rows, time.time_ns() // 1_000_000))
        finally:
            self._busy[app_id].release()
        self._metrics.callbacks.labels("delivered" if delivered else "failed").inc()
        self._settle(id_, delivered, attempts)

    def _settle(self, id_: str, delivered: bool, attempts: int) -> None:
        if delivered:
            self._outbox.settle(id_)
        elif attempts < len(_PAUSES_S):
            self._outbox.retry(id_, time.time() + _PAUSES_S[attempts])
        else:
            log.warning("callback given up", notice=id_, attempts=attempts + 1)
            self._metrics.callbacks.labels("given_up").inc()
            self._outbox.settle(id_)

    def _post(self, app: App, raw: bytes) -> bool:
        headers = {
            "Content-Type": "application/json",
            **notice.signatures(raw, app.callback_secret.get_secret_value()),
        }
        try:
            answer = self._client.post(app.callback_url, content=raw, headers=headers)
        except httpx.HTTPError as exc:
            log.warning("callback not answered", error=type(exc).__name__)
            return False
        return answer.status_code == 200
