"""Does a bucket answer with these keys?  Asked before a start is accepted."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

from workers.job.errors import StorageUnavailable
from workers.job.spec import Storage
from workers.storage.s3 import Bucket

_REMEMBERED_S = 30.0
_REMEMBERED = 1000
_AT_ONCE = 64


class StorageCheck:
    """Checks buckets within a bounded time, and remembers the good answers for a moment."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="storage-check")
        self._good: dict[int, float] = {}
        self._lock = threading.Lock()

    def __call__(self, storage: Storage) -> None:
        """Raises StorageRefused or StorageUnavailable."""
        key = hash((storage.model_dump_json(), storage.secret_key, storage.session_token))
        with self._lock:
            if time.monotonic() - self._good.get(key, -_REMEMBERED_S) < _REMEMBERED_S:
                return
        half = self._within_s / 2
        work: Future[None] = self._pool.submit(
            Bucket(storage, connect_s=half, read_s=self._within_s).check
        )
        try:
            work.result(timeout=self._within_s)
        except FutureTimeoutError:
            work.cancel()
            raise StorageUnavailable("the storage did not answer in time") from None
        with self._lock:
            if len(self._good) >= _REMEMBERED:
                self._good.clear()
            self._good[key] = time.monotonic()
