"""How a process reaches buckets, of whatever kind."""

import threading
from pathlib import Path

import urllib3

from workers.job.errors import StorageRefused
from workers.job.spec import Storage
from workers.storage.bucket import Bucket
from workers.storage.extra import NO_AZURE
from workers.storage.http import connections, trusting
from workers.storage.s3 import S3Bucket


class Buckets:
    """Opens buckets.  From any thread."""

    def __init__(self, ca_file: Path | None = None) -> None:
        """``ca_file`` (PEM) names authorities that are trusted beside the system's.

        Raises OSError.
        """
        self._tls = trusting(ca_file)
        self._connections: dict[tuple[float, float, bool], urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def open(self, storage: Storage, *, connect_s: float = 3, read_s: float = 30) -> Bucket:
        """A bucket; nothing is asked of it yet.  Raises StorageRefused.

        Buckets with the same timeouts, of which there are few, use the same connections: setting
        one up for each file takes as long as the file.
        """
        web = self._web(connect_s, read_s, public=storage.public)
        if storage.kind == "s3":
            return S3Bucket(storage, web)
        try:
            # An extra, and half a second that others need not spend.
            from workers.storage.azure import AzureContainer
        except ImportError as exc:
            raise StorageRefused(NO_AZURE) from exc
        return AzureContainer(storage, web)

    def _web(self, connect_s: float, read_s: float, *, public: bool) -> urllib3.PoolManager:
        kind = (connect_s, read_s, public)
        with self._lock:
            if kind not in self._connections:
                self._connections[kind] = connections(
                    connect_s=connect_s, read_s=read_s, public=public, tls=self._tls
                )
            return self._connections[kind]
