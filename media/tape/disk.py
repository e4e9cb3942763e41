"""The one thread of a process that writes tapes to disk."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

EVERY_S = 0.5  # how long a packet waits in memory at most, when the disk is willing
MEMORY_BYTES = 256 << 20  # of packets that may wait, of all tapes together


class DiskJob(Protocol):
    """Something with bytes for the disk."""

    @property
    def waiting_bytes(self) -> int:
        """How much memory waits for the disk."""
        ...

    def work(self) -> bool:
        """Write what waits; True when there is never going to be more."""
        ...

    def fail(self, error: Exception) -> None:
        """:meth:`work` raised what it should not have."""
        ...

    def hold(self, full: bool, /) -> None:
        """Take nothing more for now, or again."""
        ...


class DiskThread:
    """Runs jobs one after the other, twice a second; lives while there are any.

    When what waits takes more than ``memory_bytes`` all jobs are told to hold, until half of it
    is free again: a recorder that runs out of memory would lose everything.
    """

    def __init__(self, every_s: float = EVERY_S, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self.memory_bytes = memory_bytes
        self._every_s = every_s
        self._jobs: list[DiskJob] = []
        self._urgent: deque[DiskJob] = deque()
        self._full = False
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

    def wake(self, job: DiskJob) -> None:
        """Let this job not wait for the next round."""
        self._urgent.append(job)
        self._wake.set()

    def _run(self) -> None:
        due_s = time.monotonic() + self._every_s
        while self._go_on():
            self._wake.wait(max(0.0, due_s - time.monotonic()))
            self._wake.clear()
            if time.monotonic() < due_s:
                self._work(self._take_urgent())
            else:
                due_s = time.monotonic() + self._every_s
                self._work(tuple(self._jobs))
                self._limit()

    def _take_urgent(self) -> list[DiskJob]:
        found: dict[DiskJob, None] = {}
        while self._urgent:
            found[self._urgent.popleft()] = None
        return [job for job in found if job in self._jobs]

    def _work(self, jobs: Sequence[DiskJob]) -> None:
        for job in jobs:
            if self._round(job):
                with self._lock:
                    self._jobs.remove(job)

    def _limit(self) -> None:
        waiting = sum(job.waiting_bytes for job in self._jobs)
        full = waiting > (self.memory_bytes // 2 if self._full else self.memory_bytes)
        if full and not self._full:
            log.error("too much waits for the disk, packets are dropped", bytes=waiting)
        if self._full and not full:
            log.warning("there is room for packets again", bytes=waiting)
        if full or self._full:
            for job in self._jobs:
                job.hold(full)
        self._full = full

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
