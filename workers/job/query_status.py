"""Where a recording stands, in the numbers that customers know (reference §4.2)."""

from collections.abc import Mapping
from typing import Final

from workers.job.state import State
from workers.job.status import RecordingStatus

_NUMBERS: Mapping[State, int] = {
    State.QUEUED: 1,
    State.JOINING: 2,
    State.RECORDING: 4,
    State.STOPPING: 6,
    State.DELIVERING: 7,
    State.ENDED: 8,
    State.FAILED: 20,
}
_FILES_SEEN: Final = 5


def query_status(status: RecordingStatus) -> int:
    """What a query answers, and event 3 tells (§7.3).

    A failover is no step back.  Of screenshots no list is kept: there it is 5 once there is media.
    """
    if status.state not in {State.JOINING, State.RECORDING}:
        return _NUMBERS[status.state]
    if status.files or (status.snapshots and status.slice_start_ms):
        return _FILES_SEEN
    return _NUMBERS[State.RECORDING if status.joined else status.state]
