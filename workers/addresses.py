"""Which hosts customers may make us talk to."""

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Final

from media.errors import Blame, FarmError

_LOOKUPS_AT_ONCE: Final = 32
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
# What ``is_global`` of older Pythons does not know: local-use NAT64 (RFC 8215), site-local (RFC
# 3879), IPv4-compatible (RFC 4291 §2.5.5.1) and -translated (RFC 2765), SRv6 (RFC 9602) and
# documentation (RFC 9637) addresses.
_NOT_PUBLIC: Final = tuple(
    map(
        ipaddress.ip_network,
        ("64:ff9b:1::/48", "fec0::/10", "::/96", "::ffff:0:0:0/96", "5f00::/16", "3fff::/20"),
    )
)

Resolver = Callable[[str], Iterable[str]]


class HostRefused(FarmError):
    """A host that cannot be found in time, or that lies inside a private network."""

    blame = Blame.CUSTOMER


class HostNotFound(HostRefused):
    """A host that the resolver does not tell of, which may pass."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the open Internet, also behind IPv6 disguises of IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
        if any(ip in net for net in _NOT_PUBLIC):
            return False
    return ip.is_global and not ip.is_multicast


def lookup(host: str) -> list[str]:
    """The addresses of a host, by the system's resolver; may block for long."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Border:
    """Keeps customers' hosts out of our own network (server-side request forgery).

    After :meth:`check` a name is looked up again by whoever connects, so that is a first line only:
    a name whose addresses change in between must be caught where the connection is made.  Who
    connects to what :meth:`addresses` gave is safe from that.
    """

    def __init__(
        self, *, allow_private: bool, timeout_s: float, resolver: Resolver = lookup
    ) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._resolver = resolver
        self._places = threading.BoundedSemaphore(_LOOKUPS_AT_ONCE)

    @property
    def allows_private(self) -> bool:
        """Whether any address will do."""
        return self._allow_private

    def check(self, host: str) -> None:
        """Raises HostRefused, after the time limit at the latest."""
        if not self._allow_private:
            self.addresses(host)

    def addresses(self, host: str) -> list[str]:
        """Where to connect to, at least one.  Raises HostRefused, in bounded time."""
        addresses = self._resolve(host)
        if not addresses:
            raise HostNotFound("the host name cannot be resolved")
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise HostRefused("the host lies in a loopback, link-local or private network")
        return addresses

    def _resolve(self, host: str) -> list[str]:
        """The system's resolver cannot be cancelled, so it runs in a thread we may leave behind."""
        if not self._places.acquire(blocking=False):
            raise HostNotFound("too many host names are being resolved, try again")
        answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(list(self._resolver(host)))
            except (OSError, UnicodeError):
                answers.put([])
            finally:
                self._places.release()

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        try:
            return answers.get(timeout=self._timeout_s)
        except queue.Empty:
            raise HostNotFound("the host name could not be resolved in time") from None
