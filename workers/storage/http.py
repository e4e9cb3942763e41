"""HTTP connections on which sending a body may take longer than connecting."""

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

# urllib3 sends under the timeout of connecting, and a plain socket's timeout is for all of a body:
# 3 s would refuse a part of 8 MiB to every line below 22 Mbit/s.
_SEND_S = 60.0


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_SEND_S)


class _SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_SEND_S)


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def connections(*, connect_s: float, read_s: float) -> urllib3.PoolManager:
    """Some connections; nothing is retried."""
    manager = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=connect_s, read=read_s), retries=False, maxsize=4
    )
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager
