"""What ``tapefarm bench api`` measures: one API process, its Redis and its S3."""

import json
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import redis
from pydantic import SecretStr

from workers.embedded.environment import with_settings
from workers.embedded.home import Home
from workers.embedded.keys import Keys
from workers.embedded.part import Part, Stage
from workers.embedded.ports import Ports
from workers.embedded.probe import http_ok
from workers.embedded.redis import RedisServer, find_redis
from workers.embedded.s3 import find_rclone, s3_part
from workers.embedded.s3_address import S3Address
from workers.embedded.supervisor import Supervisor
from workers.store.connect import connect
from workers.store.store import Store

_READY_S = 60.0
_LONG_S = 3600.0  # longer than any measurement
_SLOTS = 1_000_000


class Server:
    """The API as ``tapefarm api`` runs it, with nobody who records; a context manager.

    Raises EmbeddedError when it does not come up.
    """

    def __init__(self, data: Path, command: tuple[str, ...]) -> None:
        self._home = Home(data)
        self._command = command
        self._ends = ExitStack()
        self._cores = sorted(os.sched_getaffinity(0))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._home.locked())
            self.keys = Keys.kept(self._home.keys)
            ports = Ports(self._home.ports)
            server = RedisServer(self._home.redis, ports.pick("redis"), self.keys.redis_password)
            endpoint = f"127.0.0.1:{ports.pick('s3')}"
            self.s3 = S3Address(endpoint, self.keys.s3_access_key, self.keys.s3_secret_key)
            self.port = ports.pick("api")
            parts = stack.enter_context(Supervisor(run_dir=self._home.run, log_dir=self._home.logs))
            stores = (server.part(find_redis()), s3_part(find_rclone(), self._home.s3, self.s3))
            parts.start(stores, within_s=_READY_S)
            self.redis: redis.Redis = connect(server.url)
            stack.callback(self.redis.close)
            Store(self.redis, SecretStr(self.keys.farm_key)).heartbeat("bench", _SLOTS, _LONG_S)
            parts.start([self._api(server.url)], within_s=_READY_S)
            self._pids = parts.pids
            stack.callback(os.sched_setaffinity, 0, self._cores)
            self.pinned = self._pin()
            self._ends = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self._ends.__exit__(kind, exc, at)

    def cpu_s(self) -> dict[str, float]:
        """CPU that was used so far, user and system together: of the API, of Redis, of us."""
        return {
            "api": _cpu_s(self._pids["api"]),
            "redis": _cpu_s(self._pids["redis"]),
            "load": time.process_time(),
        }

    def commands(self) -> dict[str, int]:
        """How often Redis did each of its commands so far, also inside scripts."""
        rows: Mapping[str, Any] = self.redis.info("commandstats")
        return {name.removeprefix("cmdstat_"): int(row["calls"]) for name, row in rows.items()}

    def _api(self, redis_url: str) -> Part:
        app = {
            "app_id": self.keys.app_id,
            "customer_key": self.keys.customer_key,
            "customer_secret": self.keys.customer_secret,
        }
        return Part(
            name="api",
            stage=Stage.API,
            argv=(*self._command, "api"),
            ready=partial(http_ok, f"http://127.0.0.1:{self.port}/readyz"),
            env=with_settings(
                {
                    "redis_url": redis_url,
                    "spool": str(self._home.spool),
                    "farm_key": self.keys.farm_key,
                    "apps": json.dumps([app]),
                    "host": "127.0.0.1",
                    "port": str(self.port),
                    "allow_private_endpoints": "true",
                    "requests_per_second": "0",
                    "log_format": "json",
                    "log_level": "info",
                }
            ),
            stop_s=2.0,  # calls that wait for nobody's files are of no use any more
        )

    def _pin(self) -> bool:
        """The API on a core of its own, and everybody else on the others, if there are others."""
        ours, *others = self._cores
        for name, pid in self._pids.items():
            for each in _tree(pid):
                for thread in each.threads():
                    os.sched_setaffinity(thread.id, {ours} if name == "api" else others or {ours})
        os.sched_setaffinity(0, others or {ours})
        return bool(others)


def _tree(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _cpu_s(pid: int) -> float:
    times = [each.cpu_times() for each in _tree(pid)]
    return float(sum(each.user + each.system for each in times))
