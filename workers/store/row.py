"""A recording's row in Redis, as everybody reads it."""

from collections.abc import Mapping
from dataclasses import dataclass

from workers.job.state import State

_NUMBERS = (
    "fence",
    "accepted_ns",
    "origin_ns",
    "stop_ns",
    "end_ns",
    "units_sealed",
    "delivered_ns",
    "progress",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One recording as it stands in Redis.  Times are Unix nanoseconds, 0 when not yet known."""

    sid: str
    state: State
    fence: int
    owner: str
    accepted_ns: int
    origin_ns: int  # where its timeline begins
    stop_ns: int  # when it was asked to stop
    end_ns: int  # where its timeline ends, once the tape is closed
    reason: str  # why the tape was closed
    units_sealed: int  # slices that the tape holds whole
    delivered_ns: int
    no_data: bool  # the tape was closed without any media
    joined: bool = False  # some recorder has been in the channel
    progress: int = 0  # of the upload, the last that was told; of 10 000
    tape_of: str = ""  # which recording's tape this one is cut from; "": its own


def read(sid: str, raw: Mapping[str, str]) -> Row | None:
    """The row of a hash as it stands in Redis; None if there is no recording in it."""
    if "state" not in raw:
        return None
    number = {name: int(raw.get(name) or 0) for name in _NUMBERS}
    return Row(
        sid=sid,
        state=State(raw["state"]),
        owner=raw.get("owner", ""),
        reason=raw.get("reason", ""),
        no_data=raw.get("no_data", "") == "1",
        joined=raw.get("joined", "") == "1",
        tape_of=raw.get("tape_of", ""),
        **number,
    )
