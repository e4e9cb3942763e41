"""What a supervisor wrote down about its children, so that a later one can end them.

Each child has a file ``<name>.pid`` in the run directory.  A process is ours only if its pid,
its start time and its command line are all as written there.
"""

import contextlib
import json
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from workers.embedded.private_file import write_private
from workers.embedded.process import command_line, kill_group, mark, signal_process

log = structlog.get_logger(__name__)

GRACE_S = 5.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class PidFile:
    """One child, as written down."""

    pid: int
    mark: str
    argv: tuple[str, ...]
    supervisor: str  # the mark of who started it

    def ours(self) -> bool:
        """Whether this very process still runs."""
        return mark(self.pid) == self.mark and command_line(self.pid) == self.argv


def note(directory: Path, name: str, pid: int, supervisor: str) -> None:
    """Write a child down; nothing is written about one that is dead already."""
    its_mark = mark(pid)
    if its_mark is not None:
        row = PidFile(pid, its_mark, command_line(pid), supervisor)
        write_private(directory / f"{name}.pid", json.dumps(asdict(row)) + "\n")


def forget(directory: Path, name: str) -> None:
    """A child is gone for good."""
    (directory / f"{name}.pid").unlink(missing_ok=True)


def end_leftovers(directory: Path, *, supervisor: str | None = None) -> int:
    """End the children written down here, those of one supervisor or of any.

    SIGTERM, then after ``GRACE_S`` SIGKILL to the group.  Gives how many still ran.
    """
    rows = {path: row for path, row in _rows(directory) if supervisor in (None, row.supervisor)}
    alive = [row for row in rows.values() if row.ours()]
    for row in alive:
        signal_process(row.pid, signal.SIGTERM)
    _wait_until_gone(alive)
    for row in alive:
        if row.ours():
            log.warning("a leftover process did not end and is killed", pid=row.pid)
            kill_group(row.pid)
    _wait_until_gone(alive)
    for path, row in rows.items():
        if _read(path) == row:  # a new supervisor may have written its own child down
            path.unlink(missing_ok=True)
    return len(alive)


def _wait_until_gone(rows: Iterable[PidFile]) -> None:
    deadline = time.monotonic() + GRACE_S
    while any(row.ours() for row in rows) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _rows(directory: Path) -> list[tuple[Path, PidFile]]:
    found = ((path, _read(path)) for path in sorted(directory.glob("*.pid")))
    return [(path, row) for path, row in found if row is not None]


def _read(path: Path) -> PidFile | None:
    with contextlib.suppress(FileNotFoundError):
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            return PidFile(row["pid"], row["mark"], tuple(row["argv"]), row["supervisor"])
        except (ValueError, KeyError, TypeError):
            # Whose process it names cannot be proved, so nothing is done to it.
            log.warning("a pid file is unreadable and is left alone", path=str(path))
    return None
