"""``tapefarm bench api``: how many calls one API process answers on one core, and how soon.

An API process as ``tapefarm api`` runs it, with a Redis and an S3 of its own on this host.  It has
a core for itself; Redis, S3 and the load share the others.  The farm has room for every recording
and nobody who records.  Each start call is another mix, with a layout, lists, a folder of its own
and a bucket that the request says how to reach, so that all is checked that the API checks; that
the bucket takes files is remembered from the first call on, as in any farm that has customers.
Starts at a rate, each due at its moment, are sent once more while stop calls wait for their files.

What stands beside it is the same process answering ``/healthz``, which is what the server and the
load generator can do at best, on this host and at this moment.
"""

import base64
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from api.cli.bench.api_server import Server
from api.cli.bench.api_table import table
from api.cli.bench.load import Load, as_fast_as_may_be, at_a_rate, unanswered
from media.bench.errors import BenchFailed
from workers.logs import configure

_UID = "900001"
_WIDTH = 140  # of a table, where a terminal does not say
_WARM = 200  # calls before it counts
_STOPS = 100  # that wait for files of recordings which nobody records
_SETTLE_S = 1.5  # until they wait
_ROOM = 1 << 20  # recordings that the farm has place for, see api_server

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    calls: int = 5000  # of each kind, as fast as they are answered
    connections: int = 32
    per_second: float = 100.0
    seconds: float = 15.0  # at that rate; less than a stop call waits


def check(plan: Plan) -> None:
    """Raises BenchFailed when a plan cannot be carried out."""
    if min(plan.calls, plan.connections, plan.per_second, plan.seconds) <= 0:
        raise BenchFailed("calls, connections, a rate and a time are needed")
    if plan.calls + 2 * plan.per_second * plan.seconds + _WARM > _ROOM:
        raise BenchFailed(f"more than {_ROOM - _WARM} recordings are too many")


def bench_api(
    plan: Plan, command: tuple[str, ...], say: Say = lambda words: None
) -> dict[str, Any]:
    """Measure one kind of call after the other.  Raises BenchFailed."""
    check(plan)
    with tempfile.TemporaryDirectory(prefix="tapefarm-api-") as folder:
        say("an API process is started")
        with Server(Path(folder) / "data", command) as server:
            bench = _Bench(plan, server, say)
            return {"pinned": server.pinned, "connections": plan.connections} | bench.rows()


class _Bench:
    """On one server."""

    def __init__(self, plan: Plan, server: Server, say: Say) -> None:
        self._plan = plan
        self._server = server
        self._say = say
        self._root = f"/v1/apps/{server.keys.app_id}/cloud_recording"

    def rows(self) -> dict[str, Any]:
        """Every measurement; the starts at a rate come last, on a farm that has much to do."""
        plan = self._plan
        later = 2 * self._at_rate
        self._fast("healthz", [self._get("/healthz")] * _WARM)
        health = self._fast("healthz", [self._get("/healthz")] * plan.calls)
        tickets, acquire = self._acquired(_WARM + plan.calls + later)
        starts = [self._start(number, ticket) for number, ticket in enumerate(tickets)]
        self._fast("start", starts[:_WARM])
        start = self._fast("start", starts[_WARM:-later])
        sids = [json.loads(body)["sid"] for body in start["load"].bodies]
        started = list(zip(range(_WARM, len(starts)), tickets[_WARM:], sids, strict=False))
        query = self._fast("query", [self._query(*started[0])] * plan.calls)
        name = f"start, {plan.per_second:g} a second"
        steady = self._steady(name, starts[-later : -self._at_rate])
        stops = [self._stop(*one) for one in started[:_STOPS]]
        with unanswered(self._server.port, stops):
            time.sleep(_SETTLE_S)
            beside = self._steady(f"{name}, {len(stops)} stops wait", starts[-self._at_rate :])
        rows = [health, acquire, start, query, steady, beside]
        for row in rows:
            row.pop("load", None)
            row["of_healthz"] = round(row["per_second"] / health["per_second"], 3)
        return {"rows": rows}

    @property
    def _at_rate(self) -> int:
        return max(1, round(self._plan.per_second * self._plan.seconds))

    def _steady(self, name: str, requests: Sequence[bytes]) -> dict[str, Any]:
        plan, port = self._plan, self._server.port
        rate = plan.per_second
        return self._counted(name, lambda: at_a_rate(port, requests, plan.connections, rate))

    def _acquired(self, count: int) -> tuple[list[str], dict[str, Any]]:
        requests = [self._acquire(number) for number in range(count)]
        row = self._fast("acquire", requests)
        return [json.loads(body)["resourceId"] for body in row["load"].bodies], row

    def _fast(self, name: str, requests: Sequence[bytes]) -> dict[str, Any]:
        plan, port = self._plan, self._server.port
        return self._counted(name, lambda: as_fast_as_may_be(port, requests, plan.connections))

    def _counted(self, name: str, run: Callable[[], Load]) -> dict[str, Any]:
        """A run, with what it took of each CPU and of Redis."""
        self._say(name)
        commands, cpu_s = self._server.commands(), self._server.cpu_s()
        load = run()
        used_s, done = self._server.cpu_s(), self._server.commands()
        calls = len(load.bodies)
        spent = {part: (used_s[part] - cpu_s[part]) for part in used_s}
        each = {
            command: round((count - commands.get(command, 0)) / calls, 2)
            for command, count in done.items()
        }
        return {
            "call": name,
            "calls": calls,
            "per_second": round(load.per_second, 1),
            "per_cpu_s": round(calls / max(spent["api"], 0.01), 1),
            "p50_ms": _ms(load.percentile_s(0.5)),
            "p99_ms": _ms(load.percentile_s(0.99)),
            "max_ms": _ms(load.percentile_s(1)),
            "cpu_ms": {part: round(value / calls * 1000, 3) for part, value in spent.items()},
            "load_share": round(spent["load"] / load.took_s, 2),
            "redis_commands": {name: count for name, count in each.items() if count >= 0.01},
            "load": load,
        }

    def _acquire(self, number: int) -> bytes:
        return self._post("/acquire", number, {"scene": 0, "resourceExpiredHour": 24})

    def _start(self, number: int, ticket: str) -> bytes:
        return self._post(f"/resourceid/{ticket}/mode/mix/start", number, self._request(number))

    def _query(self, _: int, ticket: str, sid: str) -> bytes:
        return self._get(f"{self._root}/resourceid/{ticket}/sid/{sid}/mode/mix/query")

    def _stop(self, number: int, ticket: str, sid: str) -> bytes:
        return self._post(f"/resourceid/{ticket}/sid/{sid}/mode/mix/stop", number, {})

    def _request(self, number: int) -> dict[str, Any]:
        """``clientRequest`` of a start call that uses most of what there is."""
        s3 = self._server.s3
        half = {"width": 0.5, "height": 0.5, "alpha": 1.0, "render_mode": 1}
        corners = [(uid, 0.5 * (uid % 2), 0.5 * (uid // 2)) for uid in range(4)]
        return {
            "recordingConfig": {
                "channelType": 1,
                "streamTypes": 2,
                "maxIdleTime": 120,
                "audioProfile": 1,
                "videoStreamType": 0,
                "subscribeAudioUids": [str(uid) for uid in range(1, 17)],
                "subscribeVideoUids": [str(uid) for uid in range(1, 17)],
                "subscribeUidGroup": 2,
                "transcodingConfig": {
                    "width": 1280,
                    "height": 720,
                    "fps": 30,
                    "bitrate": 2000,
                    "backgroundColor": "#203040",
                    "mixedVideoLayout": 3,
                    "layoutConfig": [
                        {"uid": str(uid + 1), "x_axis": x, "y_axis": y} | half
                        for uid, x, y in corners
                    ],
                },
            },
            "recordingFileConfig": {"avFileType": ["hls", "mp4"]},
            "storageConfig": {
                "vendor": 11,
                "region": 0,
                "bucket": s3.bucket,
                "accessKey": s3.access_key,
                "secretKey": s3.secret_key,
                "fileNamePrefix": ["bench", f"take{number}"],
                "extensionParams": {"endpoint": f"http://{s3.endpoint}"},
            },
        }

    def _post(self, path: str, number: int, request: dict[str, Any]) -> bytes:
        outer = {"cname": f"bench-{number}", "uid": _UID, "clientRequest": request}
        body = json.dumps(outer).encode()
        return self._head("POST", self._root + path, len(body)) + body

    def _get(self, path: str) -> bytes:
        return self._head("GET", path, 0)

    def _head(self, method: str, path: str, length: int) -> bytes:
        keys = self._server.keys
        pair = f"{keys.customer_key}:{keys.customer_secret}".encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self._server.port}",
            f"Authorization: Basic {base64.b64encode(pair).decode()}",
            "Accept: application/json",
        ]
        if length:
            lines += ["Content-Type: application/json;charset=utf-8", f"Content-Length: {length}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def main(plan: Plan, command: tuple[str, ...], *, as_json: bool = False) -> None:
    """Measure and print; what is going on is said on stderr."""
    configure("console", "error", "bench")
    with Console(stderr=True).status("") as status:
        result = bench_api(plan, command, lambda words: status.update(words + " …"))
    if as_json:
        print(json.dumps(result))
    else:
        Console(width=max(Console().width, _WIDTH)).print(table(result))
