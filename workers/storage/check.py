"""Does a bucket answer with these keys?  Asked before a start is accepted."""

import threading
import time
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

from workers.job.errors import StorageUnavailable
from workers.job.spec import Storage
from workers.storage.opening import Buckets

_REMEMBERED_S = 30.0
_REMEMBERED = 1000
_AT_ONCE = 64


class StorageCheck:
    """Checks buckets within a bounded time, and remembers the good answers for a moment."""

    def __init__(self, within_s: float, buckets: Buckets | None = None) -> None:
        self._buckets = buckets or Buckets()
        self._within_s = within_s
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="storage-check")
        self._good: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the threads, when those buckets have answered that are being asked."""
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, storage: Storage) -> None:
        """Raises StorageRefused or StorageUnavailable."""
        key = _asked(storage)
        with self._lock:
            if time.monotonic() - self._good.get(key, -_REMEMBERED_S) < _REMEMBERED_S:
                return
        half = self._within_s / 2
        bucket = self._buckets.open(storage, connect_s=half, read_s=self._within_s)
        work: Future[None] = self._pool.submit(bucket.check)
        try:
            work.result(timeout=self._within_s)
        except FutureTimeoutError:
            work.cancel()
            raise StorageUnavailable("the storage did not answer in time") from None
        with self._lock:
            if len(self._good) >= _REMEMBERED:
                self._good.clear()
            self._good[key] = time.monotonic()


def _asked(storage: Storage) -> Hashable:
    """What the answer depends on; folders and tags may differ with each recording."""
    return (
        *(storage.kind, storage.endpoint, storage.secure, storage.region, storage.path_style),
        *(storage.bucket, storage.access_key, storage.secret_key, storage.session_token),
        storage.public,
    )
