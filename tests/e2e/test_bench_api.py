"""``tapefarm bench api``, as small as it gets: what it prints is what a server really answered."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api.cli.bench.api import Plan, bench_api
from api.cli.bench.api_table import table
from api.cli.bench.load import as_fast_as_may_be, at_a_rate
from media.bench.errors import BenchFailed
from tests.e2e.farm import COMMAND

CALLS, RATE, SECONDS = 40, 20, 2


@pytest.mark.e2e
@pytest.mark.server
def test_calls_of_each_kind_are_measured(need) -> None:
    need("redis-server")
    plan = ("--calls", str(CALLS), "--rate", str(RATE), "--seconds", str(SECONDS))
    done = subprocess.run(
        [*COMMAND, "bench", "api", "--json", "--connections", "4", *plan],
        stdout=subprocess.PIPE,
        timeout=100,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    rows = {row["call"]: row for row in result["rows"]}
    steady, beside = "start, 20 a second", f"start, 20 a second, {CALLS} stops wait"
    assert list(rows) == ["healthz", "acquire", "start", "query", steady, beside]
    for row in rows.values():
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["max_ms"]
        assert row["per_second"] > 0
    for name in (steady, beside):
        assert rows[name]["calls"] == RATE * SECONDS
        assert rows[name]["per_second"] <= RATE * 1.1
    # One command is sent for a start; the others are those of its script.
    sent = {"evalsha", "hgetall", "exists"}
    assert {name for name in rows["start"]["redis_commands"] if name in sent} == {"evalsha"}
    for name in ("evalsha", "lpush"):
        assert rows["start"]["redis_commands"][name] == pytest.approx(1, abs=0.1)
    assert sum(rows["acquire"]["redis_commands"].values()) < 6
    lines = table(result).columns
    assert [next(iter(line.cells)) for line in lines][:2] == ["healthz", str(CALLS)]
    assert "\nstart: " in str(table(result).caption)


@pytest.mark.parametrize("plan", [Plan(calls=0), Plan(seconds=0), Plan(calls=2_000_000)])
def test_what_cannot_be_measured_is_refused(plan: Plan) -> None:
    with pytest.raises(BenchFailed):
        bench_api(plan, ("false",))


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull"


@contextmanager
def server(*answers: bytes) -> Iterator[int]:
    """One connection that gets these answers, one for each request."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            taken, _ = listening.accept()
            with taken:
                for answer in answers:
                    taken.recv(1000)
                    taken.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(timeout=10)


def test_what_is_no_200_is_no_result() -> None:
    with server(GOOD, BAD) as port, pytest.raises(BenchFailed, match="503 Service Unavailable"):
        as_fast_as_may_be(port, [b"GET / HTTP/1.1\r\n\r\n"] * 3, 1)
    with server(GOOD) as port, pytest.raises(BenchFailed, match="broke"):
        as_fast_as_may_be(port, [b"GET / HTTP/1.1\r\n\r\n"] * 3, 1)


def test_a_request_that_waits_for_a_connection_is_late() -> None:
    with server(*[GOOD] * 4) as port:
        load = at_a_rate(port, [b"GET / HTTP/1.1\r\n\r\n"] * 4, 1, 1000)
    assert load.bodies == (b"ok",) * 4
    assert load.percentile_s(1) == max(load.latencies_s)
    assert load.latencies_s[3] > load.took_s - 0.004  # it was due after 3 ms
