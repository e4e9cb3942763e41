"""A farm that lives in memory: the twin of the real Control for tests of dialects."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from media.errors import FarmError
from workers.job.allowance import UNLIMITED, Allowance
from workers.job.errors import (
    AlreadyStopping,
    Conflict,
    NoCapacity,
    NotFound,
    QuotaExceeded,
    StorageError,
)
from workers.job.order import Change
from workers.job.recut import Recut
from workers.job.spec import RecordingSpec, Storage
from workers.job.state import RUNNING, TERMINAL, State
from workers.job.status import FileEntry, RecordingStatus, StopOutcome, TapeStatus

_ENDING = frozenset({State.STOPPING, State.DELIVERING})


@dataclass(slots=True)
class MemoryControl:
    """Holds at most ``slots`` recordings; what recorders would do is done by its other methods."""

    slots: int = 10
    finishes: bool = True  # whether a stop ends within its time
    storage_error: StorageError | None = None
    recut_error: FarmError | None = None
    specs: dict[str, RecordingSpec] = field(default_factory=dict)
    checked: list[Storage] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    reports: dict[str, str] = field(default_factory=dict)
    orders: list[tuple[str, Change, int]] = field(default_factory=list)
    _rows: dict[str, RecordingStatus] = field(default_factory=dict)
    _spent: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def capacity(self, app_id: str = "", allowance: Allowance = UNLIMITED) -> bool:
        """See Control."""
        self._check_room(app_id, 1, allowance)
        return len(self._on_air()) < self.slots

    def _check_room(self, app_id: str, streams: int, allowance: Allowance) -> None:
        mine = [self.specs[row.sid].streams for row in self._on_air() if row.app_id == app_id]
        if not allowance.covers(len(mine) + 1, sum(mine) + streams):
            raise QuotaExceeded("the app has as much going on as it may")

    def start(
        self, spec: RecordingSpec, nonce: str, allowance: Allowance = UNLIMITED
    ) -> str | None:
        """See Control."""
        with self._lock:
            if nonce in self._spent:
                return self._spent[nonce]
            who = (spec.app_id, spec.cname, spec.recorder_uid)
            if any((row.app_id, row.cname, row.uid) == who for row in self._on_air()):
                raise Conflict(spec.cname)
            self._check_room(spec.app_id, spec.streams, allowance)
            if not self.capacity():
                raise NoCapacity("no slot")
            self._spent[nonce] = spec.sid
            self._take_in(spec, State.QUEUED)
            return None

    def _take_in(self, spec: RecordingSpec, state: State) -> None:
        self.specs[spec.sid] = spec
        self._rows[spec.sid] = RecordingStatus(
            spec.sid,
            state,
            spec.mode,
            spec.app_id,
            spec.cname,
            spec.recorder_uid,
            spec.audio,
            spec.video,
            spec.mp4,
            bool(spec.snapshot_s),
            tape_of=spec.tape_of,
            accepted_ns=spec.accepted_ns,
        )

    def status(self, sid: str) -> RecordingStatus | None:
        """See Control."""
        return self._rows.get(sid)

    def stop(self, sid: str, wait_s: float) -> StopOutcome:
        """See Control."""
        self.waits.append(wait_s)
        with self._lock:
            row = self._rows.get(sid)
            if row is None or row.ended:
                raise NotFound(sid)
            if row.state in _ENDING:
                raise AlreadyStopping(sid)
            over = self.finishes and wait_s > 0
            row = replace(
                row,
                state=State.ENDED if over else State.STOPPING,
                no_data=over and not row.files,
            )
            self._rows[sid] = row
            return StopOutcome(row, uploaded=over, no_data=row.no_data)

    def order(self, sid: str, change: Change, at_ns: int) -> None:
        """See Control."""
        with self._lock:
            if sid not in self._rows or self._rows[sid].state not in RUNNING:
                raise NotFound(sid)
            self.orders.append((sid, change, at_ns))

    def storage(self, sid: str) -> Storage:
        """See Control."""
        if sid not in self.specs:
            raise NotFound(sid)
        return self.specs[sid].storage

    def renew(self, sid: str, storage: Storage) -> None:
        """See Control."""
        with self._lock:
            if sid not in self._rows or self._rows[sid].ended:
                raise NotFound(sid)
            self.specs[sid] = self.specs[sid].model_copy(update={"storage": storage})

    def recut(self, sid: str, asked: Recut, new_sid: str) -> RecordingSpec:
        """See Control.  ``recut_error`` is raised if it is set."""
        with self._lock:
            if self.recut_error is not None:
                raise self.recut_error
            spec = asked.spec(self.specs[sid], new_sid, self._rows[sid].slice_start_ms * 1_000_000)
            self.check_storage(spec.storage)
            self._take_in(spec, State.DELIVERING)
            return spec

    def tape(self, sid: str) -> TapeStatus:
        """See Control."""
        root = self.specs[sid].tape_sid
        recuts = tuple(sorted(made for made, spec in self.specs.items() if spec.tape_of == root))
        return TapeStatus(recuts=recuts)

    def check_storage(self, storage: Storage) -> None:
        """See Control."""
        self.checked.append(storage)
        if self.storage_error is not None:
            raise self.storage_error

    def report(self, sid: str) -> str | None:
        """See Control."""
        return self.reports.get(sid)

    def readiness(self) -> Mapping[str, str]:
        """See Control."""
        return {"capacity": "" if self.capacity() else "no recorder slot is free"}

    def move(self, sid: str, state: State, *, reason: str = "") -> None:
        """Put a recording into a state."""
        self._rows[sid] = replace(self._rows[sid], state=state, reason=reason)

    def deliver(self, sid: str, *files: FileEntry) -> None:
        """Say that files stand in the bucket."""
        row = self._rows[sid]
        first = row.slice_start_ms or min(entry.slice_start_ms for entry in files)
        self._rows[sid] = replace(row, files=row.files + files, slice_start_ms=first)

    def _on_air(self) -> list[RecordingStatus]:
        return [row for row in self._rows.values() if row.state not in TERMINAL]
