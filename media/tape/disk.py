"""The one thread of a process that writes tapes to disk."""

import threading
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

EVERY_S = 0.25  # how long a packet waits in memory at most, when the disk is willing


class DiskJob(Protocol):
    """Something with bytes for the disk."""

    def work(self) -> bool:
        """Write what waits; True when there is never going to be more."""
        ...

    def fail(self, error: Exception) -> None:
        """:meth:`work` raised what it should not have."""
        ...


class DiskThread:
    """Runs jobs one after the other, every quarter of a second; lives while there are any."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._jobs: list[DiskJob] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, job: DiskJob) -> None:
        """Run this job from now on, until it says that it is done."""
        with self._lock:
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tape-disk", daemon=True)
                self._thread.start()

    def wake(self) -> None:
        """Do not wait for the next round."""
        self._wake.set()

    def _run(self) -> None:
        while self._go_on():
            self._wake.wait(self._every_s)
            self._wake.clear()
            for job in tuple(self._jobs):
                if self._round(job):
                    with self._lock:
                        self._jobs.remove(job)

    def _go_on(self) -> bool:
        with self._lock:
            if not self._jobs:
                self._thread = None
            return bool(self._jobs)

    def _round(self, job: DiskJob) -> bool:
        try:
            return job.work()
        except Exception as exc:  # a bug in one tape must not stop the others
            log.exception("a tape could not be written")
            job.fail(exc)
            return False


SHARED = DiskThread()
