"""`tapefarm up`: a whole farm on one host, from nothing."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from workers.apps import Apps
from workers.embedded import farm_json
from workers.embedded.environment import with_settings
from workers.embedded.errors import BadAddress
from workers.embedded.farm_json import Wiring
from workers.embedded.home import Home
from workers.embedded.keys import Keys
from workers.embedded.leftovers import end_leftovers
from workers.embedded.part import Part, Stage
from workers.embedded.ports import Ports
from workers.embedded.probe import Probe, bucket_answers, http_ok, redis_answers
from workers.embedded.redis import RedisServer, find_redis
from workers.embedded.s3 import find_rclone, s3_part
from workers.embedded.s3_address import S3Address
from workers.embedded.supervisor import Supervisor
from workers.settings import App

log = structlog.get_logger(__name__)

_STORES_S = 30.0  # how long Redis, storage and room may take to be ready
_FARM_S = 60.0
_STAGES = {"recorder": Stage.RECORDER, "cutter": Stage.CUTTER, "uploader": Stage.UPLOADER}
_STOP_S = {"recorder": 15.0, "cutter": 10.0, "uploader": 10.0}


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line; None for a URL means: start one."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8080  # 0 picks a free one
    recorders: int = 1
    cutters: int = 1
    uploaders: int = 1
    redis: str | None = field(default=None, repr=False)
    s3: str | None = field(default=None, repr=False)
    channel: str | None = None
    callback_url: str = ""
    apps: Path | None = None  # a file of apps beside the farm's own, see workers/apps_file.py
    requests_per_second: float | None = None  # quota of each app; None: the caller's, or none

    @property
    def counts(self) -> dict[str, int]:
        """How many processes of each kind of worker."""
        return {
            "recorder": self.recorders,
            "cutter": self.cutters,
            "uploader": self.uploaders,
        }


class Plan:
    """Everything that a farm consists of, decided before anything is started."""

    def __init__(self, options: Options, home: Home, command: tuple[str, ...]) -> None:
        self._options = options
        self._home = home
        self._command = command
        self._ports = Ports(home.ports)
        self.keys = Keys.kept(home.keys)
        # So that a wrong file is said here, and not by each process in its log.
        Apps((App.model_validate(self._own_app()),), options.apps)
        self.stores: list[Part] = []  # what the rest needs: started and ready first
        self.others: dict[str, Probe] = {}  # stores that run elsewhere
        self.workers: list[Part] = []
        port = self._port_of_api()
        redis = self._plan_redis()
        s3 = self._plan_s3()
        room, channel = self._plan_room()
        self.wiring = Wiring(
            api=f"http://{self._public_host()}:{port}",
            room=room,
            channel=channel,
            redis=redis,
            s3=s3,
            metrics=self._metrics(port),
        )
        self._plan_workers(port)

    def _port_of_api(self) -> int:
        options = self._options
        if options.port == 0:
            return self._ports.pick("api", options.host)
        return self._ports.claim("api", options.port, options.host)

    def _public_host(self) -> str:
        """Under which name this host reaches what listens on ``--host``."""
        host = self._options.host
        if host in ("", "0.0.0.0"):
            return "127.0.0.1"
        return {"::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)

    def _plan_redis(self) -> str:
        given = self._options.redis
        if given is not None:
            if urlsplit(given).scheme not in ("redis", "rediss"):
                raise BadAddress("a Redis address looks like redis://[:password@]host:6379/0")
            self.others["redis"] = partial(redis_answers, given)
            return given
        binary = find_redis()
        server = RedisServer(self._home.redis, self._ports.pick("redis"), self.keys.redis_password)
        self.stores.append(server.part(binary))
        return server.url

    def _plan_s3(self) -> S3Address:
        if self._options.s3 is not None:
            address = S3Address.parse(self._options.s3)
            self.others["s3"] = partial(bucket_answers, address)
            return address
        endpoint = f"127.0.0.1:{self._ports.pick('s3')}"
        address = S3Address(endpoint, self.keys.s3_access_key, self.keys.s3_secret_key)
        self.stores.append(s3_part(find_rclone(), self._home.s3, address))
        return address

    def _plan_room(self) -> tuple[str | None, str]:
        """The room's own address, and the channel URL that recorders use."""
        if self._options.channel is not None:
            return None, self._options.channel
        port = self._ports.pick("room", self._options.host)
        url = f"http://{self._public_host()}:{port}"
        self.stores.append(
            Part(
                name="room",
                stage=Stage.ROOM,
                argv=(
                    *self._command,
                    *("room", "--host", self._options.host, "--port", str(port)),
                ),
                ready=partial(http_ok, f"{url}/"),
                env=with_settings({"log_format": "json"}),
                stop_s=5.0,
            )
        )
        return url, f"room+{url}"

    def _metrics(self, api_port: int) -> dict[str, str]:
        numbered = [
            f"{role}-{number}"
            for role, count in self._options.counts.items()
            for number in range(1, count + 1)
        ]
        ports = {name: self._ports.pick(f"{name} metrics") for name in (*numbered, "reconciler")}
        urls = {name: f"http://127.0.0.1:{port}/metrics" for name, port in ports.items()}
        return {"api": f"http://{self._public_host()}:{api_port}/metrics", **urls}

    def _plan_workers(self, api_port: int) -> None:
        for name, url in self.wiring.metrics.items():
            if name != "api":
                self.workers.append(self._worker(name, url))
        self.workers.append(
            Part(
                name="api",
                stage=Stage.API,
                argv=(*self._command, "api"),
                ready=partial(http_ok, f"{self.wiring.api}/readyz"),
                env=self._settings(host=self._options.host, port=str(api_port)),
            )
        )

    def _worker(self, name: str, metrics_url: str) -> Part:
        role = name.partition("-")[0]
        port = urlsplit(metrics_url).port
        return Part(
            name=name,
            stage=_STAGES.get(role, Stage.RECONCILER),
            argv=(*self._command, role),
            ready=partial(http_ok, metrics_url),
            env=self._settings(metrics_host="127.0.0.1", metrics_port=str(port)),
            stop_s=_STOP_S.get(role, 5.0),
        )

    def _own_app(self) -> dict[str, str]:
        keys = self.keys
        return {
            "app_id": keys.app_id,
            "customer_key": keys.customer_key,
            "customer_secret": keys.customer_secret,
            "callback_url": self._options.callback_url,
            "callback_secret": keys.callback_secret,
        }

    def _settings(self, **more: str) -> dict[str, str]:
        return with_settings(
            {
                "redis_url": self.wiring.redis,
                "spool": str(self._home.spool),
                "farm_key": self.keys.farm_key,
                "channel_url": self.wiring.channel,
                "apps": json.dumps([self._own_app()]),
                "allow_private_endpoints": "true",
                "log_format": "json",
                **self._asked_for(),
                **more,
            },
            unless_given={"requests_per_second": "0", "callback_source_ips": '["127.0.0.1"]'},
        )

    def _asked_for(self) -> dict[str, str]:
        apps, rate = self._options.apps, self._options.requests_per_second
        asked = {} if apps is None else {"apps_file": str(apps.absolute())}
        return asked if rate is None else asked | {"requests_per_second": str(rate)}


def up(options: Options, *, command: tuple[str, ...], say: Callable[[str], None] = print) -> None:
    """Run a farm until SIGINT or SIGTERM.  Raises EmbeddedError and BadApps.

    ``command`` starts one of our own processes when a role ("recorder") is added to it.
    """
    home = Home(options.data)
    with home.locked():
        home.farm_json.unlink(missing_ok=True)  # who waits for it must not read the last one
        ended = end_leftovers(home.run)
        if ended:
            log.warning("processes of a farm that was killed were ended", count=ended)
        plan = Plan(options, home, command)
        publish = partial(_write_farm_json, home.farm_json, plan)
        try:
            with Supervisor(run_dir=home.run, log_dir=home.logs, on_change=publish) as parts:
                _start(parts, plan)
                if not parts.stopping:
                    publish(parts.pids)
                    say(f"tapefarm is up: {plan.wiring.api}")
                    parts.run()
        finally:
            if home.farm_json.exists():
                publish({})


def _start(parts: Supervisor, plan: Plan) -> None:
    parts.start(plan.stores, within_s=_STORES_S)
    parts.wait_ready(plan.others, within_s=_STORES_S)
    parts.start(plan.workers if not parts.stopping else [], within_s=_FARM_S)


def _write_farm_json(path: Path, plan: Plan, pids: Mapping[str, int]) -> None:
    try:
        farm_json.write(path, farm_json.document(plan.wiring, plan.keys, pids))
    except OSError as exc:
        # A full disk must not end a farm that records.
        log.error("farm.json cannot be written", error=str(exc))
