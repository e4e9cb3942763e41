"""Which addresses, ports and servers a connection may use, as one frozen value."""

import ssl
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import parse_qs

from media.errors import Blame, FarmError

LOOPBACK = ("127.0.0.1",)
GATHER_S = 2.0


class BadIceServer(FarmError, ValueError):
    """An ICE server's URL that RFC 7064 and RFC 7065 do not allow, or that we do not speak."""

    blame: ClassVar[Blame] = Blame.FARM


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN server, or a TURN server with what it asks of us."""

    scheme: str  # "stun", "turn", or "turns": TURN over TLS
    host: str
    port: int
    transport: str = "udp"  # "udp" or "tcp", from us to the server
    username: str = field(default="", repr=False)
    credential: str = field(default="", repr=False)

    @property
    def relays(self) -> bool:
        """Whether it is a TURN server."""
        return self.scheme != "stun"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        transport = f"?transport={self.transport}" if self.relays else ""
        return f"{self.scheme}:{host}:{self.port}{transport}"


_DEFAULT_PORTS = {"stun": 3478, "turn": 3478, "turns": 5349}  # RFC 7064 §3.2, RFC 7065 §3.2


def ice_server(url: str, username: str = "", credential: str = "") -> IceServer:
    """Read ``stun:host``, ``turn:host:port?transport=tcp`` or ``turns:host`` (RFC 7064, 7065).

    Raises BadIceServer, also for TURN without name and password: nobody runs that on purpose.
    """
    scheme, _, rest = url.partition(":")
    rest, _, query = rest.partition("?")
    if scheme not in _DEFAULT_PORTS or rest.startswith("//"):
        raise BadIceServer("an ICE server looks like stun:host, turn:host:port or turns:host:port")
    host, port = _host_and_port(rest, _DEFAULT_PORTS[scheme])
    if scheme == "stun":
        if query:
            raise BadIceServer("a stun: URL takes no parameters")
        return IceServer(scheme, host, port)
    if not username or not credential:
        raise BadIceServer(f"{scheme}:{rest} needs a username and a credential")
    return IceServer(scheme, host, port, _transport(scheme, query), username, credential)


def _transport(scheme: str, query: str) -> str:
    (transport,) = parse_qs(query).get("transport", ["udp" if scheme == "turn" else "tcp"])[:1]
    if transport not in ("udp", "tcp") or (scheme == "turns" and transport == "udp"):
        raise BadIceServer(f"{scheme}: with transport={transport} is not spoken here")
    return transport


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        host = host if bracket else ""
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = text.partition(":")
    if not host or (colon and not (port.isascii() and port.isdigit())) or colon not in ("", ":"):
        raise BadIceServer("the host or the port of an ICE server cannot be read")
    number = int(port) if colon else default
    if not 0 < number < 65536:
        raise BadIceServer("the port of an ICE server is out of range")
    return host, number


def port_range(text: str) -> range | None:
    """Read ``"40000-40999"``, both included; None for "".  Raises ValueError."""
    if not text:
        return None
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal()):
        raise ValueError('a port range looks like "40000-40999"')
    low, high = int(first), int(last)
    if not 1024 <= low <= high <= 65535:
        raise ValueError("a port range lies between 1024 and 65535, the lower port first")
    return range(low, high + 1)


@dataclass(frozen=True, slots=True)
class Network:
    """What one connection may use; the default stays on this host."""

    addresses: tuple[str, ...] = LOOPBACK  # of ours, IPv4 and IPv6, the best one first
    ports: range | None = None  # of our UDP sockets; None: the system's choice
    advertise: tuple[str, ...] = ()  # what a 1:1 NAT makes of our addresses, with the same port
    ice_servers: tuple[IceServer, ...] = ()
    relay_only: bool = False  # media through TURN, by no other way
    gather_s: float = GATHER_S  # how long STUN and TURN servers may delay an offer or answer
    tls: ssl.SSLContext | None = None  # whose certificates are good; None: the system's authorities

    @property
    def relays(self) -> tuple[IceServer, ...]:
        """The TURN servers."""
        return tuple(server for server in self.ice_servers if server.relays)

    @property
    def mirrors(self) -> tuple[IceServer, ...]:
        """The STUN servers: they tell us which address others see."""
        return tuple(server for server in self.ice_servers if not server.relays)


ON_THIS_HOST = Network()
