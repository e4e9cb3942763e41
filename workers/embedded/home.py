"""The data directory of an embedded farm."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.embedded.errors import AlreadyRunning


class Home:
    """Where everything of one farm lies."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.run = self.root / "run"
        self.logs = self.root / "logs"
        self.spool = self.root / "spool"
        self.redis = self.root / "redis"
        self.s3 = self.root / "s3"
        self.keys = self.root / "keys.json"
        self.ports = self.root / "ports.json"
        self.farm_json = self.root / "farm.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the directory and keep others out of it.  Raises AlreadyRunning."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for directory in (self.run, self.logs, self.spool):
            directory.mkdir(exist_ok=True, mode=0o700)
        with (self.run / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(
                    f"a farm already runs on {self.root}: stop it, or give another --data"
                ) from None
            yield  # closing the file gives the lock back, as does the end of the process
