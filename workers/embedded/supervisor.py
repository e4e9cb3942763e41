"""Starts the parts of a farm, restarts what dies, stops them in order, leaves none behind."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from types import TracebackType
from typing import Self

import structlog

from workers.embedded import child_log, leftovers
from workers.embedded.environment import plain
from workers.embedded.errors import PartFailed
from workers.embedded.part import Part, Stage
from workers.embedded.probe import Probe
from workers.embedded.process import Child, mark
from workers.embedded.waker import Waker

log = structlog.get_logger(__name__)

_TICK_S = 0.25
_READY_TICK_S = 0.05
_TRIM_EVERY_S = 5.0
_STABLE_S = 30.0  # who lived this long starts again without delay
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_STARTS_BEFORE_READY = 4  # a part that dies this often before it is ready is broken
_GUARD_S = 2 * leftovers.GRACE_S + 2


class _Slot:
    """The place of one part: its child, or when to try again."""

    def __init__(self, part: Part, log_dir: Path) -> None:
        self.part = part
        self.log = log_dir / f"{part.name}.log"
        self.child: Child | None = None
        self.deaths = 0  # in a row, without a stable time between
        self.due_s = 0.0
        self.started_s = 0.0

    def start(self, now_s: float) -> None:
        self.started_s = now_s
        self.child = Child(self.part.argv, env=self.part.env, cwd=self.part.cwd, log=self.log)

    def died(self, now_s: float) -> float:
        """Take note; gives the pause until the next start, in seconds."""
        self.child = None
        self.deaths = 1 if now_s - self.started_s > _STABLE_S else self.deaths + 1
        pause_s = min(_FIRST_PAUSE_S * 2.0 ** min(self.deaths - 1, 10), _LONGEST_PAUSE_S)
        self.due_s = now_s + pause_s
        return pause_s


class Supervisor:
    """Owner of all children of one farm.  Enter it, ``start``, ``run``; leaving it stops all.

    While it runs, ``on_change`` hears the pids (name to pid) each time a dead part is back.
    """

    def __init__(
        self,
        *,
        run_dir: Path,
        log_dir: Path,
        on_change: Callable[[Mapping[str, int]], None] = lambda _pids: None,
    ) -> None:
        self._run_dir = run_dir
        self._log_dir = log_dir
        self._on_change = on_change
        self._slots: dict[str, _Slot] = {}
        self._asked = 0
        self._next_trim_s = 0.0
        self._mark = mark(os.getpid()) or ""
        self._waker = Waker((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), self.ask_stop)

    def __enter__(self) -> Self:
        for directory in (self._run_dir, self._log_dir):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._waker.__enter__()
        self._guard = self._start_guard()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._end_guard()
            self._waker.__exit__(kind, error, trace)

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._asked > 0

    @property
    def pids(self) -> dict[str, int]:
        """Running children by name."""
        return {name: slot.child.pid for name, slot in self._slots.items() if slot.child}

    def ask_stop(self) -> None:
        """Ask for an ordered stop; asked twice, nothing is waited for any more."""
        self._asked += 1

    def start(self, parts: Iterable[Part], *, within_s: float) -> None:
        """Start parts and wait until each is ready or a stop is asked.

        Raises PartFailed, and ValueError for a name that is in use.
        """
        probes = {}
        for part in parts:
            if part.name in self._slots:  # its child would be lost
                raise ValueError(f"there is a part named {part.name} already")
            self._slots[part.name] = _Slot(part, self._log_dir)
            probes[part.name] = part.ready
        self.wait_ready(probes, within_s=within_s)

    def wait_ready(self, probes: Mapping[str, Probe], *, within_s: float) -> None:
        """Keep everything running until all probes say yes.  Raises PartFailed."""
        deadline_s = time.monotonic() + within_s
        waiting = dict(probes)
        while waiting and not self.stopping:
            self._step()
            for name in list(waiting):
                self._refuse_broken(name)
                reason = waiting[name]()
                if reason is None:
                    del waiting[name]
                elif time.monotonic() > deadline_s:
                    raise PartFailed(self._story(name, reason))
            if waiting:
                self._waker.pause(_READY_TICK_S)

    def run(self) -> None:
        """Watch over the children until a stop is asked."""
        while not self.stopping:
            if self._step():
                self._on_change(self.pids)
            self._waker.pause(_TICK_S)

    def stop(self) -> None:
        """End all children, stage by stage, each with its time; harmless when repeated."""
        slots = sorted(self._slots.values(), key=_stage)
        for stage, members in groupby(slots, key=_stage):
            living = [slot for slot in members if slot.child]
            if living:
                log.info("stopping", parts=[slot.part.name for slot in living], stage=stage.value)
                self._stop_stage(living)
        self._slots.clear()

    def _stop_stage(self, slots: list[_Slot]) -> None:
        children = {slot.part.name: slot.child for slot in slots if slot.child}
        for child in children.values():
            child.ask()
        start_s = time.monotonic()
        patience = {slot.part.name: slot.part.stop_s for slot in slots}
        while children:
            for name, child in list(children.items()):
                late = self._asked > 1 or time.monotonic() - start_s > patience[name]
                if late and not child.exited():
                    log.warning("a part did not stop in time and is killed", part=name)
                if late or child.exited():
                    child.finish()
                    leftovers.forget(self._run_dir, name)
                    del children[name]
            if children:
                self._waker.pause(_READY_TICK_S)
        for slot in slots:
            slot.child = None

    def _step(self) -> bool:
        """Reap the dead, start what is due, bound the logs; true when a dead part is back."""
        now_s = time.monotonic()
        restarted = False
        for slot in self._slots.values():
            if slot.child and slot.child.exited():
                self._bury(slot, slot.child, now_s)
            elif not slot.child and now_s >= slot.due_s:
                restarted |= self._start(slot, now_s) and slot.deaths > 0
        if self._guard.poll() is not None:
            log.warning("the guard died and is started again")
            self._end_guard()
            self._guard = self._start_guard()
        if now_s >= self._next_trim_s:
            self._next_trim_s = now_s + _TRIM_EVERY_S
            self._trim()
        return restarted

    def _start(self, slot: _Slot, now_s: float) -> bool:
        try:
            slot.start(now_s)
        except OSError as exc:
            pause_s = slot.died(now_s)
            log.error(
                "a part cannot be started", part=slot.part.name, error=str(exc), retry_s=pause_s
            )
            return False
        pid = self.pids[slot.part.name]
        leftovers.note(self._run_dir, slot.part.name, pid, self._mark)
        log.info("started", part=slot.part.name, pid=pid)
        return True

    def _bury(self, slot: _Slot, child: Child, now_s: float) -> None:
        code = child.finish()
        pause_s = slot.died(now_s)
        leftovers.forget(self._run_dir, slot.part.name)
        log.warning(
            "a part died and is started again",
            part=slot.part.name,
            exit=_exit_name(code),
            deaths=slot.deaths,
            retry_s=pause_s,
            log=str(slot.log),
        )

    def _refuse_broken(self, name: str) -> None:
        slot = self._slots.get(name)
        if slot is not None and slot.deaths >= _STARTS_BEFORE_READY:
            raise PartFailed(self._story(name, f"it ended {slot.deaths} times"))

    def _story(self, name: str, reason: str) -> str:
        slot = self._slots.get(name)
        last = child_log.tail(slot.log) if slot else ""
        return f"{name} does not come up: {reason}" + (f"\n{slot.log}:\n{last}" if slot else "")

    def _trim(self) -> None:
        for slot in self._slots.values():
            try:
                if child_log.trim(slot.log):
                    log.info("a log was trimmed", part=slot.part.name)
            except OSError as exc:
                log.warning("a log cannot be trimmed", part=slot.part.name, error=str(exc))

    def _start_guard(self) -> Popen[bytes]:
        argv = [sys.executable, "-P", "-m", "workers.embedded.guard"]
        with (self._log_dir / "guard.log").open("ab") as out:
            return Popen(
                [*argv, str(self._run_dir), self._mark],
                env=plain(),
                stdin=PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _end_guard(self) -> None:
        if self._guard.stdin:
            self._guard.stdin.close()
        try:
            self._guard.wait(_GUARD_S)
        except TimeoutExpired:
            self._guard.kill()
            self._guard.wait()


def _stage(slot: _Slot) -> Stage:
    return slot.part.stage


def _exit_name(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
