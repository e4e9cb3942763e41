"""HTTP connections on which sending a body may take longer than connecting."""

import socket
import ssl
import time
from pathlib import Path
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.response import HTTPResponse

from workers.addresses import is_public
from workers.storage.watch import Watch

# urllib3 sends under the timeout of connecting, and a plain socket's timeout is for all of a body:
# 3 s would refuse a part of 8 MiB to every line below 22 Mbit/s.
_SEND_S = 60.0
# Whoever is at the other end, or in between, forgets connections that nothing comes over; 5 s is
# the shortest that servers commonly wait.
_IDLE_S = 3.0
_READ_TIMES = 3  # a read's timeout is for each byte; a whole answer may take so many times that
_HOSTS = 32  # with connections that are kept; each bucket has its own, if it stands in the host
_WATCH = Watch()


class _Patient(HTTPConnection):
    _answered_s = 0.0  # by the monotonic clock
    _watched: socket.socket | None = None

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_SEND_S)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # used again: sends under this timeout
            self.timeout = _SEND_S
        super().request(*args, **kwargs)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as it is in urllib3
        self._watch()
        try:
            response = super().getresponse()
        except BaseException:
            self.unwatch()
            raise
        self._answered_s = time.monotonic()
        return response

    def _watch(self) -> None:
        self.unwatch()
        if isinstance(self.timeout, (int, float)):
            self._watched = self.sock
            _WATCH.begin(self.sock, _READ_TIMES * self.timeout)

    def unwatch(self) -> None:
        """The answer is over."""
        if self._watched is not None:
            _WATCH.end(self._watched)
            self._watched = None

    @property
    def is_connected(self) -> bool:
        return super().is_connected and time.monotonic() - self._answered_s < _IDLE_S


class _SecureConnection(_Patient, HTTPSConnection):
    pass


class _Public(_Patient):
    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        if not is_public(made.getpeername()[0]):
            made.close()
            raise NewConnectionError(self, "the host lies in a private network")
        return made


class _PublicSecure(_Public, _SecureConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Patient

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.unwatch()
        super()._put_conn(conn)


class _SecurePool(_Pool, urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _PublicPool(_Pool):
    ConnectionCls = _Public


class _PublicSecurePool(_SecurePool):
    ConnectionCls = _PublicSecure


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Trust in the system's authorities, and in those of a PEM file if one is given.

    Raises OSError, of which ssl.SSLError for what is no PEM is one.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


class _Connections(urllib3.PoolManager):
    def clear(self) -> None:
        """Every ``minio`` client that goes calls it; others use the same connections."""


def connections(
    *,
    connect_s: float,
    read_s: float,
    public: bool = False,
    tls: ssl.SSLContext | None = None,
) -> urllib3.PoolManager:
    """Some connections, for any number of clients; nothing is retried.

    ``public``: to public addresses alone.  Without ``tls`` the system's authorities count.
    """
    manager = _Connections(
        num_pools=_HOSTS,
        timeout=urllib3.Timeout(connect=connect_s, read=read_s),
        retries=False,
        maxsize=4,
        ssl_context=tls,
    )
    manager.pool_classes_by_scheme = (
        {"http": _PublicPool, "https": _PublicSecurePool}
        if public
        else {"http": _Pool, "https": _SecurePool}
    )
    return manager
