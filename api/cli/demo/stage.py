"""The demo's farm and its publishers, as processes; all of them end with the stage."""

import json
import os
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from media.errors import FarmError

_READY_S = 90
_LEAVE_S = 15


class DemoFailed(FarmError):
    """Some part of the demo did not do what it should."""


class Actor:
    """A ``tapefarm publish`` process."""

    def __init__(self, command: tuple[str, ...], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                text=True,
            )
        if not self._first_line():
            self.leave()
            raise DemoFailed(f"a publisher did not connect; see {log}")

    def say(self, line: str) -> None:
        """A command such as ``mute audio``."""
        if self._process.stdin is not None:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _first_line(self) -> str:
        """What it says when it is connected; "" if it ended."""
        return self._process.stdout.readline() if self._process.stdout is not None else ""

    def leave(self) -> None:
        """Leave the channel.  Idempotent."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=_LEAVE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()


class Stage:
    """A farm on a folder; a context manager."""

    def __init__(self, command: tuple[str, ...], data: Path) -> None:
        self._command = command
        self._data = data
        self._actors = ExitStack()
        self._log = data / "demo.log"
        self.facts: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._data.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as errors:
            self._farm = subprocess.Popen(
                [*self._command, "up", "--data", str(self._data), "--port", "0"],
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                text=True,
                env=os.environ | {"TAPEFARM_LOG_FORMAT": "json"},
            )
        said = self._farm.stdout.readline() if self._farm.stdout is not None else ""
        if not said.startswith("tapefarm is up"):
            self._end_farm()
            raise DemoFailed(f"the farm did not come up:\n{self._log_end()}")
        self.facts = json.loads((self._data / "farm.json").read_text())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self._actors.close()
        self._end_farm()

    def publisher(self, cname: str, uid: str, video: str) -> Actor:
        """A pattern publisher that is connected."""
        where = ("--channel", self.facts["channel"], "--cname", cname, "--uid", uid)
        actor = Actor((*self._command, "publish", *where, "--pattern", "--video", video), self._log)
        self._actors.callback(actor.leave)
        return actor

    def _log_end(self) -> str:
        """The last words; the folder goes away with the demo."""
        return self._log.read_text(errors="replace")[-4000:]

    def _end_farm(self) -> None:
        if self._farm.poll() is None:
            self._farm.send_signal(signal.SIGTERM)
        self._farm.wait(timeout=_READY_S)
        if self._farm.stdout is not None:
            self._farm.stdout.close()
