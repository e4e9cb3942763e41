"""The API as a process of its own, asked over TCP."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from api.cli.entry import COMMAND

FARM_KEY = "0123456789abcdef"
_ANSWERS_S = 30.0


def until(question: Callable[[], bool]) -> None:
    """Waits for something to become true."""
    deadline = time.monotonic() + _ANSWERS_S
    while not question():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@contextmanager
def serving(port: int, log: Path, **settings: str) -> Iterator[httpx.Client]:
    """An API with these settings, ready, and a client of it."""
    given = {"farm_key": FARM_KEY, "port": str(port), "spool": str(log.parent / "spool")} | settings
    env = os.environ | {f"TAPEFARM_{name.upper()}": value for name, value in given.items()}
    with log.open("w") as out:
        process = subprocess.Popen([*COMMAND, "api"], env=env, stdout=out, stderr=out)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            until(lambda: _alive(http))
            yield http
    finally:
        process.terminate()
        process.wait(40)


def _alive(http: httpx.Client) -> bool:
    try:
        return http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
