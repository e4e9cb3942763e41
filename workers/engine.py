"""Celery on Redis: the queues, and how the farm's workers consume them.

Recuts have queues of their own, `recut` and `upload_recut`, that are looked at only while `cut` and
`upload` are empty.

A message is a hint.  `record` is acknowledged when it is taken, because it runs for hours and
the lease says who owns a recording; `cut` and `upload` are acknowledged when they are done,
because they are short and may be done twice.  The reconciler asks again for what was lost.
"""

import os
import socket
from collections.abc import Callable
from functools import cached_property
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging
from kombu.exceptions import OperationalError

from workers.job.errors import StoreUnavailable
from workers.message import Message
from workers.store import keys

RECORD, CUT, UPLOAD = keys.RECORD, "cut", "upload"
RECUT, UPLOAD_RECUT = "recut", "upload_recut"  # their names sort behind what goes first, see make()
QUEUES = (RECORD, CUT, UPLOAD, RECUT, UPLOAD_RECUT)
_VISIBILITY_S = 600  # far above the longest cut, far below a recording
_LIVE_SOCKET = {
    "visibility_timeout": _VISIBILITY_S,
    "health_check_interval": 15,
    "socket_keepalive": True,
    "retry_on_timeout": True,
    "socket_connect_timeout": 2,
    "global_keyprefix": keys.CELERY_PREFIX,
    "queue_order_strategy": "sorted",  # of several queues the first by name that is not empty
}

log = structlog.get_logger(__name__)


@setup_logging.connect(weak=False)  # type: ignore[untyped-decorator]  # celery has no types
def _leave_logging_alone(**_: object) -> None:
    """Celery configures logging unless somebody else says they do; workers/logs.py does."""


def make(redis_url: str) -> Celery:
    """The Celery application; no task is registered yet."""
    app = Celery("tapefarm", broker=redis_url)
    app.conf.update(
        broker_transport_options=_LIVE_SOCKET,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=32,
        task_ignore_result=True,
        task_default_queue=RECORD,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_enable_prefetch_count_reduction=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=20,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        event_queue_expires=60,
    )
    return app


class Queues:
    """Where work is asked for.  Every method may raise StoreUnavailable."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    @cached_property
    def _record(self) -> Message:
        """Only the API wants one, which takes some time to make."""
        return Message(self._app, RECORD)

    def record_message(self, sid: str) -> str:
        """What :meth:`record` sends, for who puts it into the queue; see Store.start."""
        return self._record.text(sid)

    def record(self, sid: str) -> None:
        """Ask some recorder to take this recording."""
        self._send(RECORD, sid)

    def cut(self, sid: str, number: int, *, recut: bool = False) -> None:
        """Ask for one slice; of a ``recut`` it is cut when no other is asked for."""
        self._send(RECUT if recut else CUT, sid, number)

    def upload(self, sid: str, name: str, *, recut: bool = False) -> None:
        """Ask for one file to be brought to the bucket."""
        self._send(UPLOAD_RECUT if recut else UPLOAD, sid, name)

    def deliver(self, sid: str, *, recut: bool = False) -> None:
        """Ask for a look at whether everything is in the bucket."""
        self._send(UPLOAD_RECUT if recut else UPLOAD, sid, "")

    def _send(self, name: str, *args: Any) -> None:
        try:
            self._app.send_task(name, args=args, queue=name, retry=True, retry_policy=_RETRY)
        except OperationalError as exc:
            raise StoreUnavailable("the queue did not answer") from exc


_RETRY = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}


def consume(
    app: Celery, queue: str, work: Callable[..., None], *, threads: int, then: str = ""
) -> None:
    """Consume a queue in this process until SIGTERM; returns when the running work is done.

    While it is empty, the same work is done for the queue ``then``, whose name sorts behind it.
    """
    queues = [name for name in (queue, then) if name]
    for name in queues:
        _register(app, name, work)
    app.worker_main(
        [
            "--quiet",
            "worker",
            f"--queues={','.join(queues)}",
            "--pool=threads",
            f"--concurrency={threads}",
            f"--hostname={queue}-{_process_name()}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "--loglevel=WARNING",
        ]
    )


def _register(app: Celery, queue: str, work: Callable[..., None]) -> None:
    late = queue != RECORD

    @app.task(name=queue, acks_late=late, reject_on_worker_lost=late)  # type: ignore[untyped-decorator]  # celery has no types
    def task(*args: Any) -> None:
        try:
            work(*args)
        except Exception:
            # The reconciler will ask again; a worker must not die of one bad recording.
            log.exception("work failed", queue=queue, args=args)


def _process_name() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"
