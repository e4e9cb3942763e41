"""How long a bucket that fails is left alone."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from workers.job.spec import Storage

_FIRST_S, _LONGEST_S = 1.0, 60.0
_TRIAL_S = 90.0  # longer than one attempt takes
_KNOWN = 10_000  # failing buckets


@dataclass(frozen=True, slots=True)
class _Pause:
    failures: int  # in a row
    until_s: float
    on_trial: bool = False


class Patience:
    """Growing pauses for each bucket that fails, in one process.

    A bucket out of reach holds a thread for as long as it takes to say so.  Without pauses the
    files that wait for it would hold every thread, and everybody else's files would wait with
    them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pauses: dict[Storage, _Pause] = {}
        self._lock = threading.Lock()

    def may_try(self, storage: Storage) -> bool:
        """Whether to try now; of those who come after a pause, one."""
        key, now_s = _key(storage), self._clock()
        with self._lock:
            pause = self._pauses.get(key)
            if pause is None:
                return True
            if now_s < pause.until_s:
                return False
            self._pauses[key] = _Pause(pause.failures, now_s + _TRIAL_S, on_trial=True)
            return True

    def is_needed(self, storage: Storage) -> bool:
        """Whether it failed, and took nothing since."""
        with self._lock:
            return _key(storage) in self._pauses

    def failed(self, storage: Storage) -> None:
        """It did not take a file; several at the same time count once."""
        key, now_s = _key(storage), self._clock()
        with self._lock:
            pause = self._pauses.get(key, _Pause(0, 0.0))
            if now_s < pause.until_s and not pause.on_trial:
                return
            if len(self._pauses) >= _KNOWN:
                self._pauses.clear()
            pause_s = min(_FIRST_S * 2.0 ** min(pause.failures, 10), _LONGEST_S)
            self._pauses[key] = _Pause(pause.failures + 1, now_s + pause_s)

    def worked(self, storage: Storage) -> None:
        """It took a file."""
        with self._lock:
            self._pauses.pop(_key(storage), None)

    def tried(self, storage: Storage) -> None:
        """The work after ``may_try`` is over; if it never came to the bucket, another may try."""
        key = _key(storage)
        with self._lock:
            pause = self._pauses.get(key)
            if pause is not None and pause.on_trial:
                self._pauses[key] = _Pause(pause.failures, self._clock())


def _key(storage: Storage) -> Storage:
    """The bucket and who we are there; a recording's folder does not matter."""
    return storage.model_copy(update={"prefix": ""})
