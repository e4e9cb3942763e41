import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from tests.workers.buckets import S3Server
from workers.job.spec import Mode, RecordingSpec, Storage
from workers.store.connect import connect
from workers.store.store import Store


@pytest.fixture(scope="session")
def redis_url(
    tmp_path_factory: pytest.TempPathFactory,
    need: Callable[[str], str],
    free_port: Callable[[], int],
) -> Iterator[str]:
    """A real, empty Redis of our own: no shared server, no flushall on a stranger."""
    port, home = free_port(), tmp_path_factory.mktemp("redis")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(home), "--save", ""]
    server = subprocess.Popen([need("redis-server"), *options], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        _wait(url)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        deadline = time.monotonic() + 10
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "redis did not start"
                time.sleep(0.02)
            else:
                return


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    client = connect(redis_url)
    client.flushall()
    yield Store(client, SecretStr("a farm key for tests"))
    client.close()


@pytest.fixture
def make_spec(tmp_path: Path) -> Callable[..., RecordingSpec]:
    def make(sid: str = "0" * 32, **changes: object) -> RecordingSpec:
        fields: dict[str, object] = {
            "sid": sid,
            "app_id": "app",
            "cname": "room-7",
            "recorder_uid": "900001",
            "mode": Mode.MIX,
            "channel_url": "room+http://127.0.0.1:9",
            "token": SecretStr("a channel token"),
            "storage": Storage(
                endpoint="127.0.0.1:9",
                secure=False,
                bucket="recordings",
                access_key="AKIDEXAMPLE",
                secret_key=SecretStr("SECRETEXAMPLE"),
                prefix="a/b/",
            ),
            "accepted_ns": 1_700_000_000_000_000_000,
        }
        return RecordingSpec(**(fields | changes))

    return make


@pytest.fixture
def s3(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[S3Server]:
    """A bucket of our own."""
    server = S3Server(tmp_path / "s3", free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
