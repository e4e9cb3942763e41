"""Callbacks that wait in Redis until their receiver said 200."""

import json
import time
from collections.abc import Mapping
from typing import Any

import redis
import structlog
from redis.exceptions import RedisError

from workers.apps import Apps
from workers.callbacks import notice
from workers.callbacks.notice import EventType
from workers.job.spec import RecordingSpec
from workers.store import keys, scripts
from workers.store.store import now_ns

_HIDDEN_S = 30.0  # a deliverer has this long before another one tries
_KEPT_S = 86400
# There may be one every few seconds.  If its uploader dies before it is noted in the spool that it
# is there, another one asks within seconds.
_SNAPSHOT_KEPT_S = 86400

log = structlog.get_logger(__name__)


class Outbox:
    """Puts notices in, and hands out those that are due."""

    def __init__(self, client: redis.Redis, apps: Apps) -> None:
        self._client = client
        self._apps = apps
        self._due = client.register_script(scripts.DUE)

    def add(
        self, spec: RecordingSpec, event: EventType, details: Mapping[str, Any], *, once: str = ""
    ) -> None:
        """Queue a notice; with ``once`` only the first of that name in this recording.

        Never raises: a notice must not stop a recording.  If Redis is away it is lost, and said
        so in the log.
        """
        app = self._apps.find(spec.app_id)
        if app is None or not app.callback_url:
            return
        try:
            if once and not self._first(spec.sid, event, once):
                return
            self._add(spec, event, details)
        except RedisError:
            log.exception("callback not queued", sid=spec.sid, notice=int(event))

    def _first(self, sid: str, event: EventType, once: str) -> bool:
        key = keys.asked(sid, f"notice:{once}")
        is_snapshot = event is EventType.SNAPSHOT_FILE
        kept_s = _SNAPSHOT_KEPT_S if is_snapshot else keys.RESOURCE_KEPT_S
        with self._client.pipeline() as pipe:
            pipe.set(key, "1", nx=True)
            pipe.expire(key, kept_s)  # who asks at all goes on asking
            return bool(pipe.execute()[0])

    def _add(self, spec: RecordingSpec, event: EventType, details: Mapping[str, Any]) -> None:
        now = now_ns()
        sequence = int(self._client.incr(keys.sequence(spec.sid))) - 1
        rows = notice.envelope(spec, event, details, sequence, now)
        key = keys.callback(rows["noticeId"])
        with self._client.pipeline() as pipe:
            pipe.expire(keys.sequence(spec.sid), keys.RESOURCE_KEPT_S)
            pipe.hset(key, mapping={"app": spec.app_id, "notice": json.dumps(rows), "attempts": 0})
            pipe.expire(key, _KEPT_S)
            pipe.zadd(keys.OUTBOX, {rows["noticeId"]: now / 1e9})
            pipe.execute()

    def due(self, now_s: float, count: int) -> list[str]:
        """Ids to deliver now; each is hidden from others for a while."""
        ids = self._due(keys=[keys.OUTBOX], args=[now_s, now_s + _HIDDEN_S, count])
        return [str(id_) for id_ in ids]

    def load(self, id_: str) -> tuple[str, dict[str, Any], int] | None:
        """App, notice and number of attempts so far; None if it is gone."""
        row = self._client.hgetall(keys.callback(id_))
        if "notice" not in row:  # it lapsed, perhaps while an attempt was counted
            self.settle(id_)
            return None
        return str(row["app"]), json.loads(row["notice"]), int(row["attempts"])

    def settle(self, id_: str) -> None:
        """It was delivered, or is given up."""
        with self._client.pipeline() as pipe:
            pipe.zrem(keys.OUTBOX, id_)
            pipe.delete(keys.callback(id_))
            pipe.execute()

    def retry(self, id_: str, at_s: float) -> None:
        """Try again then."""
        with self._client.pipeline() as pipe:
            pipe.hincrby(keys.callback(id_), "attempts", 1)
            pipe.zadd(keys.OUTBOX, {id_: at_s})
            pipe.execute()

    def retry_later(self, id_: str) -> None:
        """Its receiver is busy: look again in a moment, without counting an attempt."""
        self._client.zadd(keys.OUTBOX, {id_: time.time() + 0.5})
