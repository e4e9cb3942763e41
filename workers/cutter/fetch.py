"""One document from a customer's URL: bounded in size and time, and never from our own network."""

import ssl
import time
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpcore

from media.errors import Blame, FarmError
from workers.addresses import Border, HostNotFound, HostRefused

_REDIRECTS: Final = 3
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = [
    ("User-Agent", "tapefarm"),
    ("Accept", "image/*"),
    ("Accept-Encoding", "identity"),
]


class Unfetchable(FarmError):
    """It did not come; another try may do better."""

    retryable = True
    blame = Blame.CUSTOMER


class Unusable(Unfetchable):
    """What is there cannot be used, today and tomorrow."""

    retryable = False


class Fetcher:
    """Gets documents by HTTP and HTTPS.  Any thread may use it."""

    def __init__(
        self, border: Border, *, most_bytes: int, connect_s: float, total_s: float
    ) -> None:
        self._border = border
        self._most_bytes = most_bytes
        self._connect_s = connect_s
        self._total_s = total_s
        self._authorities = ssl.create_default_context()

    def get(self, url: str) -> bytes:
        """The document.  Raises Unfetchable, at the latest when names and time are used up."""
        backend = _Backend(self._border, time.monotonic() + self._total_s)
        with httpcore.ConnectionPool(
            ssl_context=self._authorities, network_backend=backend, max_connections=1
        ) as pool:
            try:
                return self._follow(pool, url)
            except HostNotFound as exc:
                raise Unfetchable(str(exc)) from exc
            except HostRefused as exc:
                raise Unusable(str(exc)) from exc
            except httpcore.TimeoutException as exc:
                raise Unfetchable("it took too long") from exc
            except (httpcore.NetworkError, httpcore.ProtocolError) as exc:
                raise Unfetchable(f"the connection failed: {type(exc).__name__}") from exc
            except httpcore.UnsupportedProtocol as exc:
                raise Unusable("the URL is not of http or https") from exc
            except (ValueError, TypeError) as exc:  # what httpcore and urllib say of bad URLs
                raise Unusable("the URL makes no sense") from exc

    def _follow(self, pool: httpcore.ConnectionPool, url: str) -> bytes:
        for _ in range(_REDIRECTS + 1):
            if urlsplit(url).scheme.lower() not in {"http", "https"}:
                raise Unusable("it was redirected away from http and https")
            found = self._ask(pool, url)
            if isinstance(found, bytes):
                return found
            url = urljoin(url, found)
        raise Unusable("it was redirected too often")

    def _ask(self, pool: httpcore.ConnectionPool, url: str) -> bytes | str:
        """The document, or where it is instead."""
        timeouts = {"connect": self._connect_s, "read": self._total_s, "write": self._total_s}
        with pool.stream("GET", url, headers=_HEADERS, extensions={"timeout": timeouts}) as answer:
            if answer.status in _MOVED:
                return next(
                    (
                        value.decode("ascii")
                        for name, value in answer.headers
                        if name.lower() == b"location"
                    ),
                    "",
                )
            if answer.status != 200:
                kind = Unfetchable if answer.status >= 500 else Unusable
                raise kind(f"the answer was status {answer.status}")
            return self._read(answer.iter_stream())

    def _read(self, chunks: Iterable[bytes]) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > self._most_bytes:
                raise Unusable(f"it is larger than {self._most_bytes} bytes")
        return bytes(body)


class _Backend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, and to nothing else, until a deadline."""

    def __init__(self, border: Border, deadline_s: float) -> None:
        self._border = border
        self._deadline_s = deadline_s
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """See httpcore.  Raises HostRefused."""
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in self._border.addresses(host.strip("[]")):
            left_s = _left_s(self._deadline_s, timeout)
            try:
                stream = self._inner.connect_tcp(
                    address, port, left_s, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
            else:
                return _Stream(stream, self._deadline_s)
        raise failure or httpcore.ConnectError("no address")


class _Stream(httpcore.NetworkStream):
    """However slowly it drips, it ends at the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline_s: float) -> None:
        self._inner = inner
        self._deadline_s = deadline_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See httpcore."""
        return self._inner.read(max_bytes, _left_s(self._deadline_s, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See httpcore."""
        self._inner.write(buffer, _left_s(self._deadline_s, timeout))

    def close(self) -> None:
        """See httpcore."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """See httpcore."""
        left_s = _left_s(self._deadline_s, timeout)
        return _Stream(
            self._inner.start_tls(ssl_context, server_hostname, left_s), self._deadline_s
        )

    def get_extra_info(self, info: str) -> Any:
        """See httpcore."""
        return self._inner.get_extra_info(info)


def _left_s(deadline_s: float, timeout_s: float | None) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise httpcore.ReadTimeout("the time is over")
    return left_s if timeout_s is None else min(left_s, timeout_s)
