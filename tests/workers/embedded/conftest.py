"""A farm whose own processes are stand-ins; Redis, storage and supervisor are real."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from workers.embedded.process import mark

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
_UP_S = 60.0

_DRIVER = """
import json, sys
from pathlib import Path
from media.errors import FarmError
from workers.embedded.up import Options, up
from workers.logs import configure
configure("console", "info", "up")
options, command = json.loads(sys.argv[1]), tuple(json.loads(sys.argv[2]))
options["data"] = Path(options["data"])
try:
    up(Options(**options), command=command, say=lambda line: print(line, flush=True))
except FarmError as exc:
    sys.exit(f"{type(exc).__name__}: {exc}")
"""


class Farm:
    """A supervisor in a process of its own."""

    def __init__(self, data: Path, *, env: dict[str, str], **options: Any) -> None:
        self.data = data
        self._errors = (data.parent / f"{data.name}.stderr").open("w+")
        command = [sys.executable, str(HERE / "standin.py")]
        asked = {"data": str(data), "port": 0, **options}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _DRIVER, json.dumps(asked), json.dumps(command)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "STANDIN_TRACE": str(data.parent), **env},
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    @property
    def json(self) -> dict[str, Any]:
        return json.loads((self.data / "farm.json").read_text())

    @property
    def pids(self) -> list[int]:
        rows = self.json["pids"].values()
        return [pid for row in rows for pid in (row if isinstance(row, list) else [row]) if pid]

    def marks(self) -> dict[int, str]:
        return {pid: found for pid in self.pids if (found := mark(pid))}

    def wait_up(self) -> str:
        """The line it prints when it is ready."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("tapefarm is up: "), self.errors()
        return line.strip()

    def errors(self) -> str:
        self._errors.flush()
        return Path(self._errors.name).read_text()

    def wait(self, within_s: float = 60.0) -> int:
        code = self.process.wait(within_s)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()
        return code

    def stop(self) -> int:
        self.process.terminate()
        return self.wait()


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Callable[..., Farm]]:
    """Starts farms on one data directory; those still running at the end are stopped."""
    started: list[Farm] = []

    def start(*, env: dict[str, str] | None = None, name: str = "data", **options: Any) -> Farm:
        started.append(Farm(tmp_path / name, env=env or {}, **options))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits for something to become true."""

    def wait(question: Callable[[], bool], within_s: float = 30.0) -> None:
        deadline = time.monotonic() + within_s
        while not question():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.02)

    return wait
