"""The seam to the farm: all that a dialect may ask of it."""

from collections.abc import Mapping
from typing import Protocol

from workers.job.allowance import UNLIMITED, Allowance
from workers.job.order import Change
from workers.job.recut import Recut
from workers.job.spec import RecordingSpec, Storage
from workers.job.status import RecordingStatus, StopOutcome, TapeStatus


class Control(Protocol):
    """Recordings, as the API sees them.

    Every method may raise a retryable FarmError when the state behind it cannot be reached.
    Methods are called from many threads at once.
    """

    def capacity(self, app_id: str = "", allowance: Allowance = UNLIMITED) -> bool:
        """Whether a recording could be taken in now.

        Raises QuotaExceeded if the app has as much going on as it may.
        """
        ...

    def start(
        self, spec: RecordingSpec, nonce: str, allowance: Allowance = UNLIMITED
    ) -> str | None:
        """Take a recording in and enqueue it, or do nothing at all.

        ``nonce`` names the ticket that pays for it, ``allowance`` is what its app may have.
        Returns None, or the sid that this ticket started before.  Raises Conflict, QuotaExceeded
        and NoCapacity; then the ticket is not spent.
        """
        ...

    def status(self, sid: str) -> RecordingStatus | None:
        """A recording, ended ones included as long as they are remembered."""
        ...

    def stop(self, sid: str, wait_s: float) -> StopOutcome:
        """Ask for the end and wait at most ``wait_s`` for the last file (0: do not wait).

        Raises NotFound and AlreadyStopping.
        """
        ...

    def order(self, sid: str, change: Change, at_ns: int) -> None:
        """Change a recording that runs, from ``at_ns`` (Unix nanoseconds) on.

        When this returns it will happen, whoever tapes the recording.  Raises NotFound.
        """
        ...

    def storage(self, sid: str) -> Storage:
        """The bucket of a recording, with its keys.  Raises NotFound."""
        ...

    def renew(self, sid: str, storage: Storage) -> None:
        """Give the bucket of a recording other keys, from the next file on.

        When this returns they will be used, whoever tapes or delivers the recording, unless newer
        ones came (``Storage.renewed_ns``).  Raises NotFound when it has ended.
        """
        ...

    def recut(self, sid: str, asked: Recut, new_sid: str) -> RecordingSpec:
        """Make a recut from a recording's tape; returns it.

        Raises NotFound, BadRecut, NoTape, NoTapeYet, TooManyRecuts, SpoolUnseen and StorageError;
        then nothing was taken in.
        """
        ...

    def tape(self, sid: str) -> TapeStatus:
        """What recuts can be made from.  Raises NotFound."""
        ...

    def check_storage(self, storage: Storage) -> None:
        """Whether the bucket answers to these keys, in bounded time.  Raises StorageError."""
        ...

    def report(self, sid: str) -> str | None:
        """The quality report (JSON) of a recording that has ended; None if there is none."""
        ...

    def readiness(self) -> Mapping[str, str]:
        """Each thing a start call needs (broker, storage, capacity): "" or what is wrong."""
        ...
