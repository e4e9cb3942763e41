"""A farm on which the reference's examples are played, and what it answered to each."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e import agora_replay
from tests.e2e.agora_replay import ACCESS_KEY, APP_ID, BUCKET, KEY, SECRET, SECRET_KEY, Answer
from tests.e2e.farm import COMMAND, Bucket, Farm, farm
from tests.e2e.gate import Gate
from workers.embedded.probe import bucket_answers, http_ok
from workers.embedded.s3 import find_rclone, s3_part
from workers.embedded.s3_address import S3Address

SUSPENDED, SMALL, SLOW = "suspended-app", "small-app", "slow-app"
SLOTS = 14
_APPS: dict[str, dict[str, Any]] = {
    APP_ID: {},
    SUSPENDED: {"suspended": True},
    SMALL: {"max_recordings": 1},
    SLOW: {"requests_per_second": 1},
}
_SOURCES = ["192.0.2.10", "192.0.2.11"]
_READY_S = 30.0

Key = tuple[str, int, Any]  # example, status, code or message


@dataclass
class Stage:
    """Where they are played."""

    farm: Farm
    bucket: Bucket
    replay: agora_replay.Replay
    folder: Path  # what is in the bucket
    got: dict[Key, tuple[Any, dict[str, str]]] = field(default_factory=dict)

    def note(self, name: str, answer: Answer, resource_id: str = "", sid: str = "") -> Answer:
        """Keep what was answered to an example."""
        status, body = answer
        ours = {"resourceId": resource_id, "sid": sid} if sid else {"resourceId": resource_id}
        self.got.setdefault(key(name, status, body), (body, ours))
        return answer


def key(name: str, status: int, body: Any) -> Key:
    """By what an answer is found: there may be several of a status."""
    return name, status, body.get("code", body.get("message"))


@contextmanager
def stage(folder: Path, free_port: Callable[[], int]) -> Iterator[Stage]:
    """A farm with the examples' app, whose files go to a bucket of the examples' name."""
    with ExitStack() as there:
        s3 = S3Address(f"127.0.0.1:{free_port()}", ACCESS_KEY, SECRET_KEY, bucket=BUCKET)
        files = folder / "s3"
        (files / BUCKET).mkdir(parents=True)
        part = s3_part(find_rclone(), files, s3)
        there.enter_context(_process(part.argv, part.env, lambda: bucket_answers(s3)))
        patch = there.enter_context(pytest.MonkeyPatch.context())
        for name, value in _settings(f"http://{s3.endpoint}").items():
            patch.setenv(f"TAPEFARM_{name}", value)
        url = f"http://{ACCESS_KEY}:{SECRET_KEY}@{s3.endpoint}/{BUCKET}"
        running = there.enter_context(
            farm(folder / "data", "--s3", url, "--apps", str(_apps(folder)))
        )
        replay = agora_replay.Replay(running.facts["api"])
        there.callback(replay.close)
        yield Stage(running, running.bucket, replay, files / BUCKET)


def _apps(folder: Path) -> Path:
    path = folder / "apps.toml"
    path.write_text("\n".join(_app(app_id, more) for app_id, more in _APPS.items()))
    return path


def _settings(storage: str) -> dict[str, str]:
    return {
        "STORAGE_REDIRECTS": json.dumps({"1": storage, "11": storage}),
        "CALLBACK_SOURCE_IPS": json.dumps(_SOURCES),
        "SLOTS": str(SLOTS),
        "STOP_WAIT_S": "25",  # of a busy machine
    }


def _app(app_id: str, more: dict[str, Any]) -> str:
    row = {"app_id": app_id, "customer_key": KEY, "customer_secret": SECRET, **more}
    lines = [f"{name} = {json.dumps(value)}" for name, value in row.items()]
    return "\n".join(["[[apps]]", *lines])


@contextmanager
def second_api(stage: Stage, port: int) -> Iterator[tuple[agora_replay.Replay, Gate]]:
    """Another API process of the same farm, and a gate on its way to Redis."""
    farm_key = json.loads((stage.farm.data / "keys.json").read_text())["farm_key"]
    redis = urlsplit(stage.farm.facts["redis"])
    assert redis.port is not None
    with Gate(redis.port).standing() as gate:
        settings = {
            "REDIS_URL": stage.farm.facts["redis"].replace(f":{redis.port}/", f":{gate.port}/"),
            "SPOOL": str(stage.farm.data / "spool"),
            "FARM_KEY": farm_key,
            "CHANNEL_URL": stage.farm.facts["channel"],
            "ALLOW_PRIVATE_ENDPOINTS": "true",
            "REQUESTS_PER_SECOND": "0",
            "PORT": str(port),
            "APPS_FILE": str(_apps(stage.farm.data)),
        }
        env = os.environ | {f"TAPEFARM_{name}": value for name, value in settings.items()}
        base = f"http://127.0.0.1:{port}"
        with _process((*COMMAND, "api"), env, lambda: http_ok(f"{base}/readyz")):
            replay = agora_replay.Replay(base)
            yield replay, gate
            replay.close()


@contextmanager
def _process(
    argv: tuple[str, ...], env: dict[str, str], wrong: Callable[[], str | None]
) -> Iterator[None]:
    process = subprocess.Popen(argv, env=env, stdout=sys.stderr, stderr=sys.stderr)
    try:
        deadline_s = time.monotonic() + _READY_S
        while (why := wrong()) is not None:
            assert process.poll() is None, f"{argv[0]} ended"
            assert time.monotonic() < deadline_s, why
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)
